"""The capabilities document of the TAP service (VOSI 1.1, TAPRegExt 1.0, TAP 1.1 section 2.4)."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from gateway.vo import vosi
from gateway.vo.columns import Schema
from gateway.vo.vosi import Capability, Interface, element
from gateway.vo.votable import escape, quote
from tap.adql import udf
from tap.adql.extensions import DESCRIPTIONS, of_function
from tap.formats import FORMATS, Format
from tap.workers import extensions, query_settings

STANDARD = "ivo://ivoa.net/std/TAP"
_FEATURES = "ivo://ivoa.net/std/TAPRegExt#features"

GEOMETRY = (
    *("POINT", "CIRCLE", "BOX", "POLYGON", "REGION", "CENTROID", "AREA", "COORD1", "COORD2", "COORDSYS"),
    *("DISTANCE", "CONTAINS", "INTERSECTS"),
)
OPTIONAL = {
    "adql-string": ("LOWER", "UPPER", "ILIKE"),
    "adql-offset": ("OFFSET",),
    "adql-common-table": ("WITH",),
    "adql-sets": ("UNION", "EXCEPT", "INTERSECT"),
    "adql-type": ("CAST",),
    "adql-unit": ("IN_UNIT",),
}
"""Optional features of ADQL 2.1 that the compiler has, by the end of their identifiers.

COALESCE is missing: STILTS 3.4 calls its key (`adql-conditional`) an error, so it is declared with the
service's own features until that version has gone.
"""
CONDITIONAL = "COALESCE(a, b, ...) as in ADQL 2.1: the first argument that is not NULL."

DATA_MODELS = {"ivoa.obscore": ("ivo://ivoa.net/std/ObsCore#core-1.1", "ObsCore-1.1")}


def security_methods() -> tuple[str, ...]:
    """IVOIDs of the ways to sign in, which `gateway.accounts` knows."""
    return tuple(getattr(settings, "VOGATE_SECURITY_METHODS", ()))


def document(base_url: str, schemas: Iterable[Schema]) -> str:
    """The capabilities of the service at `base_url`/tap."""
    root = f"{base_url}/tap"
    security = security_methods()

    def at(path: str, *, use: str = "full", version: str = "") -> tuple[Interface, ...]:
        return (Interface(f"{root}{path}", use, version=version, security=security),)

    return vosi.capabilities(
        [
            Capability(STANDARD, at("", use="base", version="1.1"), "tr:TableAccess", _table_access(schemas)),
            Capability(vosi.CAPABILITIES, at("/capabilities")),
            Capability(vosi.AVAILABILITY, at("/availability")),
            Capability(vosi.TABLES, at("/tables", version="1.1")),
            Capability(
                vosi.EXAMPLES, (Interface(f"{root}/examples", type="vr:WebBrowser", security=security),)
            ),
            *_extensions(root),
        ]
    )


def _extensions(root: str) -> Iterable[Capability]:
    """What goes beyond ADQL 2.1, each under an identifier of our own.

    They are capabilities and not language features, since STILTS warns of every feature type that
    TAPRegExt does not name.
    """
    declared = {"coalesce": CONDITIONAL} | {item.value.lower(): DESCRIPTIONS[item] for item in extensions()}
    for name, description in sorted(declared.items()):
        yield Capability(
            f"ivo://{settings.SITE.authority}/adql#{name}",
            (Interface(root, type="vr:WebBrowser", role=""),),
            description=f"Extension of ADQL on this service: {description}",
        )


def _table_access(schemas: Iterable[Schema]) -> str:
    return _data_models(schemas) + _language() + _output_formats() + _upload_methods() + _limits()


def _data_models(schemas: Iterable[Schema]) -> str:
    published = {table.qualified_name.lower() for schema in schemas for table in schema.tables}
    return "".join(
        element("dataModel", label, **{"ivo-id": ivo_id})
        for name, (ivo_id, label) in DATA_MODELS.items()
        if name in published
    )


def _features(kind: str, features: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f"<feature>\n{element('form', form)}{element('description', description)}</feature>\n"
        for form, description in features
    )
    return f"<languageFeatures type={quote(kind)}>\n{body}</languageFeatures>\n"


def _language() -> str:
    offered = (None, *extensions())
    functions = [
        (function.form, function.description)
        for function in udf.DECLARED
        if of_function(function.name) in offered
    ]
    return (
        "<language>\n<name>ADQL</name>\n"
        '<version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>\n'
        '<version ivo-id="ivo://ivoa.net/std/ADQL#v2.1">2.1</version>\n'
        "<description>ADQL 2.1 with all of its optional features</description>\n"
        + _features(f"{_FEATURES}-udf", functions)
        + _features(f"{_FEATURES}-adqlgeo", ((name, "") for name in GEOMETRY))
        + "".join(
            _features(f"{_FEATURES}-{kind}", ((name, "") for name in names))
            for kind, names in OPTIONAL.items()
        )
        + "</language>\n"
    )


def _aliases(form: Format) -> Iterable[str]:
    """Short names and other media types, each once."""
    return dict.fromkeys(name for name in (form.name, *form.aliases) if name != form.mime)


def _output_formats() -> str:
    return "".join(
        f"<outputFormat{f' ivo-id={quote(form.ivo_id)}' if form.ivo_id else ''}>\n"
        f"<mime>{escape(form.mime)}</mime>\n"
        + "".join(element("alias", name) for name in _aliases(form))
        + "</outputFormat>\n"
        for form in FORMATS
    )


def _upload_methods() -> str:
    return "".join(
        f'<uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-{kind}"/>\n'
        for kind in ("inline", "http")
    )


def _limits() -> str:
    """Retention and time in seconds, output in rows, uploads in bytes; those of signed-in users are the hard ones."""
    site, query = settings.SITE, query_settings()

    def pair(name: str, default: int, hard: int, unit: str = "") -> str:
        attribute = f' unit="{unit}"' if unit else ""
        return (
            f"<{name}>\n<default{attribute}>{default}</default>\n<hard{attribute}>{hard}</hard>\n</{name}>\n"
        )

    longest = min(site.signed_in.execution_duration, query.async_seconds)
    usual = min(site.anonymous.execution_duration, longest)
    return (
        pair("retentionPeriod", site.anonymous.lifetime, site.signed_in.lifetime)
        + pair("executionDuration", usual, longest)
        + pair("outputLimit", query.default_maxrec, query.hard_maxrec, "row")
        + pair("uploadLimit", query.upload_bytes, query.upload_bytes, "byte")
    )
