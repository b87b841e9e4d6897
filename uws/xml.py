"""UWS 1.1 documents (schema UWS.xsd, version 1.1-REC-20161024)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from gateway.vo.xmltext import legal
from uws import batch, links, rows
from uws.models import Job, JobResult
from uws.tools import registry

UWS = "http://www.ivoa.net/xml/UWS/v1.0"
XLINK = "http://www.w3.org/1999/xlink"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CONTENT_TYPE = "text/xml; charset=utf-8"

# astroquery's parser knows elements by their prefixed names: the prefix has to be `uws`.
_NAMESPACES: dict[str, str] = {"uws": UWS, "xlink": XLINK, "xsi": XSI}


def instant(moment: datetime | None) -> str:
    """A time in UTC with milliseconds and `Z`; empty for None."""
    if moment is None:
        return ""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def text_of(value: Any) -> str:
    """A parameter's value as text that XML can carry."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return legal(str(value))


def job(job: Job, base: str) -> bytes:
    """The job element: what a GET of a job answers."""
    root = _element("job", version="1.1")
    _add(root, "jobId", job.pk)
    if job.run_id:
        _add(root, "runId", job.run_id)
    _add_nillable(root, "ownerId", job.owner_name)
    _add(root, "phase", job.phase)
    _add_nillable(root, "quote", instant(job.quote))
    _add(root, "creationTime", instant(job.creation_time))
    _add_nillable(root, "startTime", instant(job.start_time))
    _add_nillable(root, "endTime", instant(job.end_time))
    _add(root, "executionDuration", str(job.execution_duration))
    _add_nillable(root, "destruction", instant(job.destruction))
    root.append(parameters_element(job))
    root.append(results_element(job, base))
    if job.error_message:
        summary = etree.SubElement(
            root, f"{{{UWS}}}errorSummary", type=job.error_type or "fatal", hasDetail="true"
        )
        _add(summary, "message", text_of(job.error_message))
    root.append(_info(job, base))
    return _document(root)


def parameters(job: Job) -> bytes:
    return _document(parameters_element(job))


def results(job: Job, base: str) -> bytes:
    return _document(results_element(job, base))


def parameter_values(job: Job) -> list[tuple[str, str]]:
    """(name, value) of parameters and inputs; a list gives one pair per value."""
    pairs = []
    for name, value in job.parameters.items():
        for item in value if isinstance(value, list) else [value]:
            pairs.append((name, text_of(item)))
    pairs += [(row.role, text_of(row.identifier)) for row in rows.inputs_of(job)]
    return pairs


def parameters_element(job: Job) -> etree._Element:
    root = _element("parameters")
    for name, value in parameter_values(job):
        _add(root, "parameter", value, id=text_of(name))
    return root


def results_element(job: Job, base: str) -> etree._Element:
    root = _element("results")
    for name, result in batch.listed(job):
        root.append(_result(job, name, result, base))
    return root


def _result(job: Job, name: str, result: JobResult, base: str) -> etree._Element:
    element = _element("result", id=name, size=str(result.size))
    element.set("mime-type", result.media_type)
    element.set(f"{{{XLINK}}}type", "simple")
    element.set(f"{{{XLINK}}}href", links.result_url(job, name, base))
    return element


def _info(job: Job, base: str) -> etree._Element:
    root = _element("jobInfo")
    facts = {
        "tool": job.tool_name,
        "toolVersion": job.tool_version,
        "deprecated": _deprecated(job),
        "progress": "" if job.progress is None else f"{job.progress:.3f}",
        "stage": job.stage,
        "attempt": str(job.attempt) if job.attempt else "",
        "log": f"{links.job_url(job, base)}/log" if job.attempt else "",
        "page": links.page_url(job, base),
        "answeredFrom": job.answered_from,
        "heldFor": job.get_held_for_display() if job.held_for else "",
        **_family(job, base),
    }
    for name, value in facts.items():
        if value:
            # In no namespace: validators warn of one whose schema they do not know.
            etree.SubElement(root, name).text = text_of(value)
    return root


def _deprecated(job: Job) -> str:
    """Why the tool's version should not be used any more; it still runs."""
    tool = registry.current().known(job.tool_name, job.tool_version)
    return tool.deprecated if tool is not None else ""


def _family(job: Job, base: str) -> dict[str, str]:
    """The batch that a job belongs to, or how the children of a batch stand."""
    if job.parent_id:
        parent = Job(pk=job.parent_id, tool_name=job.tool_name)
        return {"parent": links.job_url(parent, base), "childNumber": str(job.child_number)}
    if not job.is_batch:
        return {}
    found = batch.counts(job)
    return {
        "each": job.each,
        "children": str(found.total),
        "childrenCompleted": str(found.completed),
        "childrenFailed": str(found.failed),
        "childrenList": f"{base}/{job.service_path}?PARENT={job.pk}",
    }


def job_list(jobs: Iterable[Job], collection_url: str, owner: str) -> Iterator[bytes]:
    """The jobs element, written as the rows come: its length does not matter.

    Parameters
    ----------
    owner
        Name of the account that all of them belong to; empty for anonymous ones.
    """
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<uws:jobs {declared} version="1.1">\n'.encode()
    owner_element = _nillable("ownerId", owner)
    buffer: list[str] = []
    for job in jobs:
        run_id = f"<uws:runId>{_escape(job.run_id)}</uws:runId>" if job.run_id else ""
        buffer.append(
            f'<uws:jobref id="{job.pk}" xlink:type="simple" xlink:href="{_escape(collection_url)}/{job.pk}">'
            f"<uws:phase>{job.phase}</uws:phase>{run_id}{owner_element}"
            f"<uws:creationTime>{instant(job.creation_time)}</uws:creationTime></uws:jobref>\n"
        )
        if len(buffer) == 500:
            yield "".join(buffer).encode()
            buffer.clear()
    yield ("".join(buffer) + "</uws:jobs>\n").encode()


def _nillable(name: str, value: str) -> str:
    return f"<uws:{name}>{_escape(value)}</uws:{name}>" if value else f'<uws:{name} xsi:nil="true"/>'


def _escape(text: str) -> str:
    plain = text_of(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace('"', "&quot;")


def _element(name: str, **attributes: str) -> etree._Element:
    return etree.Element(f"{{{UWS}}}{name}", attributes, nsmap=_NAMESPACES)


def _add(parent: etree._Element, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, f"{{{UWS}}}{name}", attributes).text = text_of(text)


def _add_nillable(parent: etree._Element, name: str, text: str) -> None:
    element = etree.SubElement(parent, f"{{{UWS}}}{name}")
    if text:
        element.text = text_of(text)
    else:
        element.set(f"{{{XSI}}}nil", "true")


def _document(root: etree._Element) -> bytes:
    etree.cleanup_namespaces(root, top_nsmap=_NAMESPACES, keep_ns_prefixes=["uws", "xlink", "xsi"])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
