"""`vogate query` and `vogate run`: a gateway from the command line, with the standard library alone."""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

from gateway.vo.errors import GatewayError

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
FINAL_PHASES = ("COMPLETED", "ERROR", "ABORTED", "ARCHIVED")
FORMATS = {
    ".vot": "votable",
    ".xml": "votable",
    ".fits": "fits",
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
}


class RemoteError(GatewayError):
    """The gateway refused, failed or cannot be reached."""


def _message(body: bytes) -> str:
    """What an error document says: the DALI INFO of a VOTable, or the text itself."""
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("<"):
        try:
            for element in ET.fromstring(text).iter():
                if element.tag.endswith("INFO") and element.get("value") == "ERROR":
                    return (element.text or "").strip()
        except ET.ParseError:
            pass
    return text[:500]


@contextmanager
def _open(
    url: str, token: str, fields: list[tuple[str, str]] | None = None, method: str | None = None
) -> Iterator[HTTPResponse]:
    """One request; failures become RemoteError with the gateway's own words."""
    data = urllib.parse.urlencode(fields).encode() if fields is not None else None
    request = urllib.request.Request(url, data=data, method=method)
    request.add_header("User-Agent", "vogate-cli")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        response = urllib.request.urlopen(request, timeout=120)
    except urllib.error.HTTPError as error:
        raise RemoteError(f"the gateway answered {error.code}: {_message(error.read())}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise RemoteError(
            f"{url} cannot be reached ({reason}).", hint="Is the gateway running? See --url."
        ) from None
    with response:
        yield response


def _save(response: HTTPResponse, path: Path) -> int:
    """Stream a response into a file that appears only when it is whole."""
    part = path.with_name(path.name + ".part")
    size = 0
    with part.open("wb") as out:
        while block := response.read(1 << 18):
            out.write(block)
            size += len(block)
    part.replace(path)
    return size


def query(args: argparse.Namespace) -> int:
    """`vogate query`: one synchronous TAP query."""
    adql = sys.stdin.read() if args.adql == "-" else args.adql
    form = args.format or FORMATS.get(Path(args.output).suffix.lower(), "csv")
    fields = [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", form)]
    if args.maxrec is not None:
        fields.append(("MAXREC", str(args.maxrec)))
    with _open(f"{args.url.rstrip('/')}/tap/sync", args.token, fields) as response:
        if args.output:
            size = _save(response, Path(args.output))
            print(f"{args.output}: {size} bytes", file=sys.stderr)
        else:
            while block := response.read(1 << 16):
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
    return 0


def _fields(parameters: list[str]) -> list[tuple[str, str]]:
    fields = []
    for text in parameters:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise RemoteError(f"{text!r} is not NAME=VALUE.")
        fields.append((name, value))
    return fields


def _job(url: str, token: str, wait: int | None = None) -> ET.Element:
    with _open(f"{url}?WAIT={wait}" if wait else url, token) as response:
        return ET.fromstring(response.read())


def _text(job: ET.Element, name: str) -> str:
    return (job.findtext(f"{UWS}{name}") or "").strip()


def _progress(job: ET.Element) -> str:
    """Phase, and what the job says of its progress in jobInfo."""
    info = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in job.iter()}
    stage, fraction = info.get("stage", ""), info.get("progress", "")
    percent = f" {float(fraction):.0%}" if fraction.replace(".", "", 1).isdigit() else ""
    return f"{_text(job, 'phase')}{percent} {stage}".strip()


def run(args: argparse.Namespace) -> int:
    """`vogate run`: create a job, follow it, fetch its results."""
    fields = [*_fields(args.parameters), ("PHASE", "RUN")]
    if args.run_id:
        fields.append(("RUNID", args.run_id))
    endpoint = f"{args.url.rstrip('/')}/uws/{urllib.parse.quote(args.tool)}/async"
    with _open(endpoint, args.token, fields) as response:
        url = response.url  # the job, after the 303
        job = ET.fromstring(response.read())
    print(url)
    if args.no_wait:
        return 0
    said = ""
    while _text(job, "phase") not in FINAL_PHASES:
        line = _progress(job)
        if line != said:
            said = line
            print(f"  {line}", file=sys.stderr)
        job = _job(url, args.token, wait=2)
    if _text(job, "phase") != "COMPLETED":
        message = (job.findtext(f"{UWS}errorSummary/{UWS}message") or "").strip()
        raise RemoteError(f"the job ended as {_text(job, 'phase')}. {message}", hint=f"Its log: {url}/log")
    folder = Path(args.output or _text(job, "jobId"))
    folder.mkdir(parents=True, exist_ok=True)
    for result in job.iter(f"{UWS}result"):
        href = urllib.parse.urljoin(url + "/", result.get(XLINK_HREF, ""))
        with _open(href, args.token) as response:
            name = response.headers.get_filename() or result.get("id", "result")
            size = _save(response, folder / Path(name).name)
        print(f"  {folder / Path(name).name}  {size} bytes", file=sys.stderr)
    return 0
