// The tool form: fields that depend on others, and scripts that follow what is typed.
const form = document.getElementById("tool-form");

function valueOf(name) {
  const nodes = [...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)].filter((node) => node.type !== "hidden");
  const choice = nodes.find((node) => node.type === "radio" || node.type === "checkbox");
  if (!choice) return nodes[0]?.value ?? "";
  if (choice.type === "checkbox" && nodes.length === 1) return String(choice.checked);
  return nodes.find((node) => node.checked)?.value ?? "";
}

/** Hide what does not apply; its values are not sent. */
function showApplicable() {
  for (const field of form.querySelectorAll("[data-when]")) {
    const applies = JSON.parse(field.dataset.when).every(([name, allowed]) => allowed.includes(valueOf(name)));
    field.hidden = !applies;
    field.querySelectorAll("input, select, textarea").forEach((input) => (input.disabled = !applies));
  }
}

const LONGEST_ADDRESS = 7000; // proxies refuse lines of 8 kB
let timer;

async function updateScripts() {
  // `form.action` would be the buttons of that name.
  const data = new FormData(form);
  data.set("action", "script");
  for (const [name, value] of [...data]) if (value instanceof File) data.delete(name); // files go with the run alone
  try {
    const response = await fetch(form.getAttribute("action"), { method: "POST", body: data, headers: { Accept: "application/json" } });
    if (!response.ok) return;
    const { html, address } = await response.json();
    if (address.length <= LONGEST_ADDRESS) history.replaceState(history.state, "", address);
    const place = document.getElementById("scripts");
    const open = [...place.querySelectorAll("details")].map((one) => one.open);
    place.innerHTML = html; // rendered and escaped by the server
    place.querySelectorAll("details").forEach((one, index) => (one.open = open[index] ?? false));
  } catch {
    // The button without script remains a way.
  }
}

form.addEventListener("input", (event) => {
  showApplicable();
  if (event.target.name?.startsWith("add-")) return;
  clearTimeout(timer);
  timer = setTimeout(updateScripts, 500);
});

// Enter in the "add" field adds; anywhere else it runs.
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.name?.startsWith("add-")) {
    event.preventDefault();
    event.target.parentElement.querySelector("button").click();
  }
});

// A second click while the first is on its way would make a second job.
form.addEventListener("submit", (event) => {
  if (event.submitter?.value !== "run") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => delete form.dataset.sent);

showApplicable();
document.querySelector("[data-script-update]")?.setAttribute("hidden", "");
document.getElementById("faults")?.focus();
