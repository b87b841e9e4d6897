"""The bridge between the ASGI server and synchronous Django.

Pages and queries are plain synchronous Django (DESIGN 3): this bridge spools a request's body,
runs Django's WSGI handler in a few threads, streams what it returns at the client's pace, and
watches for the client's leaving, which cancels the work.  Waiting (UWS WAIT) costs no thread: a view
that has checked the caller's rights leaves the rest to a coroutine (:attr:`Token.later`).

Under `request.META["vogate.token"]` a view finds a :class:`Token`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

log = logging.getLogger("vogate.bridge")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Later = Callable[["Token"], Awaitable[bytes | None]]
Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, Any]
"""Status, headers, and the body: bytes, or what gives it in blocks and has to be closed."""

FAST_CALLS = 2
"""Requests that start to compute at once; more threads make everybody slower (one interpreter lock)."""
PATIENCE = 0.05
"""Seconds after which a request counts as a slow one and lets the next one start."""
LEAVE_LOOK = 0.02
"""Seconds until somebody looks whether the client has left: most requests have been answered before."""
MAX_THREADS = 40
PATIENT_CALLS = 28
"""Threads for requests that may wait long for their turn; the others stay free for those that need not."""
ADDRESS_CALLS = 23
"""The same for the requests of one address, so that others have a place, too; as many queries of one caller run and
wait (`caller_queries` and `caller_waiting`), and the rest of its requests wait for a place instead of being refused."""
SPOOL_BYTES = 1 << 20
MAX_BODY_BYTES = 512 << 20
FILE_BLOCK = 1 << 18
_END = object()


class _Left(Exception):
    """The client has left before its request was taken up."""


class _NotTaken(Exception):
    """A request's body is refused: with a status, and why."""

    def __init__(self, status: int, text: bytes) -> None:
        self.status, self.text = status, text


