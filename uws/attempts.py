"""From a claimed job to a folder that a shepherd can run: `job.json` for the tool, `spec.json` for the shepherd."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.conf import settings

from gateway.vo.errors import NotAvailable
from uws import executors, rows, starting, storage
from uws.models import Job, JobInput, joined_notices
from uws.tools.description import Tool

DEFAULT_LOG_BYTES = 10 << 20


def jobs_section() -> Mapping[str, Any]:
    """`[jobs]` of site.toml."""
    section = settings.SITE.raw.get("jobs", {})
    return section if isinstance(section, dict) else {}


def prepare(job: Job, tool: Tool) -> Path:
    """Make the attempt's folder with all that its shepherd needs.

    Raises
    ------
    NotAvailable
        If an input file is gone.
    OSError
        If the folder cannot be written (full disk, permissions).
    """
    folder = job.attempt_folder
    work, tmp, progress = folder / "work", folder / "tmp", folder / "progress.jsonl"
    for path in (work, tmp):
        path.mkdir(parents=True, exist_ok=True)
    progress.touch()
    (job.folder / f"fence-{job.attempt}").touch()
    inputs = rows.inputs_of(job)
    _check_readable(inputs)
    storage.write_json(work / "job.json", description(job, inputs))
    _lend_caches(tmp)
    storage.write_json(folder / "spec.json", specification(job, tool, inputs, folder))
    return folder


def description(job: Job, inputs: list[JobInput]) -> dict[str, Any]:
    """What the tool reads (docs/development.md, Jobs)."""
    files: dict[str, list[dict[str, Any]]] = {}
    for row in inputs:
        files.setdefault(row.role, []).append(
            {
                "id": row.identifier,
                "path": row.path,
                "sha256": row.sha256,
                "title": row.title,
                "terms": row.terms,
                "collection": row.collection,
                "media_type": row.media_type,
            }
        )
    return {
        "job": job.pk,
        "tool": job.tool_name,
        "version": job.tool_version,
        "parameters": job.parameters,
        "inputs": files,
        "notice": joined_notices(row.notice for row in inputs),
        "base_url": job.base_url,
        "job_url": f"{job.base_url}/{job.service_path}/{job.pk}",
        "page_url": f"{job.base_url}/jobs/{job.pk}/",
    }


def specification(job: Job, tool: Tool, inputs: list[JobInput], folder: Path) -> dict[str, Any]:
    """What the shepherd reads."""
    if _is_remote(job):
        start = starting.of_remote(job, tool, folder)
    else:
        mode, here = str(jobs_section().get("sandbox", "auto")), job.executor == executors.LOCAL
        start = starting.of_tool(job, tool, inputs, folder, mode, here=here)
    return {
        "job": job.pk,
        "attempt": job.attempt,
        "argv": start.argv,
        "cwd": str(folder / "work"),
        "env": start.environment,
        "seconds": job.execution_duration,
        "memory_mb": start.memory_mb,
        "disk_mb": tool.limits.disk_mb,
        "processes": start.processes,
        "log_bytes": int(jobs_section().get("log_bytes", DEFAULT_LOG_BYTES)),
        "rlimits": start.rlimits,
        "platform": platform_text() + start.platform + _executor_text(job),
        "executor": _executor_options(job),
        "warm": start.warm,
        "cleanup": start.cleanup,
        "notes": [f"{tool.title}, {tool.id}, attempt {job.attempt}.", *_deprecation(tool), start.note],
    }


def _deprecation(tool: Tool) -> list[str]:
    return [f"This version of the tool is deprecated: {tool.deprecated}"] if tool.deprecated else []


def _executor_options(job: Job) -> dict[str, Any]:
    """What the site says of the tool's needs on the executor that runs the job."""
    assigned = executors.assignment(job.tool_name)
    return dict(assigned.options) if assigned.executor.name == job.executor else {}


def _is_remote(job: Job) -> bool:
    config = executors.configured().get(job.executor)
    return config is not None and config.type is executors.ExecutorType.UWS


def _executor_text(job: Job) -> str:
    return "" if job.executor == executors.LOCAL else f"; executor {job.executor}"


def _check_readable(inputs: list[JobInput]) -> None:
    for row in inputs:
        try:
            with Path(row.path).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
        except IsADirectoryError:
            continue
        except OSError as error:
            raise NotAvailable(
                f"The input {row.title or row.identifier} cannot be read: {storage.plain(error)}.",
                hint="It may have been deleted since the job was made; choose it again.",
            ) from None
        if row.size and size != row.size:  # cut off by a loss of power, or replaced
            raise NotAvailable(
                f"The input {row.title or row.identifier} has {size} bytes, not the {row.size} that it had when the "
                "job was made.",
                hint="Choose it again.",
            )


@lru_cache(maxsize=1)
def platform_text() -> str:
    """The machine and software by which results are made, for the provenance record."""
    parts = [f"{platform.system()} {platform.release()} {platform.machine()}"]
    parts.append(f"Python {platform.python_version()}")
    for package in ("vogate", "numpy", "astropy", "gammapy"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "; ".join(parts)


def cache_folder() -> Path:
    """Caches that the worker makes once and lends to every attempt (matplotlib's list of fonts)."""
    return Path(settings.VOGATE_HOME) / "cache" / "tools"


def _lend_caches(tmp: Path) -> None:
    source = cache_folder() / "matplotlib"
    if source.is_dir():
        shutil.copytree(source, tmp / "matplotlib", dirs_exist_ok=True)
