"""Who is asking: the one value by which every room decides rights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """The authenticated or anonymous originator of a request.

    `gateway.accounts` makes one per request and sets it as `request.caller`; workers make one from a
    job's owner.  Nothing below `gateway.accounts` looks at cookies, tokens or `request.user`.
    """

    user_id: int | None = None
    username: str = ""
    session_key: str = ""
    """Key of the browser session, if the request carried one (anonymous visitors have one too)."""
    groups: frozenset[str] = frozenset()
    is_staff: bool = False
    address: str = ""
    """Network address, for fair use of anonymous callers."""
    method: str = "anonymous"
    """How the caller was recognised: anonymous, cookie, basic, bearer, link, internal."""

    @property
    def is_authenticated(self) -> bool:
        return self.user_id is not None

    @property
    def fair_use_key(self) -> str:
        """What limits per user count by."""
        return f"user:{self.user_id}" if self.is_authenticated else f"address:{self.address}"

    @property
    def label(self) -> str:
        """How the caller is called in records: the account's name or `anonymous`."""
        return self.username or "anonymous"


ANONYMOUS = Caller()
