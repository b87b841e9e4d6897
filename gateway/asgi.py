"""The ASGI application that granian serves."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")

from django.core.wsgi import get_wsgi_application

from gateway.bridge import Bridge

application = Bridge(get_wsgi_application())
