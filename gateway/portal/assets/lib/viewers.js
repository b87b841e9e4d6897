// Turns the marked places of a page into viewers; what a viewer needs is loaded when it comes into sight.
//
// <figure data-plot="spectrum|lightcurve" data-json="id of a script element with the numbers">
// <figure data-skyimage="/path/of/image.fits" data-ra="83.6" data-dec="22.0" data-fov="5">

const started = new WeakSet();

async function start(node) {
  if (started.has(node)) return;
  started.add(node);
  const place = node.querySelector("[data-viewer]");
  try {
    if (node.dataset.plot) {
      const { draw } = await import("./plots.js");
      await draw(node, place, JSON.parse(document.getElementById(node.dataset.json).textContent));
    } else {
      const { showImage } = await import("./skyimage.js");
      await showImage(node, place);
    }
  } catch (error) {
    console.warn("viewer", error);
    place.textContent = `The interactive view could not be started (${error.message}). The data can be downloaded.`;
    place.className = "text-secondary p-3";
  }
}

/** Start the viewers inside `root`: plots when they come into sight, sky images when asked for. */
export function activate(root = document) {
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        watcher.unobserve(entry.target);
        start(entry.target);
      }
    },
    { rootMargin: "200px" },
  );
  root.querySelectorAll("[data-plot]").forEach((node) => watcher.observe(node));
  root.querySelectorAll("[data-skyimage]").forEach((node) => {
    const button = node.querySelector("[data-open]");
    if (!button) return watcher.observe(node);
    return button.addEventListener("click", () => ((button.hidden = true), start(node)), { once: true });
  });
}
