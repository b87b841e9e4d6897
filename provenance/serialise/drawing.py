"""A job's provenance as an SVG: inputs at the left, the activity in the middle, results at the right.

The agents stand above the activity, its parameters below.  Arrows point from effect to cause, as PROV's
relations do.  Colours are those of the PROV drawings (entities yellow, activities blue, agents orange).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from textwrap import wrap
from xml.sax.saxutils import escape, quoteattr

from provenance.records import ActivityRecord, Document, EntityRecord, ParameterRecord, RelationType

Link = Callable[[EntityRecord], str]

WIDTH = 1000
BOX_WIDTH = 280
LEFT, MIDDLE, RIGHT = 10, 360, 710
BOX_HEIGHT, GAP = 46, 12
MAX_BOXES = 12
"""Boxes in one column; what goes beyond is summed up in the last one."""
MAX_PARAMETERS = 14
LINE = 20
CHARACTER = 7.1
"""Mean width of a character at 13 px; longer texts are cut."""

STYLE = """
.pv text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#212529}
.pv .strong{font-weight:600}.pv .small{font-size:11.5px;fill:#495057}
.pv rect{stroke-width:1.2}.pv .entity{fill:#fffbd6;stroke:#a08a1a}.pv .group{stroke-dasharray:4 3}
.pv .gone{fill:#f1f3f5;stroke:#868e96}.pv .withdrawn{stroke:#b02a37;stroke-width:2.4}
.pv .activity{fill:#dfe6fd;stroke:#4460b8}
.pv .agent{fill:#fde8cf;stroke:#b8742a}.pv .parameters{fill:#f1f3f5;stroke:#868e96}
.pv path{fill:none;stroke:#6c757d;stroke-width:1.2}.pv a:hover rect,.pv a:focus rect{stroke-width:2.6}
.pv a text{fill:#0b4ea2}
""".replace("\n", "")


@dataclass(frozen=True)
class _Box:
    """A rectangle of two lines of text; the role stands on its edge."""

    title: str
    subtitle: str
    css: str
    tooltip: str
    href: str = ""
    role: str = ""


def default_link(entity: EntityRecord) -> str:
    """The entity's own location, if a browser can follow it."""
    return entity.location if entity.location.startswith(("/", "http://", "https://")) else ""


def svg(document: Document, link: Link = default_link) -> str:
    """Draw the last activity of a document.

    Parameters
    ----------
    document
        What `provenance.recorder.document` returns; earlier activities are named as lost attempts.
    link
        The address that an entity's box leads to; an empty string for none.
    """
    activity = document.activities[-1]
    lost = [other for other in document.activities if other is not activity and not other.final]
    inputs = _column([(used.role, used.type, used.entity) for used in activity.used], link)
    results = _column([(made.role, made.type, made.entity) for made in activity.generated], link)
    agents = [
        _Box(agent.public_name, f"{agent.role}", "agent", f"{agent.role}: {agent.public_name}")
        for agent in activity.agents
    ]
    return _Drawing(activity, lost, inputs, results, agents).text()


def _column(items: Sequence[tuple[str, str, EntityRecord]], link: Link) -> list[_Box]:
    """One box per entity, the main ones first; roles with many share what room there is."""
    order = {RelationType.MAIN: 0, RelationType.CALIBRATION: 1, RelationType.PREVIEW: 1}
    ranked = sorted(items, key=lambda item: (order.get(item[1], 2), item[0]))  # type: ignore[call-overload]
    groups = [list(group) for _, group in groupby(ranked, key=lambda item: item[0])]
    room = _shares([len(group) for group in groups])
    boxes: list[_Box] = []
    for group, share in zip(groups, room, strict=True):
        shown = group if len(group) <= share else group[: share - 1]
        boxes += [_entity_box(role, entity, link) for role, _, entity in shown]
        hidden = group[len(shown) :]
        if hidden:
            names = ", ".join(entity.name or entity.id for _, _, entity in hidden)
            more = f"{len(hidden)} more" if not shown else f"+{len(hidden)} more"
            boxes.append(_Box(more, f"with the role {group[0][0]}", "entity group", names, role=group[0][0]))
    return boxes


def _shares(sizes: list[int]) -> list[int]:
    """How many boxes each group gets, so that all together are at most MAX_BOXES where that is possible."""
    shares = [1] * len(sizes)
    free = MAX_BOXES - len(sizes)
    while free > 0 and any(share < size for share, size in zip(shares, sizes, strict=True)):
        for index, size in enumerate(sizes):
            if free > 0 and shares[index] < size:
                shares[index] += 1
                free -= 1
    return shares


def _entity_box(role: str, entity: EntityRecord, link: Link) -> _Box:
    gone = entity.invalidatedAtTime is not None
    details = ["withdrawn" * bool(entity.withdrawn), entity.contentType.split(";")[0], _size(entity.size)]
    subtitle = "deleted " + _time(entity.invalidatedAtTime) if gone else ", ".join(filter(None, details))
    withdrawn = f"\nwithdrawn: {entity.withdrawn}" if entity.withdrawn else ""
    hashed = f"\nSHA-256 {entity.sha256}" if entity.sha256 else ""
    return _Box(
        title=entity.name or entity.id,
        subtitle=subtitle or entity.id,
        css="entity" + " gone" * gone + " withdrawn" * bool(withdrawn),
        tooltip=f"{role}: {entity.id}{hashed}{withdrawn}",
        href="" if gone else link(entity),
        role=role,
    )


def _size(size: int | None) -> str:
    if size is None:
        return ""
    if size < 1000:
        return f"{size} bytes"
    power = min((len(str(size)) - 1) // 3, 4)
    return f"{size / 1000**power:.3g} {('', 'kB', 'MB', 'GB', 'TB')[power]}"


def _time(time: datetime | None) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") + " UTC" if time else ""


def _cut(text: str, width: float, character: float = CHARACTER) -> str:
    """The text, with an ellipsis in its middle where it is too long (both ends tell files apart)."""
    room = int(width / character)
    if len(text) <= room:
        return text
    tail = room // 3
    return f"{text[: room - tail - 1]}…{text[len(text) - tail :]}"


def _parameter_line(parameter: ParameterRecord) -> str:
    unit = f" {parameter.unit}" if parameter.unit and parameter.value else ""
    return f"{parameter.name} = {parameter.value}{unit}"


class _Drawing:
    """Places the boxes and writes the text of the SVG."""

    def __init__(
        self,
        activity: ActivityRecord,
        lost: list[ActivityRecord],
        inputs: list[_Box],
        results: list[_Box],
        agents: list[_Box],
    ) -> None:
        self.activity, self.lost = activity, lost
        self.inputs, self.results, self.agents = inputs, results, agents
        self.lines = self._activity_lines()
        self.parameters = self._parameters()
        self.parts: list[str] = []

    def _activity_lines(self) -> list[str]:
        activity = self.activity
        version = f" {activity.description.version}" if activity.description.version else ""
        lines = [f"{activity.description.name}{version}", activity.phase.lower()]
        if activity.startTime and activity.endTime:
            seconds = (activity.endTime - activity.startTime).total_seconds()
            lines.append(f"{_time(activity.startTime)}, {seconds:.3g} s")
        elif activity.endTime:
            lines.append(_time(activity.endTime))
        if self.lost:
            attempts = ", ".join(str(other.attempt) for other in self.lost)
            plural = "s" if len(self.lost) > 1 else ""
            lines.append(f"attempt {activity.attempt}; lost before: attempt{plural} {attempts}")
        if activity.phase == "ERROR" and activity.comment:
            lines += wrap(activity.comment, 42, max_lines=3, placeholder=" …")
        if activity.invalidatedAtTime:
            lines.append("deleted " + _time(activity.invalidatedAtTime))
        return lines

    def _parameters(self) -> list[str]:
        lines = [_parameter_line(parameter) for parameter in self.activity.parameters]
        if len(lines) > MAX_PARAMETERS:
            hidden = len(lines) - MAX_PARAMETERS + 1
            lines = [*lines[: MAX_PARAMETERS - 1], f"+{hidden} more"]
        return lines

    def text(self) -> str:
        """The whole drawing, as a document of its own that can also be put into an HTML page."""
        agents = len(self.agents) * (BOX_HEIGHT + GAP)
        agents += 14 if agents else 0
        body = 16 + LINE * len(self.lines)
        settings = 34 + 18 * len(self.parameters) if self.parameters else 0
        middle = agents + body + (26 + settings if settings else 0)
        sides = max(self._stack(self.inputs), self._stack(self.results), 1)
        height = max(middle, sides) + 40
        top = 30 + (height - 40 - middle) / 2
        centre = top + agents + body / 2
        self._side(self.inputs, LEFT, height, centre, inputs=True)
        self._side(self.results, RIGHT, height, centre, inputs=False)
        self._middle(top, agents, body, settings)
        return self._frame(height)

    @staticmethod
    def _stack(boxes: list[_Box]) -> float:
        return len(boxes) * (BOX_HEIGHT + GAP)

    def _side(self, boxes: list[_Box], x: int, height: float, centre: float, *, inputs: bool) -> None:
        """A column of entities, joined to the activity."""
        heading = ("used" if inputs else "was generated by") if boxes else ""
        y = 30 + (height - 40 - self._stack(boxes)) / 2
        self._words(x + BOX_WIDTH / 2, y - 10, heading, "small", anchor="middle")
        for box in boxes:
            edge = y + BOX_HEIGHT / 2
            if inputs:  # the activity points at what it used
                self._arrow(MIDDLE, centre, x + BOX_WIDTH, edge)
            else:
                self._arrow(x, edge, MIDDLE + BOX_WIDTH, centre)
            self._box(box, x, y)
            y += BOX_HEIGHT + GAP

    def _middle(self, top: float, agents: float, body: float, settings: float) -> None:
        y = top
        for box in self.agents:
            self._box(box, MIDDLE, y)
            y += BOX_HEIGHT + GAP
        if self.agents:
            self._line(MIDDLE + BOX_WIDTH / 2, top + agents, MIDDLE + BOX_WIDTH / 2, y - GAP)
            self._words(MIDDLE + BOX_WIDTH / 2 + 8, top + agents - 9, "was associated with", "small")
        y = top + agents
        title = f"Activity {self.activity.key}, {self.activity.description.key}"
        href = self.activity.location if not self.activity.invalidatedAtTime else ""
        self.parts.append(self._open(href, title))
        gone = " gone" if self.activity.invalidatedAtTime else ""
        self.parts.append(self._rect(MIDDLE, y, body, f"activity{gone}"))
        for index, line in enumerate(self.lines):
            css = "strong" if index == 0 else "small"
            character = CHARACTER + 0.6 if index == 0 else 6.3
            baseline = y + 22 + LINE * index
            self._words(
                MIDDLE + BOX_WIDTH / 2, baseline, _cut(line, BOX_WIDTH - 20, character), css, anchor="middle"
            )
        self.parts.append(self._close(href))
        if self.parameters:
            self._settings(y + body, settings)

    def _settings(self, top: float, height: float) -> None:
        y = top + 26
        self._line(MIDDLE + BOX_WIDTH / 2, top, MIDDLE + BOX_WIDTH / 2, y)
        self._words(MIDDLE + BOX_WIDTH / 2 + 8, y - 9, "was configured by", "small")
        tooltip = "\n".join(_parameter_line(parameter) for parameter in self.activity.parameters)
        self.parts.append(f"<g><title>{escape(tooltip)}</title>")
        self.parts.append(self._rect(MIDDLE, y, height, "parameters"))
        self._words(MIDDLE + 12, y + 20, "Parameters", "strong")
        for index, line in enumerate(self.parameters):
            self._words(MIDDLE + 12, y + 40 + 18 * index, _cut(line, BOX_WIDTH - 24, 6.3), "small")
        self.parts.append("</g>")

    def _box(self, box: _Box, x: float, y: float) -> None:
        self.parts.append(self._open(box.href, box.tooltip))
        self.parts.append(self._rect(x, y, BOX_HEIGHT, box.css))
        self._words(x + 12, y + 19, _cut(box.title, BOX_WIDTH - 24), "strong" if "agent" in box.css else "")
        subtitle = f"{box.role} · {box.subtitle}" if box.role and "group" not in box.css else box.subtitle
        self._words(x + 12, y + 36, _cut(subtitle, BOX_WIDTH - 24, 6.3), "small")
        self.parts.append(self._close(box.href))

    @staticmethod
    def _open(href: str, tooltip: str) -> str:
        title = f"<title>{escape(tooltip)}</title>"
        return f"<a href={quoteattr(href)}>{title}" if href else f"<g>{title}"

    @staticmethod
    def _close(href: str) -> str:
        return "</a>" if href else "</g>"

    @staticmethod
    def _rect(x: float, y: float, height: float, css: str) -> str:
        return f'<rect class="{css}" x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{height:g}" rx="6"/>'

    def _words(self, x: float, y: float, text: str, css: str, *, anchor: str = "start") -> None:
        if text:
            self.parts.append(
                f'<text x="{x:g}" y="{y:g}" class="{css}" text-anchor="{anchor}">{escape(text)}</text>'
            )

    def _arrow(self, x1: float, y1: float, x2: float, y2: float) -> None:
        bend = (x1 - x2) / 2
        self.parts.append(
            f'<path d="M{x1:g} {y1:g}C{x1 - bend:g} {y1:g} {x2 + bend:g} {y2:g} {x2 + 7:g} {y2:g}" '
            'marker-end="url(#pv-arrow)"/>'
        )

    def _line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        towards = 7 if y1 > y2 else -7
        self.parts.append(f'<path d="M{x1:g} {y1:g}L{x2:g} {y2 + towards:g}" marker-end="url(#pv-arrow)"/>')

    def _frame(self, height: float) -> str:
        activity = self.activity
        title = f"Provenance of {activity.name or activity.key}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="pv" viewBox="0 0 {WIDTH} {height:g}" '
            f'width="{WIDTH}" height="{height:g}" role="group" aria-labelledby="pv-title pv-desc">'
            f'<title id="pv-title">{escape(title)}</title>'
            f'<desc id="pv-desc">{escape(self._description())}</desc><style>{STYLE}</style>'
            '<defs><marker id="pv-arrow" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#6c757d;stroke:none"/>'
            f"</marker></defs>{''.join(self.parts)}</svg>"
        )

    def _description(self) -> str:
        """The drawing in words."""
        activity = self.activity
        who = ", ".join(agent.public_name for agent in activity.agents)
        sentences = [
            f"The activity {activity.description.name} {activity.description.version} ended "
            f"{activity.phase} {_time(activity.endTime)}".strip()
            + (f", run by {who}." if who else "."),
            f"It used {len(activity.used)} entities, generated {len(activity.generated)} and was "
            f"configured by {len(activity.parameters)} parameters.",
        ]
        return " ".join(sentences)
