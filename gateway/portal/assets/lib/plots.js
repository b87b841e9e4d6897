// Spectrum and light curve as plotly figures, from the JSON that the tools write.
import Plotly from "plotly.js-basic-dist-min";

const INK = "#1b2333";
const POINT = "#14213d";
const MODEL = "#b5460f";
const BAND = "rgba(181, 70, 15, 0.16)";
const GRID = "#e3e7ee";
const SPAN = 0.5; // an upper limit's arrow reaches down to this fraction of the limit

const axis = (title, more = {}) => ({
  title: { text: title, standoff: 8 },
  color: INK,
  gridcolor: GRID,
  linecolor: "#8d97ab",
  mirror: true,
  showline: true,
  ticks: "outside",
  ticklen: 4,
  zeroline: false,
  exponentformat: "power",
  ...more,
});

const base = () => ({
  font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: INK },
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "#fff",
  margin: { l: 78, r: 16, t: 12, b: 52 },
  hovermode: "closest",
  legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
});

const config = (name) => ({
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  toImageButtonOptions: { format: "svg", filename: name },
  showTips: false,
});

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Units as people read them: cm-2 s-1 TeV-1 with superscripts. */
export const pretty = (unit) =>
  (unit ?? "").replace(/([A-Za-zµ])\^?(?:\*\*)?(-?\d+)/g, "$1<sup>$2</sup>").replaceAll("-", "−");

/** The unit of E² dN/dE: energy × energy × flux, with one power of the energy cancelled if it can be. */
export function energyFluxUnit(energy, flux) {
  const inverse = new RegExp(`(^|[\\s/.*])${energy}(\\^|\\*\\*)?\\(?-1\\)?(?=$|[\\s.*])`);
  if (inverse.test(flux)) return `${energy} ${flux.replace(inverse, " ").trim().replace(/\s+/g, " ")}`;
  return `${energy}2 ${flux}`;
}

/** Three-digit text of a value for hover boxes. */
const digits = (value) => (isNumber(value) ? value.toExponential(2) : "–");

/** Exact interpolation of a model curve, a straight line in log E and log flux. */
export function modelAt(curve, energy) {
  const { energy: x, dnde: y } = curve;
  const i = x.findIndex((value, index) => index > 0 && value >= energy);
  if (i < 1 || energy < x[0]) return NaN;
  const t = Math.log(energy / x[i - 1]) / Math.log(x[i] / x[i - 1]);
  return Math.exp((1 - t) * Math.log(y[i - 1]) + t * Math.log(y[i]));
}

const EDGES = { e_ref: ["e_min", "e_max"], t: ["t_start_mjd", "t_stop_mjd"] };

/** Widths of the bins, for the first of the three places that a limit's arrow takes. */
function horizontal(points, x) {
  const [low, high] = EDGES[x];
  const bars = horizontalErrors(points, x, low, high);
  const spread = (values) => values.flatMap((value) => [value, 0, 0]);
  return { ...bars, array: spread(bars.array), arrayminus: spread(bars.arrayminus) };
}

function horizontalErrors(points, x, low, high) {
  return {
    type: "data",
    symmetric: false,
    array: points.map((p) => (isNumber(p[high]) ? p[high] - p[x] : 0)),
    arrayminus: points.map((p) => (isNumber(p[low]) ? p[x] - p[low] : 0)),
    thickness: 1.2,
    width: 0,
    color: POINT,
  };
}

/** Upper limits as bars with arrows downwards, in one trace so that the legend switches them together. */
function limits(points, x, value, scale, end, hover) {
  const xs = [], ys = [], symbols = [], texts = [];
  for (const p of points) {
    const y = p[value] * scale(p);
    xs.push(p[x], p[x], null);
    ys.push(y, end(y), null);
    symbols.push("line-ew-open", "triangle-down", "circle");
    texts.push(hover(p), hover(p), "");
  }
  return {
    name: "upper limits", x: xs, y: ys, text: texts, hoverinfo: "text", mode: "lines+markers", type: "scatter",
    line: { color: POINT, width: 1.2 }, marker: { symbol: symbols, size: 9, color: POINT, line: { color: POINT, width: 1.6 } },
    connectgaps: false, error_x: horizontal(points, x),
  };
}

