// Aladin Lite, loaded when a map opens and once a page: a large module, served as it is beside this bundle.
let library = null;

/** The module's `A`, initialised.  Rejects where WebGL 2 or WebAssembly is missing. */
export function aladin() {
  library ??= load();
  return library;
}

async function load() {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2");
  if (!context) throw new Error("This browser has no WebGL 2, which the sky map needs.");
  context.getExtension("WEBGL_lose_context")?.loseContext();
  const { default: A } = await import(new URL("./aladin.js", import.meta.url).href);
  await A.init;
  return A;
}

/** Options of a view that asks nothing of other hosts: no survey, a numeric target, no statistics. */
export const OFFLINE = {
  survey: [],
  log: false,
  samp: false,
  cooFrame: "ICRSd",
  showLayersControl: false,
  showSimbadPointerControl: false,
  showShareControl: false,
  showSettingsControl: false,
  showProjectionControl: false,
  showContextMenu: false,
  // Has a box that asks CDS for names.
  showCooLocation: false,
  showFrame: false,
  showStatusBar: false,
};

/** Give names to the controls that Aladin Lite draws without any. */
export function nameControls(place) {
  const names = [
    [".aladin-zoom-in", "Zoom in"],
    [".aladin-zoom-out", "Zoom out"],
  ];
  for (const [selector, name] of names) {
    for (const button of place.querySelectorAll(selector)) button.setAttribute("aria-label", name);
  }
  for (const image of place.querySelectorAll("img:not([alt])")) image.alt = "";
  for (const logo of place.querySelectorAll(".aladin-logo, .aladin-logo-container a")) {
    logo.setAttribute("aria-label", "Aladin Lite");
  }
}
