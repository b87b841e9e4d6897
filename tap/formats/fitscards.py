"""Header cards of FITS 4.0, section 4."""

from __future__ import annotations

import re
from collections.abc import Iterator

CARD = 80
BLOCK = 2880


def _ascii(text: str) -> str:
    """Text restricted to the characters that a header may hold."""
    return re.sub(r"[^ -~]", "?", re.sub(r"\s+", " ", text))


def card(keyword: str, value: bool | int | float | str, comment: str = "") -> bytes:
    """One keyword with its value; long strings continue on CONTINUE cards (FITS 4.0, section 4.2.1.2)."""
    if isinstance(value, str):
        return b"".join(_string_cards(keyword, _ascii(value), comment))
    written = ("T" if value else "F") if isinstance(value, bool) else repr(value)
    line = f"{keyword:<8}= {written:>20}"
    return _line(f"{line} / {comment}" if comment else line)


def _line(text: str) -> bytes:
    return text[:CARD].ljust(CARD).encode("ascii")


def _string_cards(keyword: str, value: str, comment: str) -> Iterator[bytes]:
    body = value.replace("'", "''")
    if len(body) <= 68:
        line = f"{keyword:<8}= '{body:<8}'"
        yield _line(f"{line} / {comment}" if comment and len(line) + len(comment) + 3 <= CARD else line)
        return
    start = f"{keyword:<8}= "
    while body:
        # Room for the ampersand; a doubled quote must not be torn apart.
        cut = len(body) if len(body) <= 68 else 67
        if cut < len(body) and (len(body[:cut]) - len(body[:cut].rstrip("'"))) % 2:
            cut -= 1
        piece, body = body[:cut], body[cut:]
        yield _line(f"{start}'{piece}{'&' if body else ''}'")
        start = "CONTINUE  "


def cards_of_text(keyword: str, text: str) -> Iterator[bytes]:
    """COMMENT or HISTORY cards."""
    written = _ascii(text)
    for start in range(0, max(len(written), 1), CARD - 8):
        yield _line(f"{keyword:<8}{written[start : start + CARD - 8]}")


def pad_block(cards: bytes) -> bytes:
    """A header unit: the cards, END, and blanks to a full block."""
    body = cards + _line("END")
    return body + b" " * (-len(body) % BLOCK)