function spectrumTraces(data, asEnergyFlux) {
  const power = (e) => (asEnergyFlux ? e * e : 1);
  const scale = (p) => power(p.e_ref);
  const { curve } = data.model ?? {};
  const traces = [];
  if (curve?.energy?.length) {
    const { energy } = curve;
    const times = (values) => energy.map((e, i) => values[i] * power(e));
    if (curve.dnde_lo && curve.dnde_hi) {
      const [lo, hi] = [times(curve.dnde_lo), times(curve.dnde_hi)];
      traces.push({
        name: "model, 1 σ", x: [...energy, ...[...energy].reverse()], y: [...hi, ...lo.reverse()], type: "scatter",
        fill: "toself", fillcolor: BAND, line: { width: 0, color: MODEL }, hoverinfo: "skip", mode: "lines",
      });
    }
    traces.push({
      name: data.model.name ? `model: ${data.model.name}` : "model", x: energy, y: times(curve.dnde), type: "scatter", mode: "lines",
      line: { color: MODEL, width: 2 }, hovertemplate: "%{x:.3g}: %{y:.3e}<extra>model</extra>",
    });
  }
  const measured = (data.points ?? []).filter((p) => !p.is_ul && isNumber(p.dnde) && p.dnde > 0);
  const upper = (data.points ?? []).filter((p) => p.is_ul && isNumber(p.dnde_ul));
  if (measured.length) {
    traces.push({
      name: "flux points", x: measured.map((p) => p.e_ref), y: measured.map((p) => p.dnde * scale(p)), type: "scatter", mode: "markers",
      marker: { color: POINT, size: 7 },
      error_y: {
        type: "data", symmetric: false, thickness: 1.2, width: 3, color: POINT,
        array: measured.map((p) => (p.dnde_errp ?? p.dnde_err ?? 0) * scale(p)),
        // A bar that reaches zero has no place on a logarithmic axis: it ends at 1 % of the value.
        arrayminus: measured.map((p) => Math.min(p.dnde_errn ?? p.dnde_err ?? 0, 0.99 * p.dnde) * scale(p)),
      },
      error_x: horizontalErrors(measured, "e_ref", "e_min", "e_max"),
      text: measured.map((p) => `${p.e_ref.toPrecision(3)} ${data.energy_unit}<br>${digits(p.dnde * scale(p))}<br>√TS ${isNumber(p.sqrt_ts) ? p.sqrt_ts.toFixed(1) : "–"}`),
      hoverinfo: "text",
    });
  }
  if (upper.length) {
    traces.push(limits(upper, "e_ref", "dnde_ul", scale, (y) => y * SPAN, (p) => `${p.e_ref.toPrecision(3)} ${data.energy_unit}<br>< ${digits(p.dnde_ul * scale(p))}`));
  }
  return traces;
}

/** (point − model) / error, as a second panel. */
function residualTrace(data) {
  const points = (data.points ?? []).filter((p) => !p.is_ul && isNumber(p.dnde));
  const values = points.map((p) => {
    const difference = p.dnde - modelAt(data.model.curve, p.e_ref);
    return difference / (difference > 0 ? (p.dnde_errn ?? p.dnde_err) : (p.dnde_errp ?? p.dnde_err));
  });
  return {
    name: "residuals", x: points.map((p) => p.e_ref), y: values, yaxis: "y2", type: "scatter", mode: "markers", showlegend: false,
    marker: { color: POINT, size: 6 }, error_y: { type: "constant", value: 1, thickness: 1.2, width: 3, color: POINT },
    error_x: horizontalErrors(points, "e_ref", "e_min", "e_max"), hovertemplate: "%{x:.3g}: %{y:.1f} σ<extra></extra>",
  };
}

// 1, 2 and 5 of every decade, written out: Plotly's own labels between the decades are bare digits.
const ENERGY_TICKS = (() => {
  const values = [];
  for (let decade = -9; decade <= 9; decade += 1) for (const digit of [1, 2, 5]) values.push(Number(`${digit}e${decade}`));
  return { tickmode: "array", tickvals: values, ticktext: values.map((v) => (v < 1e-3 || v > 1e4 ? v.toExponential(0) : String(v))) };
})();

function drawSpectrum(node, place, data) {
  const chosen = (name) => node.querySelector(`[name="${name}"]:checked`)?.value;
  const render = () => {
    const asEnergyFlux = chosen(`${place.id}-quantity`) === "e2dnde";
    const residuals = Boolean(chosen(`${place.id}-residuals`)) && data.model?.curve;
    const unit = asEnergyFlux ? energyFluxUnit(data.energy_unit, data.flux_unit) : data.flux_unit;
    const layout = {
      ...base(),
      xaxis: axis(`Energy (${pretty(data.energy_unit)})`, { type: "log", ...ENERGY_TICKS, anchor: residuals ? "y2" : "y" }),
      yaxis: axis(`${asEnergyFlux ? "E<sup>2</sup> dN/dE" : "dN/dE"} (${pretty(unit)})`, {
        type: "log", dtick: 1, domain: residuals ? [0.3, 1] : [0, 1],
      }),
    };
    const traces = spectrumTraces(data, asEnergyFlux);
    if (residuals) {
      traces.push(residualTrace(data));
      layout.yaxis2 = axis("Δ / σ", { domain: [0, 0.23], zeroline: true, zerolinecolor: MODEL });
    }
    return Plotly.react(place, traces, layout, config(node.dataset.name || "spectrum"));
  };
  node.querySelectorAll("input").forEach((input) => input.addEventListener("change", render));
  return render();
}

