"""Accounts, their credentials, and views that say who called."""

from __future__ import annotations

import base64

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches

from gateway.accounts import tokens

PASSWORD = "a long pass phrase"


@pytest.fixture(autouse=True)
def empty_local_cache():
    caches["local"].clear()


@pytest.fixture
def vera(db):
    return get_user_model().objects.create_user("vera", "vera@example.org", PASSWORD)


@pytest.fixture
def token(vera):
    """A secret that works."""
    return tokens.create(vera, "laptop")[1]


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
