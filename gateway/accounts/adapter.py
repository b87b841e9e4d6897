"""What allauth asks of the project."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from gateway.accounts.requests import client_address


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Counts attempts by the same network address as everything else."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or "unknown"
