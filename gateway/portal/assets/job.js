// The job page: follows phase, progress and log; when the phase changes, the page is fetched anew.
import { startSamp } from "./lib/samp-menu.js";
import { swap } from "./lib/swap.js";
import { activate } from "./lib/viewers.js";

const FAST_MS = 1000;
const SLOW_MS = 5000; // while nobody looks, and after failures
let failures = 0;

const job = () => document.getElementById("job");
const part = (id) => document.getElementById(id);

/** The same words as the server's: 8.2 s, 3 min 20 s. */
export function durationText(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  let rest = Math.round(seconds);
  const parts = [];
  for (const [unit, size] of [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) parts.push(`${count} ${unit}${unit === "day" && count > 1 ? "s" : ""}`);
  }
  return parts.slice(0, 2).join(" ");
}

let started = null; // performance.now() at the attempt's start, by the server's clock

function tick() {
  const place = part("run-time");
  if (place?.dataset.since && started !== null) place.textContent = durationText((performance.now() - started) / 1000);
}

function showLog(state) {
  const log = part("log");
  if (!log || !state.log) return;
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  if (log.dataset.next === "0") log.textContent = "";
  log.append(state.log);
  log.dataset.next = state.log_next;
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function show(state) {
  started = state.phase === "EXECUTING" && state.run_time !== null ? performance.now() - 1000 * state.run_time : null;
  const [bar, progress, status] = [part("bar"), part("progress"), part("status")];
  if (bar && state.progress !== null) {
    const percent = Math.round(100 * state.progress);
    bar.className = "progress-bar";
    bar.style.width = `${percent}%`;
    progress.setAttribute("aria-valuenow", percent);
  }
  if (status && status.textContent !== state.status) status.textContent = state.status;
  showLog(state);
}

async function refresh(state) {
  await swap("job", location.href);
  const log = part("log");
  if (log) log.scrollTop = log.scrollHeight;
  activate(job());
  part("announce").textContent = `The job is ${state.phase.toLowerCase()}.`;
}

async function poll() {
  const page = job();
  if (!page?.dataset.active) return;
  let pause = document.hidden ? SLOW_MS : FAST_MS;
  try {
    const response = await fetch(`${page.dataset.stateUrl}?log=${part("log").dataset.next}`, { cache: "no-store" });
    if (response.status === 404 || response.status === 403) return location.reload();
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const state = await response.json();
    failures = 0;
    part("connection").textContent = "";
    if (state.phase !== page.dataset.phase || String(state.attempt) !== page.dataset.attempt) await refresh(state);
    else show(state);
  } catch (error) {
    failures += 1;
    pause = Math.min(SLOW_MS * failures, 30000);
    const line = part("connection");
    if (line) line.textContent = `The connection is interrupted (${error.message}); trying again.`;
  }
  setTimeout(poll, pause);
}

startSamp();
activate();
const log = part("log");
if (log) log.scrollTop = log.scrollHeight;
setInterval(tick, 200);
if (job()?.dataset.active) poll();
