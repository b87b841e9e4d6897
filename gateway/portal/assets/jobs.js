// The job list: tick all, and follow jobs that are still active.
import { swap } from "./lib/swap.js";

document.addEventListener("change", (event) => {
  const name = event.target.dataset.tickAll;
  if (name) document.querySelectorAll(`input[name="${name}"]`).forEach((box) => (box.checked = event.target.checked));
});

document.addEventListener("submit", (event) => {
  const count = document.querySelectorAll("#job-list input[name=job]:checked").length;
  if (event.submitter?.value !== "delete" || !count) return;
  if (!confirm(`Delete ${count} job${count === 1 ? "" : "s"} with the results?`)) event.preventDefault();
});

/** Ask again while something is active; not while somebody is choosing. */
async function follow() {
  const list = document.getElementById("job-list");
  if (!list?.dataset.active) return;
  const busy = list.querySelector("input[name=job]:checked") || list.contains(document.activeElement) || document.hidden;
  if (!busy) {
    try {
      await swap("job-list", location.href);
    } catch {
      // The next round may reach the server again.
    }
  }
  setTimeout(follow, 3000);
}

setTimeout(follow, 3000);
