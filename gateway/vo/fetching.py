"""Fetching what a request names by URL: public addresses only, with limits on time and size.

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
from typing import IO
from urllib.parse import SplitResult, urljoin, urlsplit

from gateway.vo.errors import TooLarge, UsageError

CONNECT_SECONDS = 10.0
REDIRECTS = 3
BLOCK = 1 << 16
PORTS = {"http": 80, "https": 443}
REDIRECTING = (301, 302, 303, 307, 308)

__all__ = ["fetch"]

_HEADERS = {"User-Agent": "vogate", "Accept-Encoding": "identity", "Connection": "close"}


class _Refused(Exception):
    """What is wrong, and what to do; `fetch` says for which parameter."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def fetch(
    url: str,
    out: IO[bytes],
    limit: int,
    *,
    seconds: float = 30.0,
    trusted: Collection[str] = (),
    what: str = "The file",
    field: str = "",
    agent: str = "",
) -> str:
    """Write the content of `url` to `out`.

    Parameters
    ----------
    limit
        Most bytes to take.
    seconds
        Time for all of it.
    trusted
        Host names that may have private addresses (the site's own servers).
    what, field
        How errors name what is fetched, and the parameter that asked for it.
    agent
        What follows the gateway's name in the User-Agent header.

    Returns
    -------
    The media type; empty if the server names none.

    Raises
    ------
    UsageError
        If the URL is not one of a public web server, or does not answer with a document.
    TooLarge
        If there are more bytes than `limit`.
    """
    try:
        return _fetch(url, out, limit, time.monotonic() + seconds, trusted, agent)
    except _TooLarge:
        raise TooLarge(f"{what} behind the URL is larger than {limit} bytes.", field=field) from None
    except _Refused as refusal:
        message = f"{what} behind the URL cannot be had: {refusal.message}"
        raise UsageError(message, hint=refusal.hint, field=field) from refusal.__cause__


class _TooLarge(Exception):
    """More bytes than the limit."""


def _fetch(url: str, out: IO[bytes], limit: int, until: float, trusted: Collection[str], agent: str) -> str:
    headers = {**_HEADERS, "User-Agent": f"vogate {agent}".strip()}
    for _ in range(REDIRECTS + 1):
        parts = _checked(url)
        connection = _connect(parts, _address(parts, trusted), until)
        try:
            path = parts.path or "/"
            connection.request("GET", f"{path}?{parts.query}" if parts.query else path, headers=headers)
            response = connection.getresponse()
            if response.status in REDIRECTING:
                url = urljoin(url, response.headers.get("Location", ""))
                continue
            if response.status != 200:
                raise _Refused(f"{parts.hostname} answered {response.status}.")
            _copy(response, out, limit, until)
            return response.headers.get_content_type() if "Content-Type" in response.headers else ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Refused(f"{parts.hostname} did not give it ({type(error).__name__}).") from error
        finally:
            connection.close()
    raise _Refused("The URL is redirected too often.")


def _checked(url: str) -> SplitResult:
    if any(ord(character) < 33 for character in url):
        raise _Refused("the URL has blanks or control characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _Refused("the URL is malformed.") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise _Refused("only http and https URLs are fetched.", "Or send the file with the request.")
    if parts.username is not None or parts.password is not None or port == 0:
        raise _Refused("the URL must not have a user name or password.")
    return parts


def _address(parts: SplitResult, trusted: Collection[str]) -> str:
    """The address to connect to, after all that the name stands for were checked."""
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, parts.port or PORTS[parts.scheme], type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _Refused(f"there is no server called {host}.") from None
    if host not in trusted:
        for _, _, _, _, place in found:
            address = ipaddress.ip_address(str(place[0]).partition("%")[0])
            address = getattr(address, "ipv4_mapped", None) or address
            if not address.is_global or address.is_multicast:
                raise _Refused(f"{host} is not a public server.")
    return str(found[0][4][0])


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


def _connect(parts: SplitResult, address: str, until: float) -> _Pinned:
    left = min(CONNECT_SECONDS, until - time.monotonic())
    if left <= 0:
        raise _Refused("it took too long.")
    return _Pinned(parts, address, left)


def _copy(response: http.client.HTTPResponse, out: IO[bytes], limit: int, until: float) -> None:
    size = 0
    while block := response.read1(BLOCK):
        size += len(block)
        if size > limit:
            raise _TooLarge
        if time.monotonic() > until:
            raise _Refused("it took too long.")
        try:
            out.write(block)
        except OSError as error:
            raise _Refused("it cannot be kept here.", "Tell the operators, or try later.") from error
