"""HTTP of the archive: DataLink, product files, terms of use."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from gateway.vo.caller import Caller
from gateway.vo.dali import Parameters
from gateway.vo.errors import Forbidden, Gone, NotAuthenticated, NotFound, UsageError
from gateway.vo.files import serve_file
from gateway.vo.sessions import caller_of
from obscore import datalink, definition, lookup, rights, vosi
from obscore.inputs import check_unchanged
from obscore.models import ArchiveFile, Collection, Observation, Role

_FORMATS = {
    "": definition.DATALINK_FORMAT,
    "votable": "application/x-votable+xml",
    "application/x-votable+xml": "application/x-votable+xml",
    "text/xml": "text/xml",
}


def base_url(request: HttpRequest) -> str:
    """Public URL of the service, without a slash at its end."""
    if settings.VOGATE_BASE_URL:
        return str(settings.VOGATE_BASE_URL)
    return f"{request.scheme}://{request.get_host()}{request.META.get('SCRIPT_NAME', '').rstrip('/')}"


@csrf_exempt  # reads only; VO clients POST without a token
@require_http_methods(["GET", "HEAD", "POST"])
def links(request: HttpRequest) -> HttpResponse:
    """`/datalink/links`: DataLink 1.1, section 2."""
    parameters = Parameters.of(request)
    wanted = parameters.one("RESPONSEFORMAT") or parameters.one("FORMAT")
    content_type = _FORMATS.get(wanted.split(";")[0].strip().lower())
    if content_type is None:
        raise UsageError(
            "UsageFault: this format of the answer is not available.",
            hint="Leave RESPONSEFORMAT out, or use votable.",
            field="RESPONSEFORMAT",
        )
    if ";" in wanted and "content=datalink" in wanted.replace(" ", ""):
        content_type = definition.DATALINK_FORMAT
    identifiers = [value for value in parameters.all("ID") if value.strip()]
    found = datalink.answer(
        identifiers, caller_of(request), base_url(request), maxrec=parameters.integer("MAXREC")
    )
    return HttpResponse(datalink.document(found, base_url(request)), content_type=content_type)


@require_GET
def capabilities(request: HttpRequest) -> HttpResponse:
    """`/datalink/capabilities`: VOSI 1.1."""
    return HttpResponse(vosi.capabilities(f"{base_url(request)}/datalink"), content_type="text/xml")


@require_GET
def availability(request: HttpRequest) -> HttpResponse:
    """`/datalink/availability`: VOSI 1.1."""
    return HttpResponse(settings.SITE.availability(), content_type="text/xml")


@require_safe
def terms(request: HttpRequest, collection: str) -> HttpResponse:
    """`/data/<collection>/terms`: the terms of use, as the collection has them."""
    found = Collection.objects.filter(name=collection).exclude(terms="").first()
    if found is None:
        raise NotFound(f"There are no terms of use of a collection {collection[:64]!r} here.")
    return HttpResponse(found.terms, content_type="text/plain; charset=utf-8")


@require_safe
def product(request: HttpRequest, collection: str, obs_id: str, name: str) -> HttpResponseBase:
    """`/data/<collection>/<obs_id>/<file>`: a file of an observation."""
    observation = lookup.observations().filter(collection__name=collection, obs_id=obs_id).first()
    if observation is None:
        raise NotFound("There is no such observation.", hint="Search for it in ivoa.obscore.")
    _check_rights(observation, caller_of(request))
    for file in observation.files.all():
        if file.name == name:
            return _file(request, file)
    raise NotFound(f"Observation {observation.obs_id} has no such file.")


@require_safe
def auxiliary(request: HttpRequest, collection: str, name: str) -> HttpResponseBase:
    """`/data/<collection>/<file>`: a file of the collection as a whole."""
    file = (
        ArchiveFile.objects.select_related("collection", "observation")
        .filter(collection__name=collection, role=Role.AUXILIARY, name=name)
        .first()
    )
    if file is None:
        raise NotFound("There is no such file.")
    return _file(request, file)


def _file(request: HttpRequest, file: ArchiveFile) -> HttpResponseBase:
    if file.missing:
        raise Gone(f"The file {file.name} was withdrawn from the archive.")
    check_unchanged(file)
    collection = file.collection
    return serve_file(
        request,
        file.absolute,
        media_type=file.media_type,
        name=file.name,
        sha256=file.sha256,
        terms_url=base_url(request) + collection.terms_path if collection.terms else "",
    )


def _check_rights(observation: Observation, caller: Caller) -> None:
    if rights.may_read(observation.row, caller):
        return
    text = f"Observation {observation.obs_id} is {observation.row.get('data_rights')}."
    if caller.is_authenticated:
        raise Forbidden(text)
    raise NotAuthenticated(text, hint="Sign in with an account that has the right to it.")
