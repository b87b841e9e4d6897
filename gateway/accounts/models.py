"""API tokens and signed links.  Both are secrets of which only the hash is kept."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone


def digest(secret: str) -> str:
    """What is stored of a secret of high entropy; such secrets need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiToken(models.Model):
    """A credential for scripts, as good as its owner's password until it is revoked."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=20, help_text="The token's first characters, to tell tokens apart.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created = models.DateTimeField(default=timezone.now)
    last_used = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=models.Q(revoked__isnull=True),
                name="one_active_token_per_name",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def touch(self, now: datetime) -> None:
        """Note the use, at most once a minute."""
        if self.last_used is None or now - self.last_used > timedelta(minutes=1):
            self.last_used = now
            type(self).objects.filter(pk=self.pk).update(last_used=now)


class SignedLink(models.Model):
    """A short-lived address that shows one resource with the rights of whoever made it."""

    digest = models.CharField(max_length=64, primary_key=True, editable=False)
    path = models.TextField(help_text="Path and query on this service.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    session_key = models.CharField(max_length=40, blank=True, editable=False, db_index=True)
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.path
