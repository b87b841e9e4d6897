"""The Python client as a package of its own, which this gateway gives to its users (docs/client.md).

pip install --no-index --find-links https://gateway.example.org/client/ vogate-client
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from functools import lru_cache
from html import escape
from importlib.metadata import version
from pathlib import Path

from django.http import HttpRequest, HttpResponse

from gateway.vo.errors import NotFound

FOLDER = Path(__file__).parents[1] / "client"
NAME = "vogate_client"
_METADATA = """Metadata-Version: 2.1
Name: vogate-client
Version: {version}
Summary: A client of vogate gateways: tools, jobs, results
Requires-Python: >=3.11
"""
_WHEEL = "Wheel-Version: 1.0\nGenerator: vogate\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_ENTRY_POINTS = f"[console_scripts]\nvogate-client = {NAME}.commands:main\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Equal files make an equal wheel."""


@lru_cache(maxsize=1)
def wheel() -> tuple[str, bytes]:
    """File name and content of the wheel (PEP 427), equal for equal versions."""
    known = version("vogate")
    info = f"{NAME}-{known}.dist-info"
    files = {f"{NAME}/{path.name}": path.read_bytes() for path in sorted(FOLDER.glob("*.py"))}
    files[f"{info}/METADATA"] = _METADATA.format(version=known).encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    files[f"{info}/entry_points.txt"] = _ENTRY_POINTS.encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return f"{NAME}-{known}-py3-none-any.whl", buffer.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def index(request: HttpRequest) -> HttpResponse:
    """/client/: the page on which pip finds the wheel."""
    name, data = wheel()
    link = f"{name}#sha256={hashlib.sha256(data).hexdigest()}"
    command = f"pip install --no-index --find-links {request.build_absolute_uri()} vogate-client"
    return HttpResponse(
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>The Python client</title></head><body>"
        f"<h1>The Python client of this gateway</h1><pre>{escape(command)}</pre>"
        f"<p><a href='{escape(link)}'>{escape(name)}</a></p></body></html>"
    )


def download(request: HttpRequest, name: str) -> HttpResponse:
    """/client/<name>.whl: the wheel."""
    known, data = wheel()
    if name != known:
        raise NotFound("There is no such version of the client here.", hint=f"There is {known}.")
    return HttpResponse(data, content_type="application/zip")