/** MJD as a calendar date for hover boxes (the scale is the light curve's own). */
const calendar = (mjd) => new Date((mjd - 40587) * 86400000).toISOString().slice(0, 16).replace("T", " ");

function drawLightCurve(node, place, data) {
  const points = (data.points ?? []).map((p) => ({ ...p, t: (p.t_start_mjd + p.t_stop_mjd) / 2 }));
  const measured = points.filter((p) => !p.is_ul && isNumber(p.flux));
  const upper = points.filter((p) => p.is_ul && isNumber(p.flux_ul));
  const scale = data.time_scale ? ` ${data.time_scale.toUpperCase()}` : "";
  // One power of ten for all values: the axis carries it in its title.
  const largest = Math.max(...measured.map((p) => Math.abs(p.flux)), ...upper.map((p) => p.flux_ul));
  const exponent = largest > 0 && (largest < 1e-2 || largest >= 1e4) ? Math.floor(Math.log10(largest)) : 0;
  const unitOf = (value) => value / 10 ** exponent;
  const scaled = () => 10 ** -exponent;
  const hover = (p, value) => `${p.obs_id ? `${p.obs_id}<br>` : ""}${calendar(p.t)}${scale}<br>${value}`;
  const traces = [
    {
      name: "flux", x: measured.map((p) => p.t), y: measured.map((p) => unitOf(p.flux)), type: "scatter", mode: "markers", marker: { color: POINT, size: 7 },
      error_y: {
        type: "data", symmetric: false, array: measured.map((p) => unitOf(p.flux_errp ?? p.flux_err ?? 0)),
        arrayminus: measured.map((p) => unitOf(p.flux_errn ?? p.flux_err ?? 0)), thickness: 1.2, width: 3, color: POINT },
      error_x: horizontalErrors(measured, "t", "t_start_mjd", "t_stop_mjd"),
      text: measured.map((p) => hover(p, `${digits(p.flux)} ± ${digits(p.flux_err)}`)), hoverinfo: "text",
    },
  ];
  if (upper.length) {
    traces.push(limits(upper, "t", "flux_ul", scaled, (y) => y - 0.08 * unitOf(largest), (p) => hover(p, `< ${digits(p.flux_ul)}`)));
  }
  const { mean, mean_err: error } = data.constant ?? {};
  if (isNumber(mean) && points.length) {
    const ends = [Math.min(...points.map((p) => p.t_start_mjd)), Math.max(...points.map((p) => p.t_stop_mjd))];
    const y = unitOf(mean);
    if (isNumber(error)) {
      const [low, high] = [y - unitOf(error), y + unitOf(error)];
      traces.unshift({
        name: "mean, 1 σ", x: [...ends, ends[1], ends[0]], y: [high, high, low, low], type: "scatter", mode: "lines", fill: "toself",
        fillcolor: BAND, line: { width: 0, color: MODEL }, hoverinfo: "skip",
      });
    }
    traces.push({ name: "mean flux", x: ends, y: [y, y], type: "scatter", mode: "lines", line: { color: MODEL, width: 2 }, hoverinfo: "skip" });
  }
  const power = exponent ? `10<sup>${String(exponent).replace("-", "−")}</sup> ` : "";
  const layout = {
    ...base(),
    showlegend: traces.length > 1,
    xaxis: axis(`Time (MJD${scale})`, { exponentformat: "none", separatethousands: false, tickformat: "~f" }),
    yaxis: axis(`Flux (${power}${pretty(data.flux_unit)})`, { rangemode: "tozero" }),
  };
  return Plotly.react(place, traces, layout, config(node.dataset.name || "lightcurve"));
}

/** Draw the figure of `node` into `place` and give it a description for those who cannot see it. */
export async function draw(node, place, data) {
  const kinds = { spectrum: drawSpectrum, lightcurve: drawLightCurve };
  place.replaceChildren();
  await kinds[node.dataset.plot](node, place, data);
}
