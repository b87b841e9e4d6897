"""What signing in and leaving mean for what an account owns."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.http import HttpRequest

from gateway.accounts.middleware import caller_of
from gateway.accounts.models import SignedLink
from gateway.vo.caller import Caller
from provenance import recorder
from uws import access


@receiver(user_logged_in)
def adopt_what_the_visitor_made(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    """The jobs and links of the visitor's anonymous session become the account's.

    Django has given the session a new key by now; the caller still has the old one.
    """
    before: Caller | None = getattr(request, "caller", None)
    if request is None or before is None:
        return
    if before.session_key and not before.is_authenticated:
        access.adopt_session(before.session_key, user.pk)
        SignedLink.objects.filter(session_key=before.session_key).update(user=user, session_key="")
    request.caller = caller_of(  # type: ignore[attr-defined]
        user, method="cookie", address=before.address, session_key=request.session.session_key or ""
    )


@receiver(pre_delete, sender=get_user_model())
def anonymise_what_an_account_did(sender: Any, instance: Any, **_: Any) -> None:
    """Provenance outlives accounts, without their names."""
    recorder.anonymise(f"user:{instance.pk}")
