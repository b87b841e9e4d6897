"""The Celery app: messages that wake workers on any number of machines.

    celery -A gateway.celery worker -Q vogate

The job table is the queue and the only truth (docs/development.md, Executors).  A message carries the id of
a job that was queued, as a nudge: the worker takes whichever job is next, so that priorities hold.  Messages
are acknowledged when they arrive, because nothing depends on their being delivered again.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")

from django.conf import settings
from kombu.exceptions import ChannelError

from uws.executors import ExecutorConfig, ExecutorType, of_type

DEFAULT_BROKER = "redis://127.0.0.1:6379/0"
DEFAULT_QUEUE = "vogate"
TASK = "uws.run"


def _broker() -> str:
    """CELERY_BROKER_URL (which may hold a password), or `broker` of site.toml."""
    configured = [c.options["broker"] for c in of_type(ExecutorType.CELERY).values() if "broker" in c.options]
    return os.environ.get("CELERY_BROKER_URL") or (configured[0] if configured else DEFAULT_BROKER)


def queue_of(config: ExecutorConfig) -> str:
    """The message queue of an executor: one name for one thing, unless the site says otherwise."""
    default = DEFAULT_QUEUE if config.name == "celery" else f"{DEFAULT_QUEUE}-{config.name}"
    return str(config.options.get("queue", default))


app = Celery("vogate")
app.conf.update(
    broker_url=_broker(),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 30, "max_retries": 1},
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    task_acks_late=False,
    task_ignore_result=True,
    task_default_queue=DEFAULT_QUEUE,
    task_serializer="json",
    accept_content=["json"],
    timezone=settings.TIME_ZONE,
)


@app.task(name=TASK)
def run(executor: str, job_id: str) -> None:
    """Run jobs of this executor until none waits; `job_id` is why somebody thinks that one does."""
    from uws import nudges
    from uws.workers import run_waiting

    if run_waiting(executor):
        nudges.send(executor, job_id)


def nudge(config: ExecutorConfig, job_id: str) -> None:
    """Send a message (setting `VOGATE_NUDGE`)."""
    run.apply_async((config.name, job_id), queue=queue_of(config), retry=False)


def pending(config: ExecutorConfig) -> int:
    """Messages that nobody has taken yet (setting `VOGATE_NUDGES_PENDING`)."""
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=2)
        try:
            return int(connection.default_channel.queue_declare(queue_of(config), passive=True).message_count)
        except ChannelError:  # a queue that nothing was ever put into
            return 0
