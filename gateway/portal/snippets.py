"""The same search for a script: pyvo, curl, the command line.  Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Snippet:
    """A text to copy."""

    id: str
    title: str
    text: str


def pyvo(tap_url: str, adql: str) -> str:
    """Python that runs the query with pyvo; the text of the query is a literal that reads back the same."""
    return (
        "import pyvo\n\n"
        f"service = pyvo.dal.TAPService({tap_url!r})\n"
        f"result = service.search({_triple_quoted(adql)})\n"
        "table = result.to_table()\n"
        "print(table)\n"
    )


def _triple_quoted(text: str) -> str:
    """A Python literal over several lines where that is exact, else `repr`."""
    plain = '"""' not in text and "\\" not in text and not text.endswith('"')
    if plain and all(character == "\n" or character.isprintable() for character in text):
        return f'"""\n{text}\n"""'
    return repr(text)


def curl(tap_url: str, adql: str, form: str = "csv") -> str:
    return (
        f"curl -sS {shlex.quote(tap_url + '/sync')} \\\n"
        f"  --data-urlencode LANG=ADQL --data-urlencode RESPONSEFORMAT={form} \\\n"
        f"  --data-urlencode {shlex.quote('QUERY=' + adql)} -o result.{form}\n"
    )


def command_line(base_url: str, adql: str) -> str:
    # A text that begins with a dash (a comment) would be taken for an option.
    end_of_options = "-- " if adql.startswith("-") else ""
    return f"vogate query --url {shlex.quote(base_url)} {end_of_options}{shlex.quote(adql)}\n"


def snippets(base_url: str, adql: str) -> tuple[Snippet, ...]:
    """All forms of one query.

    Parameters
    ----------
    base_url
        Root of this service, without a slash at the end.
    """
    tap = f"{base_url}/tap"
    return (
        Snippet("pyvo", "Python (pyvo)", pyvo(tap, adql)),
        Snippet("curl", "curl", curl(tap, adql)),
        Snippet("vogate", "Command line", command_line(base_url, adql)),
    )
