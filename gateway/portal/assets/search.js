// The search form writes its ADQL while it is filled in; without this script the buttons do the same.
import { openEditor } from "./lib/adql-editor.js";

const form = document.getElementById("search-form");
const textarea = document.getElementById("adql");
const note = document.getElementById("edited-note");
const rows = document.getElementById("rows");
const same = (a, b) => a.replace(/\r\n/g, "\n").trim() === b.replace(/\r\n/g, "\n").trim();
const isEdited = () => textarea.value.trim() !== "" && !same(textarea.value, form.elements.basis.value);
const showEdited = () => note.classList.toggle("d-none", !isEdited());

let schema = {};
try {
  schema = JSON.parse(document.getElementById("adql-schema")?.textContent ?? "{}");
} catch {
  // Completion is a convenience.
}
const editor = openEditor(document.getElementById("editor"), textarea, {
  schema,
  labelledby: "adql-title",
  onedit: showEdited,
});
form.editor = editor; // for tests and the console

/** The form as the query string that the server understands. */
function state() {
  const data = new FormData(form);
  const pairs = [...data].filter(([name]) => !["csrfmiddlewaretoken", "basis", "adql", "action"].includes(name));
  return new URLSearchParams(pairs);
}

function say(id, text) {
  const node = document.getElementById(id);
  if (node && node.textContent !== text) node.textContent = text;
}

function invalid(input, wrong) {
  if (!input) return;
  input.classList.toggle("is-invalid", wrong);
  if (wrong) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

let running = null;

/** Ask the server to read the form: what it writes, and what is wrong, field by field. */
async function update() {
  running?.abort();
  const control = (running = new AbortController());
  let answer;
  try {
    const response = await fetch(`${form.dataset.adqlUrl}?${state()}`, { signal: control.signal });
    if (!response.ok) return;
    answer = await response.json();
  } catch {
    return; // the buttons still work
  }
  for (const box of form.querySelectorAll(".vs-messages")) {
    const name = box.id.replace(/-message$/, "");
    box.querySelector(".vs-error").textContent = answer.errors[name] ?? "";
    box.querySelector(".vs-note").textContent = answer.notes[name] ?? "";
    invalid(document.getElementById(name), name in answer.errors);
  }
  [...rows.children].forEach((row, index) => {
    const error = answer.rows[index] ?? "";
    row.querySelector(".vs-error").textContent = error;
    invalid(row.querySelector("input"), Boolean(error));
  });
  document.getElementById("target-note").innerHTML = answer.position; // rendered and escaped by the server
  document.getElementById("error-summary")?.remove();
  if (answer.adql !== null) {
    const untouched = !isEdited();
    form.elements.basis.value = answer.adql;
    if (untouched) editor.set(answer.adql);
    showEdited();
  }
  history.replaceState(null, "", answer.query ? `${form.dataset.searchUrl}?${answer.query}` : form.dataset.searchUrl);
}

form.addEventListener("change", (event) => {
  if (event.target.closest(".vs-adql")) return;
  if (event.target.name === "field") showHelp(event.target);
  update();
});

function showHelp(select) {
  const option = select.selectedOptions[0];
  select.closest(".vs-row").querySelector(".vs-help").textContent = option?.dataset.help ?? "";
}

document.getElementById("add-row")?.addEventListener("click", () => {
  const number = rows.children.length + 1;
  const row = rows.lastElementChild.cloneNode(true);
  for (const node of row.querySelectorAll("[id], [for], [aria-describedby]")) {
    for (const name of ["id", "for", "aria-describedby"]) {
      const value = node.getAttribute(name);
      if (value) node.setAttribute(name, value.replace(/-\d+/, `-${number}`));
    }
    if (node.matches("label")) node.textContent = node.textContent.replace(/\d+$/, number);
    if (node.matches("input")) {
      node.value = "";
      invalid(node, false);
    }
    if (node.matches("select")) node.selectedIndex = 0;
  }
  for (const text of row.querySelectorAll(".vs-help, .vs-error")) text.textContent = "";
  rows.append(row);
  row.querySelector("select").focus();
});

rows.querySelectorAll("select[name=field]").forEach(showHelp);
