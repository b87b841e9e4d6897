// Footprints of observations on a sky without a survey behind it: outlines, centres, a graticule.
import { OFFLINE, aladin, nameControls } from "./aladin.js";

const LINE = "#4aa3ff";
const PICKED = "#ffb454";
const HOVERED = "#ffffff";
const SEARCHED = "#ff8a5c";
const RAD = Math.PI / 180;

function vector(ra, dec) {
  return [Math.cos(dec * RAD) * Math.cos(ra * RAD), Math.cos(dec * RAD) * Math.sin(ra * RAD), Math.sin(dec * RAD)];
}

function separation(a, b) {
  const cross = Math.hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]);
  return Math.atan2(cross, a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / RAD;
}

function outlinePoints(outline) {
  return outline.shape === "polygon" ? outline.points : [[outline.ra, outline.dec]];
}

/** Centre and field of view, in degrees, that show all entries; the whole sky where they are far apart. */
export function frameOf(entries) {
  const points = entries.flatMap((entry) =>
    entry.outlines.flatMap((outline) =>
      outlinePoints(outline).map(([ra, dec]) => ({ at: vector(ra, dec), margin: outline.radius ?? 0 })),
    ),
  );
  if (!points.length) return { ra: 0, dec: 0, fov: 180 };
  const sum = points.reduce((total, { at }) => total.map((x, i) => x + at[i]), [0, 0, 0]);
  const length = Math.hypot(...sum);
  const middle = length > 1e-6 ? sum.map((x) => x / length) : points[0].at;
  const reach = Math.max(...points.map(({ at, margin }) => separation(middle, at) + margin));
  const ra = ((Math.atan2(middle[1], middle[0]) / RAD) + 360) % 360;
  return { ra, dec: Math.asin(Math.max(-1, Math.min(1, middle[2]))) / RAD, fov: Math.max(reach * 2.3, 0.05) };
}

/**
 * Draw `entries` ([{key, title, ra, dec, outlines: [{shape, ...}]}]) in `place`, and the circle that was
 * `searched`, if one was.
 *
 * `onhover(keys)` and `onpick(keys)` are called with the keys under the pointer, nearest centre first.
 * Returns {hover(keys), pick(keys)} to light entries up from outside.
 */
