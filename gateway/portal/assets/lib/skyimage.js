// A FITS image on Aladin Lite, without any survey behind it: nothing is asked of other hosts.
let library = null;

async function aladin() {
  // One large module that is served as it is; its URL is beside this bundle's.
  library ??= import(new URL("./aladin.js", import.meta.url).href).then(async ({ default: A }) => {
    await A.init;
    return A;
  });
  return library;
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
  const A = await aladin();
  place.replaceChildren();
  place.classList.add("vg-sky");
  const { ra, dec, fov } = node.dataset;
  const view = A.aladin(place, {
    survey: [],
    log: false,
    target: `${ra || 0} ${dec || 0}`,
    fov: Number(fov) || 5,
    cooFrame: "ICRSd",
    showProjectionControl: false,
    showLayersControl: false,
    showSimbadPointerControl: false,
    showShareControl: false,
    showSettingsControl: false,
    showCooGrid: true,
    showContextMenu: false,
    backgroundColor: "#000",
  });
  const settings = { colormap: "inferno", stretch: "linear" };
  const image = A.imageFITS(node.dataset.skyimage, {
    name: node.dataset.name || "image",
    ...settings,
    successCallback: (imageRa, imageDec, imageFov) => {
      if (ra) return;
      view.gotoRaDec(imageRa, imageDec);
      view.setFoV(imageFov * 1.1);
    },
    errorCallback: (error) => (status.textContent = `The image could not be shown: ${error?.message ?? error}`),
  });
  view.setOverlayImageLayer(image, "base");
  const status = document.createElement("span");
  status.className = "small text-secondary";
  status.setAttribute("role", "status");
  const tools = document.createElement("div");
  tools.className = "d-flex flex-wrap gap-3 py-2";
  const update = () => image.setColormap(settings.colormap, { stretch: settings.stretch });
  tools.append(
    choice("Colours", MAPS, settings.colormap, (value) => ((settings.colormap = value), update())),
    choice("Stretch", STRETCHES, settings.stretch, (value) => ((settings.stretch = value), update())),
    status,
  );
  place.after(tools);
  node.aladin = view; // for tests and the console
}
