"""Nudges to executors whose workers sleep until a message wakes them (Celery).

A nudge says that a job has been queued; the job table says which job is next.  A lost nudge is sent
again by `uws.sweeper.renudge`, a doubled one finds nothing to do.
"""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.utils.module_loading import import_string

from uws import executors

log = logging.getLogger("vogate.uws")

PAUSE_SECONDS = 3.0
"""After a failure the broker is left alone for so long: nobody's request waits for it twice."""

_not_before = 0.0


def send(executor: str, job_id: str) -> None:
    """Wake a worker of this executor, if it is of the kind that sleeps; never raises."""
    global _not_before
    if executor in (executors.LOCAL, *executors.RESERVED) or time.monotonic() < _not_before:
        return
    config = executors.configured().get(executor)
    if config is None or config.type is not executors.ExecutorType.CELERY:
        return
    try:
        import_string(settings.VOGATE_NUDGE)(config, job_id)
    except Exception as error:  # noqa: BLE001  whatever a broker's client raises
        _not_before = time.monotonic() + PAUSE_SECONDS
        log.warning("job %s waits until the message broker answers: %s", job_id, error)


def pending(executor: str) -> int | None:
    """Messages that wait for a worker of this executor; None if the broker does not answer."""
    global _not_before
    if time.monotonic() < _not_before:
        return None
    try:
        return int(import_string(settings.VOGATE_NUDGES_PENDING)(executors.configured()[executor]))
    except Exception as error:  # noqa: BLE001
        _not_before = time.monotonic() + PAUSE_SECONDS
        log.warning("the message broker does not answer: %s", error)
        return None