export async function drawMap(place, entries, { searched = null, onhover = () => {}, onpick = () => {} } = {}) {
  const A = await aladin();
  const frame = frameOf(searched ? [...entries, { outlines: [{ shape: "circle", ...searched }] }] : entries);
  const whole = frame.fov > 150;
  place.replaceChildren();
  const view = A.aladin(place, {
    ...OFFLINE,
    target: `${frame.ra} ${whole ? 0 : frame.dec}`,
    // The field of view is that of the width; a map that is wider than high needs more of it.
    fov: whole ? 360 : frame.fov * Math.max(1, place.clientWidth / place.clientHeight),
    projection: whole ? "AIT" : "TAN",
    showCooGrid: true,
    gridColor: "rgb(180, 195, 225)",
    gridOpacity: 0.7,
    gridOptions: { enabled: true, showLabels: true, thickness: 0.3, labelSize: 13 },
    showReticle: false,
    showFullscreenControl: false,
    backgroundColor: "rgb(13, 21, 40)",
    pixelateCanvas: false,
  });
  // Overlays drawn later lie on top.
  const outlines = A.graphicOverlay({ name: "footprints", color: LINE, lineWidth: 1.5 });
  const picked = A.graphicOverlay({ name: "selected", color: PICKED, lineWidth: 2.5 });
  const hovered = A.graphicOverlay({ name: "under the pointer", color: HOVERED, lineWidth: 3 });
  for (const overlay of [outlines, picked, hovered]) view.addOverlay(overlay);
  const centres = A.catalog({ name: "centres", shape: "circle", color: LINE, sourceSize: 9, onClick: undefined });
  view.addCatalog(centres);

  const shape = (outline, options) =>
    outline.shape === "polygon"
      ? A.polygon(outline.points, options)
      : outline.shape === "circle"
        ? A.circle(outline.ra, outline.dec, outline.radius, options)
        : null;
  const draw = (overlay, chosen, options) => {
    overlay.removeAll();
    for (const entry of chosen) {
      for (const outline of entry.outlines) {
        const item = shape(outline, options);
        if (item) overlay.add(item);
      }
    }
  };
  draw(outlines, entries, { color: LINE, lineWidth: 1.5 });
  centres.addSources(
    entries
      .filter((entry) => Number.isFinite(entry.ra) && Number.isFinite(entry.dec))
      .map((entry) => A.source(entry.ra, entry.dec, { key: entry.key })),
  );

  if (searched) {
    const circle = A.graphicOverlay({ name: "searched", color: SEARCHED, lineWidth: 2, lineDash: [6, 4] });
    view.addOverlay(circle);
    circle.add(A.circle(searched.ra, searched.dec, searched.radius, { color: SEARCHED, lineWidth: 2 }));
    const target = A.catalog({ name: "target", shape: "cross", color: SEARCHED, sourceSize: 14 });
    view.addCatalog(target);
    target.addSources([A.source(searched.ra, searched.dec, {})]);
  }

  const byKey = new Map(entries.map((entry) => [entry.key, entry]));
  const chosen = (keys) => keys.map((key) => byKey.get(key)).filter(Boolean);

  /** Keys of the entries whose outline holds the point, the nearest centre first. */
  const under = (ra, dec) => {
    const at = vector(ra, dec);
    return entries
      .map((entry) => ({ key: entry.key, away: separation(at, vector(entry.ra, entry.dec)), entry }))
      .filter(({ entry, away }) => entry.outlines.some((outline) => holds(outline, at, away)))
      .sort((a, b) => a.away - b.away)
      .map(({ key }) => key);
  };
  const canvas = place.querySelector(".aladin-catalogCanvas") ?? place;
  const pointed = (event) => {
    const box = canvas.getBoundingClientRect();
    const world = view.pix2world(event.clientX - box.left, event.clientY - box.top);
    return world && Number.isFinite(world[0]) ? under(world[0], world[1]) : [];
  };
  let last = "";
  const hover = (keys) => draw(hovered, chosen(keys), { color: HOVERED, lineWidth: 3 });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) return;
    const keys = pointed(event).slice(0, 1);
    if (keys.join() === last) return;
    last = keys.join();
    hover(keys);
    onhover(keys);
  });
  canvas.addEventListener("pointerleave", () => {
    last = "";
    hover([]);
    onhover([]);
  });
  // A drag moves the sky; only a press and release at one place is a click.
  let pressed = null;
  canvas.addEventListener("pointerdown", (event) => (pressed = [event.clientX, event.clientY]));
  canvas.addEventListener("pointerup", (event) => {
    const still = pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) < 4;
    pressed = null;
    if (still) onpick(pointed(event));
  });
  nameControls(place);
  place.aladin = view; // for tests and the console
  return {
    hover,
    pick: (keys) => draw(picked, chosen(keys), { color: PICKED, lineWidth: 2.5 }),
    centre: (key) => {
      const entry = byKey.get(key);
      if (entry) view.gotoRaDec(entry.ra, entry.dec);
    },
  };
}

function holds(outline, at, away) {
  if (outline.shape === "circle") return separation(at, vector(outline.ra, outline.dec)) <= outline.radius;
  if (outline.shape === "polygon") return insidePolygon(outline.points, at);
  return away < 0.2;
}

/** Whether a direction lies in a spherical polygon smaller than a hemisphere, by its winding on the tangent plane. */
function insidePolygon(points, at) {
  const up = Math.abs(at[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0];
  const east = cross(up, at);
  const north = cross(at, east);
  let turns = 0;
  let before = null;
  for (const [ra, dec] of [...points, points[0]]) {
    const v = vector(ra, dec);
    const angle = Math.atan2(dot(v, north), dot(v, east));
    if (before !== null) turns += Math.atan2(Math.sin(angle - before), Math.cos(angle - before));
    before = angle;
  }
  const near = points.some(([ra, dec]) => dot(vector(ra, dec), at) > 0);
  return near && Math.abs(turns) > Math.PI;
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
