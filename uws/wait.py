"""WAIT: answer the moment a job's phase changes (UWS 1.1, section 2.2.1.1).

Under the bridge nobody's waiting costs a thread.  The view checks the caller's rights and leaves the rest to
`Held`, a coroutine; one thread per process watches the database for all who wait, and writes the answer once
for all who wait for the same job in the same form.  Without the bridge (tests, runserver) the view itself waits.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from django.db import close_old_connections, connection
from django.http import HttpRequest

from uws import forms, rows
from uws.models import Job
from uws.phases import FINAL, WAITABLE, Phase
from uws.watch import POLL_SECONDS, open_watch

log = logging.getLogger("vogate.uws")

MAX_SECONDS = 60
_RECHECK_SECONDS = 1.0
_POLL_SECONDS = 0.005
"""Somebody waits for the answer: looked more often than where nobody does (a look takes microseconds)."""
_ASKED_AT_ONCE = 10_000
_AT_ONCE = 100
"""Jobs that are read and answered together."""

Render = Callable[[Job, str], bytes]
"""Writes a job's document for a base URL.  It must not depend on who asks: all who wait get the same bytes."""


class Token(Protocol):
    """What the bridge offers a view (`gateway.bridge.Token`)."""

    waited: bool

    def on_leave(self, callback: Callable[[], object]) -> None: ...


def seconds_of(text: str) -> int:
    """Seconds to wait: at most `MAX_SECONDS`, which -1 asks for."""
    value = forms.integer("WAIT", text, minimum=-1)
    return MAX_SECONDS if value < 0 else min(value, MAX_SECONDS)


def wait_here(
    request: HttpRequest, job: Job, wait: str, phase: str, base: str, render: Render | None
) -> Job | None:
    """Have the caller, who may see the job, wait for its phase to change.

    Parameters
    ----------
    render
        What writes the answer, once for all who wait with it; None if everybody gets another one.

    Returns
    -------
    The job to answer with now; None if the bridge will send what `render` makes of it later (the view's own
    answer then counts for its headers only).
    """
    seconds = seconds_of(wait)
    known = forms.phase(phase) if phase else Phase(job.phase)
    if not seconds or known != job.phase or known not in WAITABLE:
        return job
    token = request.META.get("vogate.token")
    if token is None:
        wait_until(job.pk, {known.value}, seconds)
        job.refresh_from_db()
        return job
    if token.waited:
        return job
    token.later = Held(job, seconds, base, render)
    return None


def wait_until(
    job_id: str, while_in: set[str], seconds: float, *, gone: threading.Event | None = None
) -> str:
    """Sleep until the job's phase is none of `while_in`, or time is over; returns the phase ('' if deleted)."""
    end = time.monotonic() + seconds
    while True:
        found = rows.query("SELECT phase FROM uws_job WHERE id = %s AND deleted_at IS NULL", [job_id])
        phase = found[0][0] if found else None
        if phase not in while_in or time.monotonic() >= end or (gone is not None and gone.is_set()):
            return phase or ""
        time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))


def wait_until_final(job_id: str, seconds: float, *, gone: threading.Event | None = None) -> str:
    """As `wait_until`, for the job's end."""
    return wait_until(job_id, {p.value for p in Phase if p not in FINAL}, seconds, gone=gone)


# -- under the bridge ---------------------------------------------------------------------------------


def _rights(job: Job) -> tuple[object, ...]:
    """By what callers may see a job; if it changes while they wait, they are asked again who they are."""
    return job.rights, job.owner_id, job.session


class Held:
    """A request whose caller waits for a change of phase; called by the bridge (`gateway.bridge.Token.later`)."""

    def __init__(self, job: Job, seconds: float, base: str, render: Render | None) -> None:
        self.job_id, self.phase, self.rights = job.pk, job.phase, _rights(job)
        self.seconds, self.base, self.render = seconds, base, render

    async def __call__(self, token: Token) -> bytes | None:
        """The job's document after the change; None if time is over, the client has left, or the job is gone."""
        loop = asyncio.get_running_loop()
        self.loop, self.future = loop, loop.create_future()
        timer = loop.call_later(self.seconds, self.set, None)
        token.on_leave(lambda: _on_loop(loop, self.set, None))
        _waiters.add(self)
        try:
            content: bytes | None = await self.future
            return content
        finally:
            timer.cancel()
            _waiters.remove(self)

    def set(self, content: bytes | None) -> None:
        """Answer, in the loop's own thread."""
        if not self.future.done():
            self.future.set_result(content)


