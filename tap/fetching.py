"""Fetching a table that UPLOAD names by URL: public addresses only, with limits on time and size.

The address that was checked is the one that is connected to, so that a name which changes its
address between the two (DNS rebinding) gains nothing; each redirect is checked like the first URL.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Collection
from urllib.parse import SplitResult, urljoin, urlsplit

from gateway.vo.errors import TooLarge, UsageError

CONNECT_SECONDS = 10.0
REDIRECTS = 3
BLOCK = 1 << 16
PORTS = {"http": 80, "https": 443}

__all__ = ["fetch"]


def fetch(url: str, limit: int, *, seconds: float = 30.0, trusted: Collection[str] = ()) -> bytes:
    """The content of `url`.

    Parameters
    ----------
    limit
        Most bytes to take.
    seconds
        Time for all of it.
    trusted
        Host names that may have private addresses (the site's own servers).

    Raises
    ------
    UsageError
        If the URL is not one of a public web server, or does not answer with a document.
    TooLarge
        If there are more bytes than `limit`.
    """
    until = time.monotonic() + seconds
    for _ in range(REDIRECTS + 1):
        parts = _checked(url)
        connection = _connect(parts, _address(parts, trusted), until)
        try:
            path = parts.path or "/"
            connection.request("GET", f"{path}?{parts.query}" if parts.query else path, headers=_HEADERS)
            response = connection.getresponse()
            if response.status in (301, 302, 303, 307, 308):
                url = urljoin(url, response.headers.get("Location", ""))
                continue
            if response.status != 200:
                raise _fault(f"{parts.hostname} answered {response.status}.")
            return _read(response, connection, limit, until)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _fault(f"{parts.hostname} did not give the table ({type(error).__name__}).") from error
        finally:
            connection.close()
    raise _fault("The URL is redirected too often.")


_HEADERS = {"User-Agent": "vogate (IVOA-TAP upload)", "Accept-Encoding": "identity", "Connection": "close"}


def _fault(message: str, hint: str = "") -> UsageError:
    return UsageError(f"The upload by URL failed: {message}", hint=hint, field="UPLOAD")


def _checked(url: str) -> SplitResult:
    if any(ord(character) < 33 for character in url):
        raise _fault("the URL has blanks or control characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _fault("the URL is malformed.") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise _fault(
            "only http and https URLs are fetched.", "Or send the table with the request: UPLOAD=t,param:p."
        )
    if parts.username is not None or parts.password is not None or port == 0:
        raise _fault("the URL must not have a user name or password.")
    return parts


def _address(parts: SplitResult, trusted: Collection[str]) -> tuple[int, str]:
    """Family and address to connect to, after all that the name stands for were checked."""
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, parts.port or PORTS[parts.scheme], type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _fault(f"there is no server called {host}.") from None
    if host not in trusted:
        for _, _, _, _, place in found:
            address = ipaddress.ip_address(str(place[0]).partition("%")[0])
            address = getattr(address, "ipv4_mapped", None) or address
            if not address.is_global or address.is_multicast:
                raise _fault(f"{host} is not a public server.")
    family, _, _, _, place = found[0]
    return family, str(place[0])


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that has been checked, under the URL's host name."""

    def __init__(self, parts: SplitResult, address: str, timeout: float) -> None:
        super().__init__(parts.hostname or "", parts.port or PORTS[parts.scheme], timeout=timeout)
        self.pinned = address
        self.secure = parts.scheme == "https"

    def connect(self) -> None:
        sock = socket.create_connection((self.pinned, self.port), self.timeout)
        if self.secure:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=self.host)
        self.sock = sock


def _connect(parts: SplitResult, address: tuple[int, str], until: float) -> _Pinned:
    left = min(CONNECT_SECONDS, until - time.monotonic())
    if left <= 0:
        raise _fault("it took too long.")
    return _Pinned(parts, address[1], left)


def _read(response: http.client.HTTPResponse, connection: _Pinned, limit: int, until: float) -> bytes:
    data = bytearray()
    while block := response.read1(BLOCK):
        data += block
        if len(data) > limit:
            raise TooLarge(f"The table behind the upload's URL is larger than {limit} bytes.", field="UPLOAD")
        if time.monotonic() > until:
            raise _fault("it took too long.")
    return bytes(data)
