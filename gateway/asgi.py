"""The ASGI application that granian serves."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")

from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

from gateway.bridge import Bridge

_whole = get_wsgi_application()
_entrance = import_string("gateway.entrance.Entrance")  # imports models, which need Django's set-up
application = Bridge(_entrance(_whole))
