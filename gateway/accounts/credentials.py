"""Credentials in the Authorization header: Bearer, and Basic with a token or the account's password."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpRequest

from gateway.accounts import tokens
from gateway.vo.errors import GatewayError, NotAuthenticated

MAX_FAILURES = 20
FAILURE_SECONDS = 300
REMEMBER_SECONDS = 300


class TooManyAttempts(GatewayError):
    """Wrong passwords too often."""

    status, code = 429, "NotAuthenticated"


def user_of_header(header: str, request: HttpRequest, address: str) -> tuple[User, str]:
    """The account that an Authorization header names, and the method (`bearer` or `basic`).

    Raises
    ------
    gateway.vo.errors.NotAuthenticated
        If the credentials are wrong, unreadable, or of an unknown scheme; they are never ignored.
    TooManyAttempts
        If this address gave wrong passwords too often.
    """
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        user = tokens.user_of(value)
        if user is None:
            raise NotAuthenticated(
                "This token is not valid: it is mistyped, revoked or expired.",
                hint="Make a new one on your account page.",
            )
        return user, "bearer"
    if scheme.lower() == "basic":
        return _user_of_basic(value, request, address), "basic"
    raise NotAuthenticated(f"Authorization scheme {scheme[:20]!r} is not known.", hint="Use Bearer or Basic.")


def _user_of_basic(value: str, request: HttpRequest, address: str) -> User:
    name, password = decode_basic(value)
    if password.startswith((tokens.PREFIX, tokens.SHORT_LIVED)):
        user = tokens.user_of(password)
        # With a token any user name will do, but a wrong one is a mistake that should show.
        if user is not None and (not name or name in (user.get_username(), getattr(user, "email", ""))):
            return user
        raise NotAuthenticated(
            "This token is not valid for this user name.", hint="See your account page for both."
        )
    return check_password(name, password, request, address)


def decode_basic(value: str) -> tuple[str, str]:
    """User name and password of Basic credentials (RFC 7617).  Raises NotAuthenticated."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotAuthenticated("The Basic credentials cannot be read.") from None
    name, colon, password = text.partition(":")
    if not colon:
        raise NotAuthenticated("The Basic credentials have no password.")
    return name, password


def check_password(name: str, password: str, request: HttpRequest, address: str) -> User:
    """The account with this name (or e-mail address) and password.

    A password hash takes a good part of a second by design, and clients send Basic credentials with every
    request: a right password is remembered for some minutes, in this process and only as a keyed hash.

    Raises
    ------
    gateway.vo.errors.NotAuthenticated, TooManyAttempts
    """
    remembered = _remembered(name, password)
    if remembered is not None:
        return remembered
    failures = caches["default"]
    key = "basic-failures:" + hashlib.sha256(address.encode()).hexdigest()
    count = int(failures.get(key, 0))
    if count >= MAX_FAILURES:
        raise TooManyAttempts(
            "Too many wrong passwords from this address.",
            hint="Wait some minutes, or use an API token.",
            headers={"Retry-After": str(FAILURE_SECONDS)},
        )
    user = authenticate(request, username=name, password=password)
    if user is None:
        failures.set(key, count + 1, FAILURE_SECONDS)
        raise NotAuthenticated("The user name or the password is wrong.", hint="An API token works, too.")
    caches["local"].set(_memory_key(name, password, user), user.pk, REMEMBER_SECONDS)
    return user


def _remembered(name: str, password: str) -> User | None:
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None or caches["local"].get(_memory_key(name, password, user)) != user.pk:
        return None
    return user


def _memory_key(name: str, password: str, user: User) -> str:
    """Changes with the password, and is useless without the service's secret key."""
    message = "\0".join((name, password, user.password)).encode()
    return "basic:" + hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).hexdigest()
