"""From what was typed to a position: coordinates, our own targets, earlier answers, then Sesame."""

from __future__ import annotations

import difflib
import logging
import math
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from gateway.vo.caller import Caller
from gateway.vo.errors import NotAvailable, NotFound, UsageError
from obscore import coordinates
from obscore.models import KnownName, Observation, Target

log = logging.getLogger("vogate.resolver")

SESAME_SECONDS = 3.0
"""How long the name service may take, all in all."""
SILENCE_SECONDS = 30.0
"""After a failure to reach it, how long it is not asked again: whoever is offline is told at once."""
MAX_LENGTH = 200

__all__ = ["Position", "known_targets", "resolve"]


@dataclass(frozen=True)
class Position:
    """A position in degrees ICRS, and where it is from."""

    ra: float
    dec: float
    name: str = ""
    """Name of the object; '' where coordinates were typed."""
    source: str = ""
    """Who said so: coordinates, this archive, Sesame (CDS), the designation."""
    note: str = ""
    """What the user should know about it; '' where there is nothing."""


def resolve(text: str, caller: Caller) -> Position:
    """The position that a text means.

    Parameters
    ----------
    text
        Coordinates in any form of `obscore.coordinates`, or a name.
    caller
        Who asks.

    Raises
    ------
    UsageError
        If these are coordinates, but wrong or ambiguous ones; or nothing.
    NotFound
        If nobody knows the name; the hint has the archive's nearest targets.
    NotAvailable
        If the archive does not know the name and no name service can be reached.
    """
    name = " ".join(text.split())
    if not name:
        raise UsageError("There is no target.", hint="Type a name or coordinates.", field="target")
    if len(name) > MAX_LENGTH:
        raise UsageError("A target's name is shorter than that.", field="target")
    try:
        found = coordinates.parse(name)
        return Position(found.ra, found.dec, source="coordinates", note=found.note)
    except coordinates.NotCoordinates:
        pass
    except UsageError as error:
        raise UsageError(error.message, hint=error.hint, field="target") from None
    return _own_target(name) or _kept(name) or _elsewhere(name)


def key_of(name: str) -> str:
    """What two spellings of a name have in common: no case, blanks or underscores."""
    return "".join(name.casefold().replace("_", " ").split())


@dataclass(frozen=True)
class _Known:
    name: str
    ra: float | None
    dec: float | None
    spellings: frozenset[str]
    note: str = ""


def known_targets() -> list[str]:
    """Names of the archive's targets that have a position."""
    return sorted({known.name for known in _targets() if known.ra is not None})


def _targets() -> list[_Known]:
    """Targets of the profiles, then those that only the observations name."""
    known = [
        _Known(
            target.name,
            target.ra,
            target.dec,
            frozenset(key_of(word) for word in (target.name, *target.aliases)),
        )
        for target in Target.objects.order_by("collection__name", "name")
    ]
    listed = {spelling for target in known for spelling in target.spellings}
    pointings: dict[str, list[tuple[float, float]]] = defaultdict(list)
    rows = Observation.objects.filter(missing=False).values_list(
        "row__target_name", "row__s_ra", "row__s_dec"
    )
    for name, ra, dec in rows:
        if name and ra is not None and dec is not None and key_of(name) not in listed:
            pointings[name].append((ra, dec))
    for name, places in sorted(pointings.items()):
        ra, dec = _middle(places)
        note = "the middle of the pointings, for the archive has no position of the target itself"
        known.append(_Known(name, ra, dec, frozenset({key_of(name)}), note))
    return known


def _middle(places: list[tuple[float, float]]) -> tuple[float, float]:
    """Mean direction of some positions (degrees)."""
    x = y = z = 0.0
    for ra, dec in places:
        lon, lat = math.radians(ra), math.radians(dec)
        x += math.cos(lat) * math.cos(lon)
        y += math.cos(lat) * math.sin(lon)
        z += math.sin(lat)
    return math.degrees(math.atan2(y, x)) % 360, math.degrees(math.atan2(z, math.hypot(x, y)))


