// The footprint of one observation.
import { drawMap } from "./lib/skymap.js";

const place = document.getElementById("skymap");
const entries = JSON.parse(document.getElementById("footprints")?.textContent ?? "[]");
if (place && entries.length) {
  drawMap(place, entries).catch((error) => {
    place.replaceChildren(
      Object.assign(document.createElement("p"), {
        className: "vs-map-missing",
        textContent: `The sky map cannot be shown: ${error?.message ?? error} The region stands in the table.`,
      }),
    );
  });
}
