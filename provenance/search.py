"""Finding nodes: by what people write, by tool version, by what they were made from."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db.models import QuerySet

from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound
from provenance import access, models
from provenance.lineage import Direction, Node, reach
from provenance.records import result_id, result_of
from provenance.serialise.names import OWN_PATH, VOGATE, own_identifier, uri_identifier

__all__ = ["find", "made_from", "products_of"]

_JOB_PATH = re.compile(r"/(?:jobs|provenance|(?:uws/[^/]+|[a-z]+)/async)/([a-z2-7]{26})/?(?:\.[a-z]+)?$")
_NODE_PATH = re.compile(rf"{OWN_PATH}([a-z]+)/([^/]+)/?$")
_OBSERVATION_PATH = re.compile(r"/obs/([^/]+)/([^/]+)/?$")
_OBSERVATION = re.compile(r"([A-Za-z0-9._-]+)/([^/\s]+)$")
"""`collection/obs_id`, as tools take it."""


def find(text: str, caller: Caller) -> Node:
    """The node that an identifier means.

    Parameters
    ----------
    text
        A job's id or address; a result's address or `<job>/<result>`; a publisher DID; `<collection>/<obs_id>`;
        the address of a file or observation page; an identifier of the model as a provenance document writes it.

    Raises
    ------
    NotFound
        If nothing is recorded of it that the caller may know of.
    Forbidden, NotAuthenticated
        If it is a job of somebody else.
    """
    text = text.strip()
    entities, jobs = _candidates(text)
    for key in entities:
        if models.Entity.objects.filter(pk=key).exists() and _may_know(key, caller):
            return Node("e", key)
    for key in jobs:
        row = models.Activity.objects.filter(pk=key).first()
        if row is None:  # a job whose last attempt was lost, or who knows only the job
            row = models.Activity.objects.filter(job=key, step="").order_by("-final", "-attempt").first()
        if row is not None:
            access.check(row.job, caller)
            return Node("a", row.pk)
    path = urlsplit(text).path if text.startswith(("http://", "https://")) else text
    if path.startswith("/"):
        for key in (
            models.Entity.objects.filter(location__in={path, text})
            .order_by("pk")
            .values_list("pk", flat=True)[:20]
        ):
            if _may_know(key, caller):
                return Node("e", key)
    raise NotFound(
        f"Nothing is recorded of {text[:200]!r}.",
        hint="Give a job, the address of a result, a publisher DID, an observation as collection/obs_id, "
        "or an identifier of a provenance document.",
    )


def _may_know(entity: str, caller: Caller) -> bool:
    return bool(access.visible_entities([entity], caller, [Node("e", entity).job]))


def _candidates(text: str) -> tuple[list[str], list[str]]:
    """Identifiers of entities and of activities that a text may mean."""
    entities, jobs = [text], [text]
    if text.startswith("job:"):  # as a job's inputs name results
        entities.append(text.removeprefix("job:"))
        jobs.append(text.removeprefix("job:"))
    if (named := _named(text)) is not None:
        (jobs if named[0] == "activity" else entities).append(named[1])
    elif (identifier := uri_identifier(text)) and ":" in identifier:
        entities.append(identifier)
    path = unquote(urlsplit(text).path) if text.startswith(("http://", "https://", "/")) else ""
    result = result_of(text)
    if result:
        entities.append(result_id(*result))
    if path.startswith("/jobs/") and path.count("/") >= 3:
        entities.append(path.removeprefix("/jobs/").rstrip("/"))
    if match := _JOB_PATH.search(path):
        jobs.append(match[1])
    if match := _OBSERVATION_PATH.search(path) or _OBSERVATION.match(text):
        entities.append(f"ivo://{settings.SITE.authority}/{match[1]}?{match[2]}")
    return entities, jobs


def _named(text: str) -> tuple[str, str] | None:
    """(kind, identifier) of a node as our documents name it: its URI, or prefix and local part."""
    if match := _NODE_PATH.search(text):
        return own_identifier(match[1], match[2])
    if text.startswith(VOGATE.uri):
        return own_identifier("vogate", text.removeprefix(VOGATE.uri))
    prefix, colon, local = text.partition(":")
    return own_identifier(prefix, local) if colon else None


def made_from(
    node: Node, caller: Caller, *, limit: int | None = None
) -> tuple[QuerySet[models.Entity], bool]:
    """Every entity made from something, directly or not, that the caller may see; True if cut at the limit."""
    found, truncated = reach([node], Direction.FORWARD, limit=limit)
    ids = access.visible_entities({n.id for n in found if n.kind == "e"} - {node.id}, caller, [node.job])
    rows = models.Entity.objects.filter(pk__in=ids).select_related("wasGeneratedBy__activity", "content")
    return rows.order_by("-generatedAtTime", "pk"), truncated


def products_of(tool: str, caller: Caller) -> QuerySet[models.Entity]:
    """Every product of a tool (`name`), a version (`name@version`) or one description (its id).

    Of those that the caller may see, the newest first.
    """
    name, _, version = tool.partition("@")
    rows = models.Entity.objects.filter(wasGeneratedBy__activity__in=access.activities(caller))
    described = "wasGeneratedBy__activity__activityDescription"
    if "+" in version:
        rows = rows.filter(**{f"{described}_id": tool})
    else:
        rows = rows.filter(**{f"{described}__name": name})
        if version:
            rows = rows.filter(**{f"{described}__version": version})
    return rows.select_related("wasGeneratedBy__activity", "content").order_by("-generatedAtTime", "pk")