def _own_target(name: str) -> Position | None:
    key = key_of(name)
    for known in _targets():
        if key not in known.spellings:
            continue
        if known.ra is None or known.dec is None:
            raise NotFound(
                f"{known.name} is what this archive calls a group of observations without a common position.",
                hint=f"Search for target_name = '{known.name}' instead.",
                field="target",
            )
        return Position(known.ra, known.dec, known.name, "this archive", known.note)
    return None


def _kept(name: str) -> Position | None:
    kept = KnownName.objects.filter(key=key_of(name)[:200]).first()
    if kept is None:
        return None
    note = f"answered on {kept.resolved_at:%Y-%m-%d}"
    return Position(kept.ra, kept.dec, kept.name, kept.source, note)


def _elsewhere(name: str) -> Position:
    """Sesame; where that fails, what the name itself spells."""
    unreachable = False
    try:
        answer = _sesame.ask(name)
        if answer is not None:
            source = "Sesame (CDS)"
            KnownName.objects.update_or_create(
                key=key_of(name)[:200],
                defaults={"name": name, "ra": answer[0], "dec": answer[1], "source": source},
            )
            return Position(answer[0], answer[1], name, source)
    except OSError as error:
        log.info("Sesame did not answer about %r: %s", name, error)
        unreachable = True
    try:
        spelt = coordinates.from_designation(name)
        return Position(spelt.ra, spelt.dec, name, "the designation", spelt.note)
    except UsageError:
        pass
    if unreachable:
        targets = ", ".join(known_targets()[:6])
        raise NotAvailable(
            f"This archive does not know {name[:80]!r}, and no name service can be reached from here.",
            hint="Type coordinates, e.g. 83.633 22.014"
            + (f", or a target of this archive: {targets}." if targets else "."),
            field="target",
        )
    near = difflib.get_close_matches(name, known_targets(), 3, 0.5)
    raise NotFound(
        f"Nobody knows an object {name[:80]!r}.",
        hint=(f"Did you mean {' or '.join(near)}? " if near else "Check the spelling. ")
        + "Coordinates work too, e.g. 83.633 22.014.",
        field="target",
    )


class _Sesame:
    """The name service of CDS, asked by astropy in a thread that nobody waits for longer than the limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until = 0.0
        self._asking = 0

    def ask(self, name: str) -> tuple[float, float] | None:
        """Right ascension and declination (degrees ICRS); None if it does not know the name.

        Raises
        ------
        OSError
            If it cannot be reached, within `SESAME_SECONDS`.
        """
        with self._lock:
            if time.monotonic() < self._silent_until:
                raise OSError("it could not be reached a moment ago")
            if self._asking >= 8:
                raise OSError("too many questions are open")
            self._asking += 1
        answer: dict[str, Any] = {}
        thread = threading.Thread(target=self._run, args=(name, answer), daemon=True)
        thread.start()
        thread.join(SESAME_SECONDS)
        if "error" in answer or not answer:
            with self._lock:
                self._silent_until = time.monotonic() + SILENCE_SECONDS
            raise OSError(str(answer.get("error", f"no answer within {SESAME_SECONDS:g} s")))
        return answer["position"]  # type: ignore[no-any-return]

    def forget(self) -> None:
        """Ask again at once, whatever happened before."""
        with self._lock:
            self._silent_until = 0.0

    def _run(self, name: str, answer: dict[str, Any]) -> None:
        try:
            answer["position"] = _from_sesame(name)
        except Exception as error:  # noqa: BLE001 - a thread's failure is the caller's to report
            answer["error"] = error
        finally:
            with self._lock:
                self._asking -= 1


def _from_sesame(name: str) -> tuple[float, float] | None:
    """Ask Sesame, without a limit of time of its own beyond astropy's."""
    from astropy.coordinates import name_resolve
    from astropy.utils.data import conf

    try:
        with conf.set_temp("remote_timeout", SESAME_SECONDS):
            found = name_resolve.get_icrs_coordinates(name, parse=False, cache=False)
    except name_resolve.NameResolveError as error:
        if str(error).startswith("Unable to find coordinates"):
            return None
        raise
    return float(found.ra.deg), float(found.dec.deg)


_sesame = _Sesame()
