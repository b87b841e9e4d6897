"""Requests with urllib: a token, JSON, files, downloads that are whole or not there."""

from __future__ import annotations

import json
import mimetypes
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any

from .errors import ClientError, Refused

BLOCK = 1 << 18
TIMEOUT = 120.0


class Connection:
    """How to reach one gateway; safe to use from several threads.

    Parameters
    ----------
    url
        The gateway's address, without a path below it.
    token
        API token of an account; empty for anonymous use.
    """

    def __init__(self, url: str, token: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise ClientError(f"{url!r} is no http or https address.")
        self.url = url.rstrip("/")
        self.token = token

    def absolute(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else f"{self.url}/{path.lstrip('/')}"

    def open(
        self,
        path: str,
        *,
        data: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> AbstractContextManager[HTTPResponse]:
        """One request.  The token goes to the gateway's own host only.

        Raises
        ------
        Refused
            With the gateway's own words.
        ClientError
            If it cannot be reached.
        """
        url = self.absolute(path)
        request = urllib.request.Request(url, data=data, method=method)
        request.add_header("User-Agent", "vogate-client")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        if self.token and urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(self.url).netloc:
            # Not repeated after a redirect to another host.
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            return _OPENER.open(request, timeout=TIMEOUT)  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            with error:
                raise Refused.of(error.code, error.headers, error.read()) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise ClientError(f"{self.url} cannot be reached ({reason}). Is the gateway running?") from None

    def json(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """The answer as parsed JSON; `body` is sent as JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        with self.open(path, data=data, headers=headers, method=method) as response:
            text = response.read()
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise ClientError(
                f"{self.absolute(path)} did not answer with JSON; is it a vogate gateway?"
            ) from None

    def post_form(
        self, path: str, fields: Iterable[tuple[str, str]], files: Iterable[tuple[str, Path]] = ()
    ) -> str:
        """POST a form, with files as multipart; returns the address that the answer came from."""
        files = list(files)
        if not files:
            data = urllib.parse.urlencode(list(fields)).encode()
            with self.open(path, data=data) as response:
                return response.url
        boundary = uuid.uuid4().hex
        with tempfile.TemporaryFile() as body:
            _write_multipart(body, boundary, fields, files)
            size = body.tell()
            body.seek(0)
            headers = {
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Content-Length": str(size),
            }
            with self.open(path, data=body, headers=headers) as response:
                return response.url

    def download(self, path: str, target: Path, *, data: bytes | None = None) -> int:
        """Save a file, which appears only when it is whole; returns its size."""
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        size = 0
        with self.open(path, data=data) as response:
            expected = response.headers.get("Content-Length")
            try:
                with part.open("wb") as out:
                    while block := response.read(BLOCK):
                        out.write(block)
                        size += len(block)
                if expected is not None and int(expected) != size:
                    raise ClientError(f"{target.name}: {size} of {expected} bytes arrived; try again.")
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        return size


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Keeps the token on redirects within one host, as after every POST to UWS."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if (
            new is not None
            and urllib.parse.urlsplit(newurl).netloc == urllib.parse.urlsplit(req.full_url).netloc
        ):
            for name, value in req.unredirected_hdrs.items():
                if name == "Authorization":
                    new.add_unredirected_header(name, value)
        return new


_OPENER = urllib.request.build_opener(_Redirects())


def _write_multipart(
    body: IO[bytes], boundary: str, fields: Iterable[tuple[str, str]], files: Iterable[tuple[str, Path]]
) -> None:
    def part(disposition: str, kind: str = "") -> None:
        body.write(f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n".encode())
        body.write(f"Content-Type: {kind}\r\n\r\n".encode() if kind else b"\r\n")

    for name, value in fields:
        part(f'name="{_quoted(name)}"')
        body.write(f"{value}\r\n".encode())
    for name, path in files:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        part(f'name="{_quoted(name)}"; filename="{_quoted(path.name)}"', kind)
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                body.write(block)
        body.write(b"\r\n")
    body.write(f"--{boundary}--\r\n".encode())


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
