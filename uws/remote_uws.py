"""Runs an attempt as a job of a partner's UWS service: what a tool's program is on an executor of type `uws`.

Usage: python -I -S remote_uws.py SPEC.JSON, in the work folder of the attempt, under a shepherd.

Parameters and files go out, results and provenance come back into the work folder.  The partner's job is made
first and run afterwards, and its address is kept with the job: an attempt after a lost one goes on with the same
partner's job, so that it never runs twice.  Imports nothing but the standard library.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

PROVENANCE = "partner-provenance.json"
RECORD = "partner.json"
WAIT_SECONDS = 5
RETRY_SECONDS = 2.0
ABORT_SECONDS = 1.0
"""The shepherd gives 1.5 s after SIGTERM."""
BLOCK = 1 << 18
_UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_ACTIVE = ("PENDING", "QUEUED", "EXECUTING", "SUSPENDED", "HELD", "UNKNOWN")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_LATER = (429, 500, 502, 503, 504)


class Refused(Exception):
    """The partner will not do it; the text says why."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Where a 303 leads is the answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Partner:
    """One UWS service, e.g. `https://gateway.example.org/uws/spectrum/async`.

    Parameters
    ----------
    token
        Sent as `Authorization: Bearer`, to this service's host only.
    """

    def __init__(self, jobs: str, token: str = "") -> None:
        self.jobs, self.token = jobs, token
        self.origin = urllib.parse.urlsplit(jobs)[:2]
        self._direct = urllib.request.build_opener(_NoRedirect)

    @property
    def host(self) -> str:
        return self.origin[1]

    def open(self, url: str, *, timeout: float = 30.0) -> Any:
        """GET; answers of the partner's that are no use raise Refused, an unreachable one OSError."""
        return self._send(urllib.request.Request(url, headers=self._headers(url)), timeout)

    def post(
        self, url: str, body: bytes | IO[bytes], media_type: str, length: int, timeout: float = 300.0
    ) -> str:
        """POST; returns where the 303 leads."""
        headers = self._headers(url) | {"Content-Type": media_type, "Content-Length": str(length)}
        response = self._send(urllib.request.Request(url, data=body, headers=headers, method="POST"), timeout)
        return urllib.parse.urljoin(url, response.headers.get("Location", url))

    def form(self, url: str, timeout: float = 30.0, **values: Any) -> str:
        body = urllib.parse.urlencode(values).encode()
        return self.post(url, body, "application/x-www-form-urlencoded", len(body), timeout)

    def _headers(self, url: str) -> dict[str, str]:
        mine = urllib.parse.urlsplit(url)[:2] == self.origin
        return {"Authorization": f"Bearer {self.token}"} if self.token and mine else {}

    def _send(self, request: urllib.request.Request, timeout: float) -> Any:
        try:
            return self._direct.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.code == 303:
                return error
            if error.code in _LATER:
                raise OSError(f"{self.host} answers {error.code}") from None
            said = " ".join(error.read(2000).decode(errors="replace").split())[:300]
            raise Refused(f"{self.host} answers {error.code}: {said}") from None
        except (http.client.HTTPException, urllib.error.URLError) as error:
            raise OSError(f"{self.host} does not answer: {error}") from None


def multipart(folder: Path, job: dict[str, Any]) -> tuple[Path, str]:
    """Write the request's body into a file (inputs may be large); returns it and its media type."""
    boundary, path = secrets.token_hex(16), folder / "request.multipart"
    with path.open("wb") as out:
        fields = [("RUNID", job["job"]), *_fields(job["parameters"])]
        for name, value in fields:
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            out.write(f"{head}{value}\r\n".encode())
        for role, files in job["inputs"].items():
            for entry in files:
                name = _safe(entry.get("title") or entry["path"])
                disposition = f'Content-Disposition: form-data; name="{role}"; filename="{name}"'
                media = entry.get("media_type") or "application/octet-stream"
                out.write(f"--{boundary}\r\n{disposition}\r\nContent-Type: {media}\r\n\r\n".encode())
                with open(entry["path"], "rb") as file:
                    shutil.copyfileobj(file, out, BLOCK)
                out.write(b"\r\n")
        out.write(f"--{boundary}--\r\n".encode())
    return path, f"multipart/form-data; boundary={boundary}"


def _fields(parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in parameters.items():
        for item in value if isinstance(value, list) else [value]:
            yield name, str(item).lower() if isinstance(item, bool) else str(item)


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name.rpartition("/")[2]).lstrip(".-_+")[-120:] or "file"


