"""A dictionary for Aladin desktop where CDS cannot be reached.  Pure.

Aladin 12 takes even the plain addresses that SAMP brings through its "GLU" dictionary, and gets that from CDS when it
starts.  Where it cannot, the record `Http` is missing and no http address loads; and as its only server then is a
hidden one, building the server selector fails, after which nothing loads at all (Debian's 12.001: ServerDialog.java,
line 605; Glu.getURL; ServerFile.creatLocalPlane).  `-glufile=` gives it what is needed, and with it the archive.
"""

from __future__ import annotations

from urllib.parse import quote_plus

_OBSERVATIONS = (
    "SELECT * FROM ivoa.obscore WHERE 1 = INTERSECTS(s_region, CIRCLE('ICRS', {ra}, {dec}, {radius}))"
)

# Records are lines of a letter code and a value (Aladin FAQ, "GLU"): A name, D description, O owner, Z domain,
# U address, P.D, P.K and P.V a parameter's description, kind and value, R the type of what comes.
_ADDRESSES = ("%A Http", "%D Any address", "%O vogate", "%Z ALADIN", "%U $1")
_POSITION = (
    "%P.D 1:Right ascension",
    "%P.D 2:Declination",
    "%P.D 3:Radius",
    "%P.K 1:Target(RAd)",
    "%P.K 2:Target(DEd)",
    "%P.K 3:Field(RADIUSd)",
    "%P.V 3:1",
)


def _server(name: str, label: str, description: str, url: str, result: str) -> tuple[str, ...]:
    return (
        f"%A {name}",
        f"%D {description}",
        "%O vogate",
        "%Z ALADIN",
        f"%Aladin.Label {label}",
        "%Aladin.LabelPlane Observations $1 $2",
        f"%U {url}",
        *_POSITION,
        f"%R Mime({result})",
    )


def dictionary(base_url: str, title: str) -> str:
    """The records as text: any address, the observations as a list and as a catalogue.

    Parameters
    ----------
    base_url
        Root of this service, without a slash at the end.
    title
        Name of the site; what could break the line is left out.
    """
    name = " ".join(title.split()) or "vogate"
    # Aladin puts numbers in place of $1, $2 and $3; the rest of the query has to be encoded.
    query = quote_plus(_OBSERVATIONS.format(ra="$1", dec="$2", radius="$3"), safe="$(),'")
    tap = f"{base_url}/tap/sync?REQUEST=doQuery&LANG=ADQL&RESPONSEFORMAT=votable&QUERY={query}"
    cone = f"{base_url}/scs/ivoa.obscore?RA=$1&DEC=$2&SR=$3"
    records = (
        _ADDRESSES,
        # A server of images stands first in the selector, which must not begin with a hidden one.
        _server("vogate.observations", "Observations", f"Observations of {name}", tap, "sia/xml"),
        _server("vogate.pointings", "Pointings", f"Observations of {name}, as a catalogue", cone, "text/xml"),
    )
    return "\n\n".join("\n".join(record) for record in records) + "\n"
