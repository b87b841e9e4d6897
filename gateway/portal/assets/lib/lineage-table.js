// The table beside the graph: the same nodes and relations in words.
import { WORDS } from "./lineage-model.js";

const LISTED = 3;

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** A link to a node's page; the word alone where the reader may not know what it is. */
export function nodeLink(node) {
  if (node.withheld) return element("em", "withheld");
  return node.page ? element("a", node.label, { href: node.page }) : element("span", node.label);
}

export function stateOf(node) {
  const words = [node.gone && "deleted", node.withdrawn && `withdrawn: ${node.withdrawn}`];
  if (node.phase && node.phase !== "COMPLETED") words.push(node.phase);
  return words.filter(Boolean).join(", ");
}

/** Fill the table's body with these nodes, in this order. */
export function fillTable(body, lineage, nodes) {
  const shown = new Set(nodes.map((node) => node.id));
  body.replaceChildren(...nodes.map((node) => row(lineage, node, shown)));
}

function row(lineage, node, shown) {
  const made = element("tr", "", { "data-key": node.id });
  const name = element("th", "", { scope: "row" });
  name.append(nodeLink(node));
  const details = element("td", [node.role, node.detail].filter(Boolean).join(" · "));
  if (stateOf(node)) details.append(" ", element("span", stateOf(node), { class: "pg-state" }));
  const causes = element("td");
  const known = lineage.loaded(node.id, "back").filter((id) => shown.has(id));
  known.slice(0, LISTED).forEach((id, index) => {
    const edge = lineage.beside.back.get(node.id).get(id);
    const role = edge.role && edge.relation === "used" ? ` as ${edge.role}` : "";
    causes.append(index ? "; " : "", `${WORDS[edge.relation]} `, nodeLink(lineage.nodes.get(id)), role);
  });
  if (known.length > LISTED) causes.append(` and ${known.length - LISTED} more`);
  made.append(element("td", node.kind), name, details, causes);
  return made;
}