class Waiters:
    """Everybody in this process who waits for a phase to change, and the one thread that looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Held]] = {}
        self._thread: threading.Thread | None = None
        self._news = threading.Event()

    def add(self, held: Held) -> None:
        with self._lock:
            self._waiting.setdefault(held.job_id, set()).add(held)
            self._news.set()
            if self._thread is None:
                thread = threading.Thread(target=self._watch, name="uws-wait", daemon=True)
                thread.start()  # before it counts as there: it may fail
                self._thread = thread

    def remove(self, held: Held) -> None:
        with self._lock:
            others = self._waiting.get(held.job_id, set())
            others.discard(held)
            if not others:
                self._waiting.pop(held.job_id, None)

    def _watch(self) -> None:
        """Look whenever the database has changed; end when nobody waits."""
        watch, looked = open_watch(), 0.0
        try:
            while True:
                with self._lock:
                    if not self._waiting:
                        self._thread = None
                        return
                moment = time.monotonic()
                # `changed` first: it must not be skipped, or a change would be seen twice.
                if watch.changed() or self._news.is_set() or moment - looked > _RECHECK_SECONDS:
                    self._news.clear()
                    looked = moment
                    try:
                        close_old_connections()
                        self._look()
                    except Exception:
                        log.exception("waiting clients are not served")
                watch.pause(_POLL_SECONDS)
        finally:
            watch.close()
            connection.close()

    def _look(self) -> None:
        """Answer those whose job is in another phase than they know."""
        with self._lock:
            waiting = {pk: list(held) for pk, held in self._waiting.items()}
        phases: dict[str, str] = {}
        pks = list(waiting)
        for start in range(0, len(pks), _ASKED_AT_ONCE):
            some = pks[start : start + _ASKED_AT_ONCE]
            condition = f"id IN ({rows.marks(some)}) AND deleted_at IS NULL"
            phases |= rows.query(f"SELECT id, phase FROM uws_job WHERE {condition}", some)
        changed = [pk for pk, held in waiting.items() if any(phases.get(pk) != one.phase for one in held)]
        for start in range(0, len(changed), _AT_ONCE):
            some = changed[start : start + _AT_ONCE]
            found = rows.select(Job, f"id IN ({rows.marks(some)})", some)
            jobs = {job.pk: job for job in found}
            answers: list[tuple[Held, bytes | None]] = []
            for pk in some:
                held = [one for one in waiting[pk] if phases.get(pk) != one.phase]
                answers += _answers(jobs.get(pk), held)
            _deliver(answers)


def _answers(job: Job | None, held: Iterable[Held]) -> list[tuple[Held, bytes | None]]:
    """What each of them gets; None for those whom the view has to look at once more."""
    written: dict[tuple[Render, str], bytes] = {}
    answers: list[tuple[Held, bytes | None]] = []
    for one in held:
        if job is None or job.deleted_at is not None or _rights(job) != one.rights or one.render is None:
            answers.append((one, None))
            continue
        key = (one.render, one.base)
        if key not in written:
            written[key] = one.render(job, one.base)
        answers.append((one, written[key]))
    return answers


def _deliver(answers: list[tuple[Held, bytes | None]]) -> None:
    """Hand the answers over to their event loops, each woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Held, bytes | None]]] = {}
    for held, content in answers:
        by_loop.setdefault(held.loop, []).append((held, content))
    for loop, some in by_loop.items():
        _on_loop(loop, _set_all, some)


def _set_all(answers: list[tuple[Held, bytes | None]]) -> None:
    for held, content in answers:
        held.set(content)


def _on_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:  # the loop is closed: so are its clients
        pass


_waiters = Waiters()
