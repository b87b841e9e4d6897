// A FITS image on Aladin Lite, without any survey behind it: nothing is asked of other hosts.
import { OFFLINE, aladin, nameControls } from "./aladin.js";

/** The file as a blob URL: where Aladin Lite itself fails to fetch, it would ask a proxy on another host. */
async function download(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the image could not be read (${response.status})`);
  return URL.createObjectURL(await response.blob());
}

const MAPS = ["inferno", "viridis", "grayscale", "magma", "cubehelix", "redtemperature"];
const STRETCHES = ["linear", "sqrt", "log", "asinh"];

function choice(label, values, value, onchange) {
  const select = document.createElement("select");
  select.className = "form-select form-select-sm w-auto";
  select.append(...values.map((one) => new Option(one, one, one === value, one === value)));
  select.addEventListener("change", () => onchange(select.value));
  const wrap = document.createElement("label");
  wrap.className = "d-inline-flex align-items-center gap-2 small";
  wrap.append(label, select);
  return wrap;
}

/** Show the image of `node.dataset.skyimage` in `place`, centred on its own WCS. */
export async function showImage(node, place) {
  place.textContent = "Loading the image …";
  const [A, image] = await Promise.all([aladin(), download(node.dataset.skyimage)]);
  place.replaceChildren();
  place.classList.add("vg-sky");
  const { ra, dec, fov, min, max } = node.dataset;
  const view = A.aladin(place, {
    ...OFFLINE,
    target: `${ra || 0} ${dec || 0}`,
    // The field of view is that of the width; the image has to fit the height too.
    fov: (Number(fov) || 5) * Math.max(1, place.clientWidth / (place.clientHeight || place.clientWidth)),
    showReticle: false,
    showCooGrid: true,
    gridColor: "rgb(190, 205, 235)",
    gridOpacity: 0.6,
    gridOptions: { enabled: true, showLabels: true, thickness: 0.3, labelSize: 12 },
    backgroundColor: "rgb(13, 21, 40)",
  });
  const settings = { colormap: "inferno", stretch: "linear" };
  const layer = A.image(image, {
    name: node.dataset.name || "image",
    imgFormat: "fits",
    ...settings,
    ...(min && max ? { minCut: Number(min), maxCut: Number(max) } : {}),
    successCallback: (imageRa, imageDec, imageFov) => {
      URL.revokeObjectURL(image);
      if (ra) return;
      view.gotoRaDec(imageRa, imageDec);
      view.setFoV(imageFov * 1.1);
    },
    errorCallback: (error) => (status.textContent = `The image could not be shown: ${error?.message ?? error}`),
  });
  view.setOverlayImageLayer(layer, "base");
  const status = document.createElement("span");
  status.className = "small text-secondary";
  status.setAttribute("role", "status");
  const tools = document.createElement("div");
  tools.className = "d-flex flex-wrap gap-3 py-2";
  const update = () => layer.setColormap(settings.colormap, { stretch: settings.stretch });
  tools.append(
    choice("Colours", MAPS, settings.colormap, (value) => ((settings.colormap = value), update())),
    choice("Stretch", STRETCHES, settings.stretch, (value) => ((settings.stretch = value), update())),
    status,
  );
  place.after(tools);
  nameControls(place);
  place.querySelectorAll("button:not([aria-label])").forEach((button) => {
    if (!button.textContent.trim()) button.setAttribute("aria-label", "Full screen");
  });
  const position = document.createElement("output");
  position.className = "small vg-mono ms-auto";
  tools.append(position);
  view.on("mouseMove", (where) => {
    if (where?.ra !== undefined) position.textContent = `${where.ra.toFixed(4)}° ${where.dec >= 0 ? "+" : "−"}${Math.abs(where.dec).toFixed(4)}°`;
  });
  node.aladin = view; // for tests and the console
}