class Errand:
    """The partner's job of one job of ours."""

    def __init__(self, spec: dict[str, Any], attempt: Path, job: dict[str, Any]) -> None:
        options = spec["executor"]
        tool = options.get("tool") or job["tool"]
        token = Path(options["token_file"]).read_text().strip() if options.get("token_file") else ""
        self.partner = Partner(f"{options['url'].rstrip('/')}/{tool}/async", token)
        self.job, self.attempt, self.seconds = job, attempt, int(spec.get("seconds") or 0)
        self.record = attempt.parent / RECORD
        self.url = ""

    def run(self) -> None:
        """From here to the partner and back; Refused says why not."""
        self.url = self._known() or self._make()
        self._patiently(self._start)
        root = self._until_final()
        phase = root.findtext(f"{_UWS}phase", "")
        if phase != "COMPLETED":
            said = root.findtext(f"{_UWS}errorSummary/{_UWS}message") or f"it ended as {phase}"
            raise Refused(" ".join(said.split())[:400])
        for result in root.iter(f"{_UWS}result"):
            self._patiently(lambda result=result: self._fetch(result))  # type: ignore[misc]
        self._fetch_provenance()

    def abort(self) -> None:
        if self.url:
            self.partner.form(f"{self.url}/phase", ABORT_SECONDS, PHASE="ABORT")

    def _known(self) -> str:
        """The partner's job that an earlier attempt made, if it is still there."""
        try:
            url = str(json.loads(self.record.read_text())["url"])
        except (OSError, ValueError, KeyError):
            return ""
        try:
            self._patiently(lambda: self.partner.open(f"{url}/phase"))
        except Refused:
            return ""
        print(f"going on with {url}", flush=True)
        return url

    def _make(self) -> str:
        """Make the partner's job, not running yet, and keep its address before it may run."""
        path, media_type = multipart(self.attempt / "tmp", self.job)

        def send() -> str:
            with path.open("rb") as body:
                return self.partner.post(self.partner.jobs, body, media_type, path.stat().st_size)

        url: str = self._patiently(send)
        path.unlink()
        part = self.record.with_suffix(".part")
        with part.open(
            "w"
        ) as out:  # on the disk before it runs: after a loss of power, too, it runs only once
            out.write(json.dumps({"url": url}))
            out.flush()
            os.fsync(out.fileno())
        part.replace(self.record)
        print(f"the job is {url}", flush=True)
        if self.seconds:
            try:
                self.partner.form(f"{url}/executionduration", EXECUTIONDURATION=self.seconds)
            except (OSError, Refused):
                pass  # the shepherd keeps the time, too
        return url

    def _start(self) -> None:
        with self.partner.open(f"{self.url}/phase") as response:
            phase = response.read().decode().strip()
        if phase in ("PENDING", "HELD"):
            self.partner.form(f"{self.url}/phase", PHASE="RUN")

    def _until_final(self) -> ElementTree.Element:
        shown = ""
        while True:
            root: ElementTree.Element = self._patiently(self._look)
            phase = root.findtext(f"{_UWS}phase", "")
            if phase != shown:
                shown = phase
                report(f"{phase.capitalize()} at {self.partner.host}")
            if phase not in _ACTIVE:
                return root
            time.sleep(0.2)

    def _look(self) -> ElementTree.Element:
        with self.partner.open(f"{self.url}?WAIT={WAIT_SECONDS}", timeout=WAIT_SECONDS + 30) as response:
            return ElementTree.fromstring(response.read())

    def _fetch(self, result: ElementTree.Element) -> None:
        """One result into the work folder, whole or not at all."""
        url = urllib.parse.urljoin(self.url, result.get(_XLINK, ""))
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise Refused(f"{self.partner.host} gives a result without an address")
        with self.partner.open(url, timeout=120) as response:
            given = response.headers.get_filename() or urllib.parse.urlsplit(url).path.rpartition("/")[2]
            name = _safe(given or result.get("id", "result"))
            with open(f".{name}.part", "wb") as out:
                shutil.copyfileobj(response, out, BLOCK)
        os.replace(f".{name}.part", name)
        print(f"fetched {name}", flush=True)

    def _fetch_provenance(self) -> None:
        """A gateway of our kind has it beside its jobs; others may have it among their results."""
        base, _, tail = self.url.partition("/uws/")
        if not tail:
            return
        try:
            with self.partner.open(f"{base}/provenance/{self.url.rpartition('/')[2]}.json") as response:
                text = json.load(response)
        except (OSError, Refused, ValueError) as error:
            print(f"no provenance from {self.partner.host}: {error}", flush=True)
            return
        Path(PROVENANCE).write_text(json.dumps(text, indent=1))

    def _patiently(self, ask: Any) -> Any:
        """Ask again while the partner is away; the shepherd ends it when the job's time is over."""
        while True:
            try:
                return ask()
            except (OSError, ElementTree.ParseError) as error:
                print(f"will ask again: {error}", flush=True)
                report(f"Waiting for {self.partner.host}")
                time.sleep(RETRY_SECONDS)


def report(stage: str) -> None:
    try:
        with open(os.environ["VOGATE_PROGRESS"], "a", encoding="utf-8") as out:
            out.write(json.dumps({"stage": stage}) + "\n")
    except (OSError, KeyError):
        pass


class _Told(BaseException):
    """SIGTERM."""


def main(path: str) -> int:
    spec = json.loads(Path(path).read_text())
    job = json.loads(Path("job.json").read_text())

    def told(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Told

    signal.signal(signal.SIGTERM, told)
    try:
        errand = Errand(spec, Path(path).parent, job)
    except OSError as error:
        print(f"The site's token for the partner cannot be read: {error.strerror}.", file=sys.stderr)
        return 1
    try:
        errand.run()
    except _Told:
        try:
            errand.abort()
        except (OSError, Refused) as error:
            print(f"the job may go on there: {error}", flush=True)
        return 1
    except Refused as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
