"""The processes that workers are: `vogate worker`, and those of Celery."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from functools import lru_cache

from django.conf import settings

from uws import attempts, warm
from uws.worker import Worker

RUN_SECONDS = 60.0
"""How long one message keeps a Celery worker's process, apart from the job that it is at then."""


def make_caches() -> None:
    """Have matplotlib list the fonts once, instead of in each job (about a second)."""
    target = attempts.cache_folder() / "matplotlib"
    if target.is_dir():
        return
    part = target.with_name(f"matplotlib.{os.getpid()}")
    part.mkdir(parents=True, exist_ok=True)
    environment = {"PATH": os.defpath, "HOME": str(part), "MPLCONFIGDIR": str(part), "MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", "import matplotlib.font_manager"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=False, cwd=part)
        if done.returncode == 0 and not target.exists():
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def main(slots: int, end_jobs_on_exit: bool = False) -> int:
    """`vogate worker`: run jobs until SIGINT or SIGTERM."""
    settings.VOGATE_JOBS.mkdir(parents=True, exist_ok=True)
    zygotes = _zygotes("")
    if zygotes is not None:
        zygotes.tend()  # the nursery alone: which tools want more is asked later
    worker = Worker(slots, end_jobs_on_exit=end_jobs_on_exit, zygotes=zygotes)
    signal.signal(signal.SIGINT, worker.stop)
    signal.signal(signal.SIGTERM, worker.stop)
    threading.Thread(target=make_caches, name="caches", daemon=True).start()
    worker.run()
    if zygotes is not None:
        zygotes.close()
    return 0


def run_waiting(executor: str) -> bool:
    """Run the waiting jobs of an executor, one at a time, in this process (a Celery worker's).

    Returns
    -------
    True if some still wait: after `RUN_SECONDS` other messages have their turn.
    """
    settings.VOGATE_JOBS.mkdir(parents=True, exist_ok=True)
    zygotes = _nursery(os.getpid())
    if zygotes is not None:
        zygotes.tend()
    return Worker(1, runner_slots=0, kinds=[executor], zygotes=zygotes).run_until_idle(RUN_SECONDS)


@lru_cache(maxsize=1)
def _nursery(pid: int) -> warm.Zygotes | None:
    """The zygotes of a Celery worker's process, which end with it; each process has its own."""
    return _zygotes("celery")


def _zygotes(name: str) -> warm.Zygotes | None:
    """None where the site wants none."""
    return (
        warm.Zygotes(settings.VOGATE_HOME / "cache" / name)
        if attempts.jobs_section().get("warm", True)
        else None
    )