class Token:
    """Tells a view that its client has left, and the bridge that the answer comes later.

    Attributes
    ----------
    later
        Set by a view whose answer has to wait: a coroutine function that gives the body for the head that the
        view has answered with, or None to have the view called once more.  It returns when the client leaves.
    waited
        The view is called once more after it waited; it has to answer now.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self.gone = self.waited = False
        self.later: Later | None = None

    def on_leave(self, callback: Callable[[], object]) -> None:
        """Call `callback` (from another thread) as soon as the client leaves; at once if it has left."""
        with self._lock:
            if not self.gone:
                self._callbacks.append(callback)
                return
        callback()

    def leave(self) -> None:
        with self._lock:
            if self.gone:
                return
            self.gone = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                log.exception("cancelling a request failed")


class _Watch:
    """Waits for the client's leaving, once the answer takes longer than most do."""

    def __init__(self, receive: Receive, token: Token) -> None:
        self._receive, self._token = receive, token
        self._task: asyncio.Future[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(LEAVE_LOOK, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._wait())

    async def _wait(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                await asyncio.get_running_loop().run_in_executor(None, self._token.leave)
                return

    def end(self) -> None:
        """Look no longer."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()


class _Places:
    """Places of patient requests; who finds none waits outside, with no thread of his own."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(PATIENT_CALLS)
        self._shares: dict[str, asyncio.Semaphore] = {}
        self._present: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def one(self, address: str) -> AsyncIterator[None]:
        """A place for a request from an address."""
        share = self._shares.setdefault(address, asyncio.Semaphore(ADDRESS_CALLS))
        self._present[address] += 1
        try:
            async with share, self._all:
                yield
        finally:
            self._present[address] -= 1
            if not self._present[address]:
                del self._present[address], self._shares[address]


class FileWrapper:
    """WSGI's file wrapper: a file in large blocks."""

    def __init__(self, file: IO[bytes], block_size: int = FILE_BLOCK) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(FILE_BLOCK):
            yield block

    def close(self) -> None:
        if hasattr(self.file, "close"):
            self.file.close()


def environ_of(scope: Message, body: IO[bytes], token: Token) -> dict[str, Any]:
    """The WSGI environment of an ASGI request (PEP 3333)."""
    server = scope.get("server") or ("127.0.0.1", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        # PEP 3333 wants the path's bytes as latin-1.
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": str(client[0]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "vogate.token": token,
    }
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        value = raw_value.decode("latin-1")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        if key in environ:
            value = f"{environ[key]}{'; ' if name == 'COOKIE' else ','}{value}"
        environ[key] = value
    return environ


class Bridge:
    """An ASGI application around a WSGI one.

    Parameters
    ----------
    wsgi
        Django's WSGI handler.
    patient
        Whether a request, by its method and path, may wait long (for a query's turn, for another server): few of
        these are at work at once, so that they do not stand in the way of all others.
    """

    def __init__(self, wsgi: Callable[..., Any], patient: Callable[[str, str], bool] | None = None) -> None:
        self.wsgi, self._patient = wsgi, patient
        self.threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="django")
        self._gate: asyncio.Semaphore | None = None
        self._places: _Places | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            body = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 (closing it may fail)
            try:
                if await self._spool(receive, body):
                    await self._respond(scope, body, receive, send)
            except _NotTaken as refusal:
                await self._plain(send, refusal.status, refusal.text)
            finally:
                with contextlib.suppress(OSError):  # what a full disk did not take
                    body.close()

    @staticmethod
    async def _lifespan(receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    @staticmethod
    async def _plain(send: Send, status: int, text: bytes) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    @staticmethod
    async def _spool(receive: Receive, body: IO[bytes]) -> bool:
        """Take in the whole body; False if the client leaves before it has sent all of it.

        Half a request must not be carried out: it may be valid by itself, and mean something else.
        """
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return False
                block = message.get("body", b"")
                size += len(block)
                if size > MAX_BODY_BYTES:
                    raise _NotTaken(413, b"The request's body is too large.\n")
                body.write(block)
                if not message.get("more_body"):
                    break
            body.seek(0)
        except OSError as error:
            log.error("a request's body of %d bytes or more cannot be kept: %s", size, error)
            raise _NotTaken(
                503, b"The request's body cannot be kept now. Tell the operators, or try later.\n"
            ) from error
        return True

    async def _respond(self, scope: Message, body: IO[bytes], receive: Receive, send: Send) -> None:
        token = Token()
        watch = _Watch(receive, token)
        response: Any = None
        try:
            status, headers, response = await self._call(_environ(scope, body, token))
            if token.later is not None and status == 200:
                late = await self._late(scope, body, token, headers)
                if late is None:
                    return
                status, headers, response = late
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await self._send_body(response, scope["method"] == "HEAD", token, send)
        except _Left:
            return
        finally:
            watch.end()
            if hasattr(response, "close"):
                await self._in_thread(response.close)

    async def _late(self, scope: Message, body: IO[bytes], token: Token, headers: Headers) -> Answer | None:
        """The answer that a view has put off; None if the client left meanwhile."""
        later, token.later = token.later, None
        assert later is not None
        content = await later(token)
        if token.gone:
            return None
        if content is None:
            token.waited = True
            body.seek(0)
            return await self._call(_environ(scope, body, token))
        length = (b"content-length", str(len(content)).encode())
        return 200, [*(pair for pair in headers if pair[0] != length[0]), length], content

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call, *arguments)

    async def _call(self, environ: dict[str, Any]) -> Answer:
        """Run Django up to the response's head; a patient request when there is a place for one."""
        if self._patient is None or not self._patient(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            return await self._gated(environ)
        if self._places is None:
            self._places = _Places()
        async with self._places.one(environ["REMOTE_ADDR"]):
            if environ["vogate.token"].gone:
                raise _Left
            return await self._gated(environ)

    async def _gated(self, environ: dict[str, Any]) -> Answer:
        """Run Django up to the response's head, at most FAST_CALLS fast ones at a time."""
        if self._gate is None:
            self._gate = asyncio.Semaphore(FAST_CALLS)
        gate = self._gate
        await gate.acquire()
        held = True

        def let_go() -> None:
            nonlocal held
            if held:
                held = False
                gate.release()

        timer = asyncio.get_running_loop().call_later(PATIENCE, let_go)
        try:
            return await self._in_thread(self._answer, environ)
        finally:
            timer.cancel()
            let_go()

    def _answer(self, environ: dict[str, Any]) -> Answer:
        """What Django says; a body that is whole already, in bytes, so that no thread is needed to end it."""
        status, headers = 0, list[tuple[bytes, bytes]]()

        def start_response(line: str, pairs: list[tuple[str, str]], exc_info: Any = None) -> None:
            nonlocal status, headers
            status = int(line[:3])
            headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in pairs]

        response = self.wsgi(environ, start_response)
        if isinstance(response, FileWrapper) or getattr(response, "streaming", False):
            return status, headers, response
        try:
            return status, headers, b"".join(response)
        finally:
            if hasattr(response, "close"):
                response.close()

    async def _send_body(self, response: Any, head_only: bool, token: Token, send: Send) -> None:
        if head_only:
            await send({"type": "http.response.body", "body": b""})
        elif isinstance(response, bytes):
            await send({"type": "http.response.body", "body": response})
        else:
            blocks: Iterator[bytes] = iter(response)
            while not token.gone:
                block = await self._in_thread(next, blocks, _END)
                if block is _END:
                    await send({"type": "http.response.body", "body": b""})
                    return
                if block:
                    await send({"type": "http.response.body", "body": block, "more_body": True})


def _environ(scope: Message, body: IO[bytes], token: Token) -> dict[str, Any]:
    environ = environ_of(scope, body, token)
    # A chunked body has no length, and WSGI reads none without one.
    environ["CONTENT_LENGTH"] = str(_size(body))
    return environ


def _size(body: IO[bytes]) -> int:
    """Length of a spooled body, whose position is kept."""
    position = body.tell()
    body.seek(0, 2)
    size = body.tell()
    body.seek(position)
    return size
