// Draws a lineage as SVG; only what is in sight is in the document, so that thousands of boxes stay quick.
import { BOX } from "./lineage-layout.js";
import { WORDS } from "./lineage-model.js";

const NS = "http://www.w3.org/2000/svg";
const BEYOND = 300; // pixels around the window that are drawn, too
const DASHED = new Set(["wasDerivedFrom", "wasInformedBy"]);

export function svgElement(name, attributes = {}, text = "") {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

/** Both ends of a text that is too long. */
export function cut(text, room) {
  if (text.length <= room) return text;
  const tail = Math.floor(room / 3);
  return `${text.slice(0, room - tail - 1)}…${text.slice(text.length - tail)}`;
}

function curve(from, to) {
  const [x1, y1, y2] = [from.x, from.y + BOX.height / 2, to.y + BOX.height / 2];
  const tip = to.x + BOX.width + 7;
  const bend = Math.max(Math.abs(x1 - tip) / 2, 24);
  return `M${x1} ${y1}C${x1 - bend} ${y1} ${tip + bend} ${y2} ${tip} ${y2}`;
}

export function cssOf(node, state) {
  const css = ["pg-node", `pg-${node.kind}`];
  if (node.gone) css.push("pg-old");
  if (node.withheld) css.push("pg-secret");
  if (node.withdrawn) css.push("pg-bad");
  if (node.phase === "ERROR" || node.phase === "ABORTED") css.push("pg-failed");
  if (node.id === state.start) css.push("pg-start");
  if (node.id === state.selected) css.push("pg-selected");
  if (state.followed && !state.followed.has(node.id)) css.push("pg-faded");
  return css.join(" ");
}

/** What is drawn: `state` has start, selected, followed (Set or null), knobs(id, side) -> text. */
export function draw(view, { nodes, edges }, plan, zoom, state) {
  const [left, top] = [view.scrollLeft / zoom, view.scrollTop / zoom];
  const [right, bottom] = [left + view.clientWidth / zoom, top + view.clientHeight / zoom];
  const near = (a, b) =>
    Math.max(a.x, b.x) + BOX.width > left - BEYOND && Math.min(a.x, b.x) < right + BEYOND &&
    Math.max(a.y, b.y) + BOX.height > top - BEYOND && Math.min(a.y, b.y) < bottom + BEYOND;
  const svg = svgElement("svg", {
    width: Math.ceil(plan.width * zoom), height: Math.ceil(plan.height * zoom),
    viewBox: `0 0 ${plan.width} ${plan.height}`, "aria-hidden": "true", focusable: "false",
  });
  const marker = svgElement("marker", { id: "pg-arrow", viewBox: "0 0 8 8", refX: 1, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto", markerUnits: "userSpaceOnUse" });
  marker.append(svgElement("path", { d: "M0 0L8 4L0 8z", fill: "#6c757d" }));
  svg.append(svgElement("defs"));
  svg.firstChild.append(marker);
  for (const edge of edges) {
    const [from, to] = [plan.at.get(edge.source), plan.at.get(edge.target)];
    if (!near(from, to)) continue;
    const css = ["pg-edge"];
    if (DASHED.has(edge.relation)) css.push("pg-dashed");
    if (state.selected === edge.source || state.selected === edge.target) css.push("pg-near");
    if (state.followed && !(state.followed.has(edge.source) && state.followed.has(edge.target))) css.push("pg-faded");
    const path = svgElement("path", { d: curve(from, to), class: css.join(" "), "marker-end": "url(#pg-arrow)" });
    path.append(svgElement("title", {}, `${WORDS[edge.relation]}${edge.role ? ` as ${edge.role}` : ""}`));
    svg.append(path);
  }
  for (const node of nodes) {
    const place = plan.at.get(node.id);
    if (near(place, place)) svg.append(box(node, place, state));
  }
  view.replaceChildren(svg);
}

function box(node, { x, y }, state) {
  const group = svgElement("g", { class: cssOf(node, state), "data-id": node.id, transform: `translate(${x} ${y})` });
  const label = node.withheld ? "withheld" : node.label;
  group.append(svgElement("title", {}, [node.kind, label, node.role, node.detail].filter(Boolean).join(" · ")));
  group.append(svgElement("rect", { width: BOX.width, height: BOX.height, rx: node.kind === "activity" ? 16 : 4 }));
  const detail = node.withheld ? "not yours to see" : [node.kind === "entity" && node.role, node.phase && node.phase !== "COMPLETED" && node.phase, node.detail].filter(Boolean).join(" · ");
  group.append(svgElement("text", { x: 12, y: 18 }, cut(label, 24)));
  group.append(svgElement("text", { x: 12, y: 34, class: "pg-small" }, cut(detail, node.kind === "activity" ? 24 : 27)));
  for (const [side, at] of [["back", 0], ["forward", BOX.width]]) {
    const text = state.knob(node, side);
    if (!text) continue;
    const knob = svgElement("g", { class: "pg-knob", "data-knob": side, transform: `translate(${at} ${BOX.height / 2})` });
    const what = side === "back" ? "what it was made from" : "what was made from it";
    knob.append(svgElement("title", {}, text === "−" ? `Hide ${what}` : `Show ${what}`));
    knob.append(svgElement("circle", { r: text.length > 2 ? 13 : 10 }), svgElement("text", { y: 4 }, text));
    group.append(knob);
  }
  return group;
}
