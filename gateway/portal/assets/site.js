// What every page has: menus, copy buttons, confirmations.
import "bootstrap/js/dist/collapse";
import "bootstrap/js/dist/dropdown";
import { copyText } from "./lib/clipboard.js";

const labels = new WeakMap(); // a second click must not take "Copied" for the button's own words

/** Copy the text of an element, or a given text, and say so. */
async function copy(button) {
  const source = button.dataset.copyFrom ? document.querySelector(button.dataset.copyFrom) : null;
  const text = (source ? (source.value ?? source.textContent) : button.dataset.copy).trim();
  if (!labels.has(button)) labels.set(button, button.textContent);
  button.textContent = (await copyText(text)) ? "Copied" : "Not copied";
  setTimeout(() => (button.textContent = labels.get(button)), 1600);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (button) copy(button);
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// What was typed is in the address by now: whoever signs in in the middle of it comes back to it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-sign-in]");
  if (link) link.search = `?${new URLSearchParams({ next: location.pathname + location.search })}`;
});

document.documentElement.classList.add("has-js");
