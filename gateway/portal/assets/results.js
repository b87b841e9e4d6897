// The results page: rows and their footprints light each other up; ticks are kept from page to page.
import { drawMap } from "./lib/skymap.js";

// Only results of data products have something to select.
const form = document.getElementById("select-page") ? document.getElementById("results-form") : null;
const place = document.getElementById("skymap");
const boxes = form ? [...form.querySelectorAll("input[name=obs][type=checkbox]")] : [];
const rowOf = new Map([...document.querySelectorAll("tr[data-key]")].map((row) => [row.dataset.key, row]));

// ---- selection -----------------------------------------------------------------------------------

const STORE = form ? `vogate.selected.${form.dataset.query}` : "";
// Identifier -> what is sent of the product by SAMP: {url, mtype, name}, or {} where there is no file.
let selected = new Map();
try {
  selected = new Map(JSON.parse(sessionStorage.getItem(STORE) ?? "[]"));
} catch {
  // Storage may be switched off: then the ticks of this page are all there is.
}

function keep() {
  try {
    sessionStorage.setItem(STORE, JSON.stringify([...selected]));
  } catch {
    // as above
  }
}

function productOf(box) {
  const { url, mtype, name } = box.dataset;
  return url ? { url, mtype, name } : {};
}

let map = null;

function show() {
  for (const box of boxes) {
    box.checked = selected.has(box.value);
    box.closest("tr").classList.toggle("vs-selected", box.checked);
  }
  const here = boxes.filter((box) => box.checked).length;
  const all = document.getElementById("select-page");
  if (all) {
    all.checked = boxes.length > 0 && here === boxes.length;
    all.indeterminate = here > 0 && here < boxes.length;
  }
  const count = document.getElementById("selected-count");
  const elsewhere = selected.size - here;
  count.textContent = selected.size
    ? `${selected.size} selected${elsewhere > 0 ? ` (${elsewhere} on other pages)` : ""}`
    : "Tick rows to analyse or send them";
  document.getElementById("select-none").hidden = selected.size === 0;
  for (const button of document.querySelectorAll("[data-needs-rows]")) button.disabled = selected.size === 0;
  for (const line of document.querySelectorAll("[data-without-rows]")) line.hidden = selected.size > 0;
  // What is selected on other pages is submitted and sent, too.
  const shown = new Set(boxes.map((box) => box.value));
  document.getElementById("other-pages").replaceChildren(
    ...[...selected].filter(([value]) => !shown.has(value)).map(([value, product]) => hiddenBox(value, product)),
  );
  map?.pick([...boxes].filter((box) => box.checked).map((box) => box.closest("tr").dataset.key));
}

function hiddenBox(value, product) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "obs", value, checked: true, hidden: true });
  if (product.url) Object.assign(box.dataset, { sampItem: "", ...product });
  return box;
}

/** Add [identifier, product] pairs to the selection. */
function choose(pairs) {
  for (const [value, product] of pairs) selected.set(value, product);
  keep();
  show();
}

function drop(values) {
  for (const value of values) selected.delete(value);
  keep();
  show();
}

function tick(some, on) {
  if (on) choose(some.map((box) => [box.value, productOf(box)]));
  else drop(some.map((box) => box.value));
}

if (form) {
  form.addEventListener("change", (event) => {
    if (event.target.name === "obs") tick([event.target], event.target.checked);
    if (event.target.id === "select-page") tick(boxes, event.target.checked);
  });
  document.getElementById("select-none").addEventListener("click", () => drop([...selected.keys()]));
  const every = document.getElementById("select-all");
  every?.addEventListener("click", async (event) => {
    event.preventDefault();
    every.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(every.dataset.url);
      if (!response.ok) throw new Error(response.statusText);
      const { identifiers, products } = await response.json();
      choose(identifiers.map((did) => [did, products[did] ?? {}]));
    } catch {
      location.href = every.href; // the page that the server ticks
    }
    every.removeAttribute("aria-busy");
  });
  // The server may have ticked rows (select all without scripts).
  const ticked = [...form.querySelectorAll("input[name=obs]")].filter((box) => box.type === "hidden" || box.defaultChecked);
  if (ticked.length) tick(ticked, true);
  else show();
}

// Page size and column choice act at once; the button beside them serves without scripts.
document.querySelectorAll("select[data-submits]").forEach((select) =>
  select.addEventListener("change", () => select.form.requestSubmit()),
);

// ---- map -----------------------------------------------------------------------------------------

function light(keys, scroll = false) {
  for (const row of rowOf.values()) row.classList.toggle("vs-hovered", keys.includes(row.dataset.key));
  if (scroll && keys.length) rowOf.get(keys[0])?.scrollIntoView({ block: "nearest", behavior: "instant" });
}

async function openMap() {
  const entries = JSON.parse(document.getElementById("footprints").textContent);
  if (!entries.length) return;
  try {
    const searched = JSON.parse(document.getElementById("searched")?.textContent ?? "null");
    map = await drawMap(place, entries, {
      searched,
      onhover: (keys) => light(keys),
      onpick: (keys) => {
        light(keys.slice(0, 1), true);
        const said = document.getElementById("map-status");
        const titles = keys.map((key) => entries.find((entry) => entry.key === key).title);
        said.textContent = titles.length
          ? `${titles.length} footprint${titles.length > 1 ? "s" : ""} here: ${titles.slice(0, 4).join(", ")}${titles.length > 4 ? ", …" : ""}`
          : "";
      },
    });
  } catch (error) {
    place.replaceChildren(
      Object.assign(document.createElement("p"), {
        className: "vs-map-missing",
        textContent: `The sky map cannot be shown: ${error?.message ?? error} The positions stand in the table.`,
      }),
    );
    return;
  }
  for (const [key, row] of rowOf) {
    row.addEventListener("pointerenter", () => map.hover([key]));
    row.addEventListener("pointerleave", () => map.hover([]));
    row.addEventListener("focusin", () => map.hover([key]));
    row.addEventListener("focusout", () => map.hover([]));
  }
  if (form) show();
}

if (place) {
  // Opened when it comes into view: on a narrow screen it stands below the table.
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    openMap();
  });
  watch.observe(place);
}
