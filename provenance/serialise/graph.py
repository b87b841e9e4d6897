"""A document as nodes and edges (for the interactive page and tables), and as a layered drawing.

Causes stand at the left, effects at the right; arrows point from effect to cause, as PROV's relations do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from provenance.records import ActivityRecord, Document, EntityRecord, context_of
from provenance.serialise.drawing import STYLE, _cut, _size, _time, default_link, svg

__all__ = ["Edge", "Graph", "GraphNode", "graph_of", "graph_json", "layers", "lineage_svg"]

BOX, HEIGHT, COLUMN, ROW, MARGIN = 190, 44, 260, 58, 24


@dataclass(frozen=True)
class GraphNode:
    """A node as pages show it; everything in it may be shown to the reader."""

    id: str
    kind: str
    """`activity`, `entity` or `agent`."""
    label: str
    detail: str = ""
    href: str = ""
    role: str = ""
    """Its role in the first relation that names one."""
    phase: str = ""
    gone: bool = False
    withheld: bool = False
    withdrawn: str = ""


@dataclass(frozen=True)
class Edge:
    """A relation from effect to cause."""

    source: str
    target: str
    relation: str
    """`used`, `wasGeneratedBy`, `wasDerivedFrom`, `wasInformedBy`, `hadMember`, `wasAssociatedWith`."""
    role: str = ""


@dataclass(frozen=True)
class Graph:
    nodes: tuple[GraphNode, ...]
    edges: tuple[Edge, ...]
    truncated: bool = False
    starts: tuple[str, ...] = field(default=())


def graph_of(
    document: Document,
    link: Callable[[EntityRecord], str] = default_link,
    *,
    agents: bool = False,
    context: bool = False,
    starts: Iterable[str] = (),
) -> Graph:
    """Nodes and edges.

    Parameters
    ----------
    link
        The address of an entity's page.
    agents
        With the agents of activities.
    context
        With platforms and containers.
    starts
        Identifiers of the nodes that were asked for.
    """
    nodes: dict[str, GraphNode] = {}
    edges: dict[tuple[str, str, str], Edge] = {}

    def join(source: str, target: str, relation: str, role: str = "") -> None:
        edges.setdefault((source, target, relation), Edge(source, target, relation, role))

    roles: dict[str, str] = {}
    hidden = set() if context else {use.entity.id for a in document.activities for use in context_of(a)}
    for activity in document.activities:
        key = f"a:{activity.key}"
        nodes[key] = _activity_node(activity)
        for use in (*activity.used, *(context_of(activity) if context else ())):
            join(key, f"e:{use.entity.id}", "used", use.role)
            roles.setdefault(use.entity.id, use.role)
        for made in activity.generated:
            join(f"e:{made.entity.id}", key, "wasGeneratedBy", made.role)
            roles[made.entity.id] = made.role
            for source in made.derivedFrom:
                join(f"e:{made.entity.id}", f"e:{source}", "wasDerivedFrom")
        for other in activity.informedBy:
            join(key, f"a:{other}", "wasInformedBy")
        for agent in activity.agents if agents else ():
            nodes.setdefault(
                f"g:{agent.id}", GraphNode(f"g:{agent.id}", "agent", agent.public_name, agent.type)
            )
            join(key, f"g:{agent.id}", "wasAssociatedWith", str(agent.role))
    known = document.all_entities()
    for activity in document.activities:
        for use in context_of(activity) if context else ():
            known.setdefault(use.entity.id, use.entity)
    for entity in known.values():
        if entity.id not in hidden:
            nodes[f"e:{entity.id}"] = _entity_node(entity, roles.get(entity.id, ""), link)
        for member in entity.members:
            join(f"e:{entity.id}", f"e:{member}", "hadMember")
    for made_id, source in document.derivations:
        join(f"e:{made_id}", f"e:{source}", "wasDerivedFrom")
    kept = tuple(edge for edge in edges.values() if edge.source in nodes and edge.target in nodes)
    return Graph(tuple(nodes.values()), kept, document.truncated, tuple(starts))


def graph_json(graph: Graph) -> dict[str, Any]:
    """The graph for scripts: `nodes`, `edges`, `truncated`, `starts`; empty slots are left out."""
    place = layers(graph)
    return {
        "nodes": [
            {name: value for name, value in asdict(node).items() if value} | {"layer": place[node.id]}
            for node in graph.nodes
        ],
        "edges": [{n: v for n, v in asdict(edge).items() if v} for edge in graph.edges],
        "truncated": graph.truncated,
        "starts": list(graph.starts),
    }


def _activity_node(activity: ActivityRecord) -> GraphNode:
    if activity.withheld:
        return GraphNode(f"a:{activity.key}", "activity", "withheld", withheld=True)
    tool = activity.description
    return GraphNode(
        f"a:{activity.key}",
        "activity",
        activity.step or activity.name or tool.name or activity.key,
        " ".join(filter(None, [f"{tool.name} {tool.version}".strip(), _time(activity.endTime)])),
        "" if activity.invalidatedAtTime else activity.location,
        phase=activity.phase,
        gone=activity.invalidatedAtTime is not None,
    )


def _entity_node(entity: EntityRecord, role: str, link: Callable[[EntityRecord], str]) -> GraphNode:
    if entity.withheld:
        return GraphNode(f"e:{entity.id}", "entity", "withheld", withheld=True)
    gone = entity.invalidatedAtTime is not None
    details = [entity.contentType.partition(";")[0], _size(entity.size)]
    return GraphNode(
        f"e:{entity.id}",
        "entity",
        entity.name or entity.id,
        "deleted " + _time(entity.invalidatedAtTime) if gone else ", ".join(filter(None, details)),
        "" if gone else link(entity),
        role,
        gone=gone,
        withdrawn=entity.withdrawn,
    )


def layers(graph: Graph) -> dict[str, int]:
    """The column of each node: one more than the farthest of its causes; circles are cut where they close."""
    causes: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        causes[edge.source].append(edge.target)
    found: dict[str, int] = {}
    for node in graph.nodes:
        _place(node.id, causes, found)
    return found


def _place(start: str, causes: dict[str, list[str]], found: dict[str, int]) -> None:
    """Depth first without recursion: lineages can be longer than Python's stack."""
    stack: list[tuple[str, int]] = [(start, 0)]
    active: set[str] = set()
    while stack:
        node, index = stack.pop()
        if node in found:
            continue
        active.add(node)
        below = causes.get(node, [])
        while index < len(below) and (below[index] in found or below[index] in active):
            index += 1
        if index < len(below):
            stack += [(node, index + 1), (below[index], 0)]
            continue
        found[node] = max((found[cause] + 1 for cause in below if cause in found), default=0)
        active.discard(node)


