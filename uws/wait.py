"""WAIT: answer the moment a job's phase changes (UWS 1.1, section 2.2.1.1).

Under the bridge nobody's waiting costs a thread: `hold` (setting `VOGATE_HOLD`) keeps the request in the
event loop, one thread per process watches the database for all of them, and the view answers at once.
Without the bridge (tests, runserver) the view itself waits.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from urllib.parse import parse_qs

from django.conf import settings
from django.db import close_old_connections, connection
from django.http import HttpRequest

from gateway.vo.errors import GatewayError
from uws import forms
from uws.models import Job
from uws.phases import FINAL, WAITABLE, Phase
from uws.watch import POLL_SECONDS, open_watch

log = logging.getLogger("vogate.uws")

MAX_SECONDS = 60
_JOB_PATH = re.compile(r"/(?:(?:uws/[^/]+|tap)/async|api/v1/jobs)/([a-z2-7]{26})/?$")
_RECHECK_SECONDS = 1.0


def seconds_of(text: str) -> int:
    """Seconds to wait: at most `MAX_SECONDS`, which -1 asks for."""
    value = forms.integer("WAIT", text, minimum=-1)
    return MAX_SECONDS if value < 0 else min(value, MAX_SECONDS)


def held_by_bridge(request: HttpRequest) -> bool:
    """True if the bridge has waited before it called the view."""
    return bool(getattr(settings, "VOGATE_HOLD", "")) and "vogate.token" in request.META


def wait_here(request: HttpRequest, job: Job, wait: str, phase: str = "") -> Job:
    """Wait in this thread, unless the bridge has; returns the job as it is then."""
    seconds = seconds_of(wait)
    known = forms.phase(phase) if phase else Phase(job.phase)
    if held_by_bridge(request) or known != job.phase or known not in WAITABLE:
        return job
    wait_until(job.pk, {known.value}, seconds)
    job.refresh_from_db()
    return job


def wait_until(
    job_id: str, while_in: set[str], seconds: float, *, gone: threading.Event | None = None
) -> str:
    """Sleep until the job's phase is none of `while_in`, or time is over; returns the phase ('' if deleted)."""
    end = time.monotonic() + seconds
    while True:
        phase = Job.objects.filter(pk=job_id, deleted_at__isnull=True).values_list("phase", flat=True).first()
        if phase not in while_in or time.monotonic() >= end or (gone is not None and gone.is_set()):
            return phase or ""
        time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))


def wait_until_final(job_id: str, seconds: float, *, gone: threading.Event | None = None) -> str:
    """As `wait_until`, for the job's end."""
    return wait_until(job_id, {p.value for p in Phase if p not in FINAL}, seconds, gone=gone)


# -- under the bridge ---------------------------------------------------------------------------------


class Waiters:
    """Everybody in this process who waits for a phase to change, and the one thread that looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.Future[None], tuple[str, str | None]] = {}
        self._thread: threading.Thread | None = None
        self._news = threading.Event()

    def add(self, job_id: str, phase: str | None) -> asyncio.Future[None]:
        """A future that is done when the job's phase is not `phase` (None: not the one found first)."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting[future] = (job_id, phase)
            self._news.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="uws-wait", daemon=True)
                self._thread.start()
        return future

    def remove(self, future: asyncio.Future[None]) -> None:
        with self._lock:
            self._waiting.pop(future, None)

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
                    self._look()
                time.sleep(POLL_SECONDS)
        finally:
            watch.close()
            connection.close()

    def _look(self) -> None:
        with self._lock:
            waiting = dict(self._waiting)
        try:
            close_old_connections()
            phases = dict(
                Job.objects.filter(
                    pk__in={pk for pk, _ in waiting.values()}, deleted_at__isnull=True
                ).values_list("pk", "phase")
            )
        except Exception:
            log.exception("waiting clients are not served")
            return
        for future, (job_id, known) in waiting.items():
            phase = phases.get(job_id)
            if known is None and phase is not None and Phase(phase) in WAITABLE:
                with self._lock:
                    if future in self._waiting:
                        self._waiting[future] = (job_id, phase)
            elif phase is None or phase != known or Phase(phase) not in WAITABLE:
                self.remove(future)
                try:
                    future.get_loop().call_soon_threadsafe(_set, future)
                except RuntimeError:  # the loop is closed: so is the client
                    pass


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_waiters = Waiters()


async def hold(method: str, path: str, query: str) -> None:
    """Return when the request should be answered: at once, unless it is a WAIT on a job.

    Rights are checked by the view afterwards; whoever waits for a job that is not theirs learns nothing but 403.
    """
    if "wait" not in query.lower() or method not in ("GET", "HEAD"):
        return
    match = _JOB_PATH.search(path)
    if match is None:
        return
    values = {name.upper(): found[0] for name, found in parse_qs(query, keep_blank_values=True).items()}
    try:
        seconds = seconds_of(values["WAIT"])
        known = forms.phase(values["PHASE"]).value if values.get("PHASE") else None
    except (KeyError, GatewayError):
        return  # the view says what is wrong
    if known is not None and Phase(known) not in WAITABLE:
        return
    future = _waiters.add(match[1], known)
    try:
        await asyncio.wait_for(future, seconds)
    except TimeoutError:
        pass
    finally:
        _waiters.remove(future)
