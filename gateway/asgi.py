"""The ASGI application that granian serves."""

from __future__ import annotations

import gc
import os
import sys
import threading
from importlib import import_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver
from django.utils.module_loading import import_string

from gateway.bridge import Bridge

SWITCH_SECONDS = 0.001
"""How long a thread may compute while others wait for the interpreter: a fifth of Python's own choice, since here one of
them is the loop that hands out answers."""


def _get_ready() -> None:
    """Do what the first requests would have to wait for: import all views, build the grammar, start query workers."""
    _ = get_resolver().url_patterns
    import_string("tap.workers.warm")()
    import_string("tap.copies.keeper.keep")()
    # What has been imported stays: the collector need not look at it again, nor as often as for a small script.
    gc.collect()
    gc.freeze()


_whole = get_wsgi_application()
_entrance = import_module("gateway.entrance")  # imports models, which need Django's set-up
application = Bridge(_entrance.Entrance(_whole), _entrance.is_patient)

sys.setswitchinterval(SWITCH_SECONDS)
gc.set_threshold(20_000, 20, 20)
threading.Thread(target=_get_ready, name="get-ready", daemon=True).start()