def _ordered(graph: Graph, place: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Positions: in each column in the order of the mean place of the neighbours."""
    columns: dict[int, list[str]] = defaultdict(list)
    for node in graph.nodes:
        columns[place[node.id]].append(node.id)
    near: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        near[edge.source].append(edge.target)
        near[edge.target].append(edge.source)
    rank = {key: float(index) for column in columns.values() for index, key in enumerate(column)}
    for _ in range(6):
        for number in sorted(columns):
            wanted = {
                key: sum(rank[other] for other in near[key]) / len(near[key]) if near[key] else rank[key]
                for key in columns[number]
            }
            columns[number].sort(key=lambda key, wanted=wanted: (wanted[key], rank[key]))  # type: ignore[misc]
            rank.update({key: float(index) for index, key in enumerate(columns[number])})
    tallest = max((len(column) for column in columns.values()), default=1)
    return {
        key: (
            MARGIN + number * COLUMN,
            MARGIN + (index + (tallest - len(column)) / 2) * ROW,
        )
        for number, column in columns.items()
        for index, key in enumerate(column)
    }


def lineage_svg(
    document: Document, link: Callable[[EntityRecord], str] = default_link, *, agents: bool = True
) -> str:
    """The whole document as a drawing; that of one activity is drawn with its parameters."""
    if len(document.activities) == 1 and not document.activities[0].withheld:
        return svg(document, link)
    graph = graph_of(document, link, agents=agents)
    place = layers(graph)
    at = _ordered(graph, place)
    width = max((x for x, _ in at.values()), default=0) + BOX + MARGIN
    height = max((y for _, y in at.values()), default=0) + HEIGHT + MARGIN
    parts = [_edge(edge, at) for edge in graph.edges] + [_node(node, at[node.id]) for node in graph.nodes]
    counts = {
        kind: sum(node.kind == kind for node in graph.nodes) for kind in ("entity", "activity", "agent")
    }
    words = f"{counts['entity']} entities, {counts['activity']} activities and {counts['agent']} agents"
    cut = "; there is more than is drawn" if graph.truncated else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pv" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="group" aria-labelledby="pv-title pv-desc">'
        f'<title id="pv-title">Lineage</title><desc id="pv-desc">{words}{cut}; '
        "causes at the left, effects at the right.</desc>"
        f"<style>{STYLE}.pv .withheld{{fill:#e9ecef;stroke:#868e96;stroke-dasharray:2 3}}"
        ".pv .withdrawn{stroke:#b02a37;stroke-width:2.4}</style>"
        '<defs><marker id="pv-arrow" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#6c757d;stroke:none"/></marker></defs>'
        f"{''.join(parts)}</svg>"
    )


def _edge(edge: Edge, at: dict[str, tuple[float, float]]) -> str:
    x1, y1 = at[edge.source]
    x2, y2 = at[edge.target]
    y1, y2, x2 = y1 + HEIGHT / 2, y2 + HEIGHT / 2, x2 + BOX
    if x1 <= x2:  # a circle: back over the top
        x1, x2 = x1 + BOX, x2
    bend = max(abs(x1 - x2) / 2, 24)
    tip = x2 + 7
    dash = ' stroke-dasharray="5 4"' if edge.relation in ("wasDerivedFrom", "wasInformedBy") else ""
    return (
        f'<path d="M{x1:g} {y1:g}C{x1 - bend:g} {y1:g} {tip + bend:g} {y2:g} {tip:g} {y2:g}"{dash} '
        f'marker-end="url(#pv-arrow)"><title>{escape(edge.relation)} {escape(edge.role)}</title></path>'
    )


def _node(node: GraphNode, where: tuple[float, float]) -> str:
    x, y = where
    css = node.kind
    css += " gone" if node.gone else ""
    css += " withheld" if node.withheld else ""
    css += " withdrawn" if node.withdrawn else ""
    radius = 16 if node.kind == "activity" else 4
    reason = f"; withdrawn: {node.withdrawn}" if node.withdrawn else ""
    tooltip = escape(f"{node.kind} {node.label} {node.role} {node.detail}{reason}".strip())
    detail = node.detail if node.kind != "entity" or not node.role else f"{node.role} · {node.detail}"
    if node.phase and node.phase != "COMPLETED":
        detail = f"{node.phase} {detail}"
    open_, close = (f"<a href={quoteattr(node.href)}>", "</a>") if node.href else ("<g>", "</g>")
    return (
        f"{open_}<title>{tooltip}</title>"
        f'<rect class="{css}" x="{x:g}" y="{y:g}" width="{BOX}" height="{HEIGHT}" rx="{radius}"/>'
        f'<text x="{x + 10:g}" y="{y + 18:g}">{escape(_cut(node.label, BOX - 18))}</text>'
        f'<text class="small" x="{x + 10:g}" y="{y + 34:g}">{escape(_cut(detail, BOX - 18, 6.1))}</text>{close}'
    )
