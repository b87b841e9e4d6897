"""A large file over HTTP: with progress, resumed where an earlier attempt ended."""

from __future__ import annotations

import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from gateway.vo.errors import NotAvailable, UsageError
from obscore.report import Report

ATTEMPTS = 4
TIMEOUT = 30.0
_BLOCK = 1 << 18


def download(url: str, target: Path, report: Report, *, expected: int = 0) -> None:
    """Download `url` into `target`.

    The bytes are collected in `<target>.part`, with the server's ETag or date beside them: a later call
    asks for the rest only, and the server sends the whole again if the file has changed since.

    Parameters
    ----------
    expected
        Size in bytes, if it is known; 0 otherwise.

    Raises
    ------
    UsageError
        If the address is not http or https, or the server says that there is no such file.
    NotAvailable
        If it cannot be reached, or breaks off again and again.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise UsageError(f"{url} is no address that begins with https:// or http://.")
    if target.exists() and (not expected or target.stat().st_size == expected):
        return
    part, state = target.with_name(target.name + ".part"), target.with_name(target.name + ".json")
    report.say(f"Downloading {url}")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(url, part, state, report)
            part.replace(target)
            state.unlink(missing_ok=True)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise UsageError(f"{url} answers {error.code} {error.reason}.") from None
            problem: Exception = error
        except (OSError, http.client.HTTPException) as error:
            problem = error
        have = part.stat().st_size if part.exists() else 0
        if attempt == ATTEMPTS:
            kept = f" {have:,} bytes are kept; the next attempt goes on from there." if have else ""
            raise NotAvailable(
                f"{url} cannot be downloaded: {getattr(problem, 'reason', problem)}.",
                hint=f"Check the network, or give another place with --from.{kept}",
            )
        report.say(f"Broken off ({problem}); trying again")
        time.sleep(min(2 ** (attempt - 1), 10) * _PAUSE)


_PAUSE = 1.0


def _attempt(url: str, part: Path, state: Path, report: Report) -> None:
    known = _read_state(state, url)
    have = part.stat().st_size if part.exists() and known.get("validator") else 0
    request = urllib.request.Request(url, headers={"User-Agent": "vogate", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", known["validator"])
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have and have == known.get("total"):
            return
        if error.code == 416:
            part.unlink(missing_ok=True)
            raise OSError("the server's file is another one now") from None
        raise
    with answer:
        if answer.status != 206:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else 0
        etag = answer.headers.get("ETag", "")
        validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
        state.write_text(json.dumps({"url": url, "validator": validator, "total": total}), encoding="utf-8")
        _check_space(part, total - have)
        _copy(answer, part, have, total, report)
    if total and part.stat().st_size != total:
        raise OSError(f"{part.stat().st_size:,} of {total:,} bytes came")


def _copy(answer: Any, part: Path, have: int, total: int, report: Report) -> None:
    with open(part, "ab" if have else "wb") as out:
        while block := answer.read(_BLOCK):
            out.write(block)
            have += len(block)
            if total:
                report.progress("Downloading (MB)", round(have / 1e6), max(round(total / 1e6), 1))


def _read_state(state: Path, url: str) -> dict[str, Any]:
    try:
        known = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and known.get("url") == url else {}


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > 0 and free < 3 * needed:
        raise UsageError(
            f"{needed / 1e6:.0f} MB have to come and to be unpacked, and only {free / 1e6:.0f} MB are free.",
            hint="Give a folder on another disk with --to.",
        )
