"""Many clients in WAIT at once, each on a connection of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

QUIET_SECONDS = 2.0


class Waiting(asyncio.Protocol):
    """Sends one request and notes when the answer has arrived whole."""

    def __init__(self, path: str, opened: Callable[[], None]) -> None:
        self.path, self.opened = path, opened
        self.answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(f"GET {self.path}?WAIT=60 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.opened()

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.data.rstrip().endswith(b"</uws:job>") and not self.answered.done():
            self.answered.set_result(time.monotonic())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(error or ConnectionError(f"no answer: {self.data[:200]!r}"))


async def _measure(
    port: int, paths: Sequence[str], change: Callable[[], object], answered: str
) -> list[float]:
    loop, count, all_open = asyncio.get_running_loop(), 0, asyncio.Event()

    def opened() -> None:
        nonlocal count
        count += 1
        if count == len(paths):
            all_open.set()

    clients: list[Waiting] = []
    for path in paths:
        _, client = await loop.create_connection(lambda path=path: Waiting(path, opened), "127.0.0.1", port)  # type: ignore[misc]
        clients.append(client)
    await all_open.wait()
    # Requests are taken in order: when one that comes later has its answer, all of them are held.
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {paths[-1]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    await reader.read()
    writer.close()
    await asyncio.sleep(QUIET_SECONDS)
    early = [client.path for client in clients if client.answered.done()]
    assert not early, f"{len(early)} were answered before anything changed"
    await asyncio.to_thread(change)
    changed = time.monotonic()
    wanted = [client.answered for client in clients if not answered or client.path == answered]
    moments = await asyncio.gather(*wanted)
    for client in clients:
        client.answered.cancel()
        client.transport.abort()
    return sorted(1000 * (moment - changed) for moment in moments)


def measure(port: int, paths: Sequence[str], change: Callable[[], object], *, answered: str = "") -> str:
    """Delay of the answers after the change, from when whoever made it has been told so.

    Parameters
    ----------
    paths
        The job that each client waits for.
    change
        Changes the phase.
    answered
        The job whose waiting clients are answered; empty for all.
    """
    delays = asyncio.run(_measure(port, paths, change, answered))
    first, middle, last = delays[0], delays[len(delays) // 2], delays[-1]
    return f"first {first:.0f}, median {middle:.0f}, last {last:.0f} ms"
