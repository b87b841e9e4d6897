"""API tokens: made, found, revoked."""

from __future__ import annotations

import secrets

from django.contrib.auth.models import User
from django.core import signing
from django.utils import timezone

from gateway.accounts.models import ApiToken, digest
from gateway.vo.errors import UsageError

PREFIX = "vogate_"
MAX_TOKENS = 50
SHORT_LIVED = "vogate-login."
SHORT_LIVED_SECONDS = 12 * 3600
_SALT = "gateway.accounts.login"


def create(user: User, name: str) -> tuple[ApiToken, str]:
    """A new token and its secret, which is nowhere kept.

    Raises
    ------
    gateway.vo.errors.UsageError
        If the name is taken by an active token, or there are too many.
    """
    name = name.strip()[:100]
    if not name:
        raise UsageError("Give the token a name.", field="name")
    active = ApiToken.objects.filter(user=user, revoked__isnull=True)
    if active.filter(name=name).exists():
        raise UsageError(
            f"You have a token named “{name}” already.", hint="Choose another name.", field="name"
        )
    if active.count() >= MAX_TOKENS:
        raise UsageError(f"You have {MAX_TOKENS} tokens.", hint="Revoke some first.", field="name")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, name=name, prefix=secret[: len(PREFIX) + 6], digest=digest(secret)
    )
    return token, secret


def revoke(user: User, token_id: int) -> ApiToken | None:
    """End a token of this user; None if there is no such active one."""
    token = ApiToken.objects.filter(user=user, pk=token_id, revoked__isnull=True).first()
    if token is not None:
        token.revoked = timezone.now()
        token.save(update_fields=["revoked"])
    return token


def short_lived(user: User) -> str:
    """A bearer token for a client that has just shown a password (AuthVO's ivoa_bearer).

    It is signed and not stored; it ends after 12 hours, or with the password.
    """
    content = {"user": user.pk, "auth": user.get_session_auth_hash()}
    return SHORT_LIVED + signing.dumps(content, salt=_SALT)


def user_of(secret: str) -> User | None:
    """The active account that a token belongs to, None for a token that is not good (any more)."""
    if secret.startswith(SHORT_LIVED):
        return _user_of_short_lived(secret.removeprefix(SHORT_LIVED))
    token = (
        ApiToken.objects.select_related("user").filter(digest=digest(secret), revoked__isnull=True).first()
    )
    if token is None or not token.user.is_active:
        return None
    token.touch(timezone.now())
    return token.user


def _user_of_short_lived(signed: str) -> User | None:
    try:
        content = signing.loads(signed, salt=_SALT, max_age=SHORT_LIVED_SECONDS)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=content["user"], is_active=True).first()
    if user is None or not secrets.compare_digest(user.get_session_auth_hash(), content["auth"]):
        return None
    return user
