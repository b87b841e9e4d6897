// The SAMP web profile as promises: one registration per browser tab, kept across page loads.
//
// sampjs is written for plain scripts: its Connection.close() assigns to an undeclared variable when an
// onclose handler is set, which throws in a module.  So only Connection, Message, ping and register are used.
import { samp } from "sampjs";

const STORE = "vogate.samp";
const PING_MS = 4000;
const ANSWER_S = 60;
const CONSENT_MS = 120000; // a person has to find and answer the hub's dialog

/** No hub answered, or it refused; `reason` is "absent", "refused" or "lost". */
export class HubError extends Error {
  constructor(reason, message) {
    super(message);
    this.reason = reason;
  }
}

let connection = null;

const SPELT = { "·": "-", "–": "-", "—": "-", "−": "-", "×": "x", "…": "...", "±": "+-", "°": " deg", "√": "sqrt ", "σ": "sigma" };

/** SAMP strings hold ASCII alone (SAMP 1.3, section 3.3); hubs refuse a message with anything else. */
export function ascii(value) {
  if (typeof value !== "string") {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [ascii(name), ascii(one)]));
  }
  return value
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^\x00-\x7f]/g, (character) => SPELT[character] ?? character)
    .replace(/[^\x20-\x7e\t\n\r]/g, "?");
}

function within(milliseconds, start, late) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), milliseconds);
    start(
      (value) => (clearTimeout(timer), resolve(value)),
      (error) => (clearTimeout(timer), reject(error)),
    );
  });
}

/** Call a hub method; sampjs never answers when the hub's status is not 200, hence the time limit. */
function call(conn, method, args, milliseconds = 10000) {
  return within(
    milliseconds,
    (done, failed) => conn[method](args, done, (fault) => failed(new Error(fault?.faultString ?? String(fault)))),
    () => new Error(`The hub did not answer ${method}.`),
  );
}

export function hubIsRunning() {
  return within(PING_MS, (done) => samp.ping(done), () => new Error("late")).catch(() => false);
}

function remember(conn) {
  connection = conn;
  try {
    if (conn) sessionStorage.setItem(STORE, JSON.stringify(conn.regInfo));
    else sessionStorage.removeItem(STORE);
  } catch {
    // Storage may be switched off; then every page registers anew.
  }
}

function remembered() {
  try {
    const info = JSON.parse(sessionStorage.getItem(STORE));
    return info ? new samp.Connection(info) : null;
  } catch {
    return null;
  }
}

/** A connection to the hub: the one this tab has, or a new registration (for which the hub asks its user). */
export async function connect(metadata, onconsent = () => {}) {
  const known = connection ?? remembered();
  if (known) {
    try {
      // `ping` would succeed with a dead key too.
      await call(known, "getRegisteredClients", []);
      connection = known;
      return known;
    } catch {
      remember(null);
    }
  }
  if (!(await hubIsRunning())) throw new HubError("absent", "No SAMP hub is running on this computer.");
  onconsent();
  const conn = await within(
    CONSENT_MS,
    (done, failed) => samp.register(ascii(metadata["samp.name"]), done, failed),
    () => new HubError("refused", "The SAMP hub did not answer."),
  ).catch((error) => {
    throw error instanceof HubError ? error : new HubError("refused", "The SAMP hub refused the connection.");
  });
  remember(conn);
  await call(conn, "declareMetadata", [ascii(metadata)]);
  return conn;
}

export function isConnected() {
  return Boolean(connection ?? remembered());
}

export function disconnect() {
  const conn = connection ?? remembered();
  if (conn) conn.close();
  remember(null);
}

/** The clients that take at least one of the message types: [{id, name, about, mtypes}], by name. */
export async function clientsFor(conn, mtypes) {
  const clients = new Map();
  for (const mtype of mtypes) {
    for (const id of Object.keys(await call(conn, "getSubscribedClients", [mtype]))) {
      if (!clients.has(id)) clients.set(id, { id, mtypes: new Set() });
      clients.get(id).mtypes.add(mtype);
    }
  }
  await Promise.all(
    [...clients.values()].map(async (client) => {
      const meta = await call(conn, "getMetadata", [client.id]).catch(() => ({}));
      client.name = meta["samp.name"] || client.id;
      client.about = meta["samp.description.text"] || "";
    }),
  );
  return [...clients.values()].sort((a, b) => a.name.localeCompare(b.name));
}

/**
 * Send to one client and wait until it has taken the data; returns its remark if it has one.
 *
 * Aladin 12 often loads the data and never answers: silence is a HubError with the reason "silent", not a failure.
 */
export async function sendTo(conn, id, mtype, params) {
  const message = new samp.Message(mtype, ascii(params));
  const silent = () => new HubError("silent", "no answer came");
  const answer = await call(conn, "callAndWait", [id, message, String(ANSWER_S)], ANSWER_S * 1000 + 10000).catch((error) => {
    throw /time.?out/i.test(error.message) ? silent() : error;
  });
  const remark = answer["samp.error"]?.["samp.errortxt"] ?? "";
  if (answer["samp.status"] === "samp.error") throw new Error(remark || "it did not load the data");
  return remark;
}

/** Send to one client without waiting for what it makes of it. */
export function notify(conn, id, mtype, params) {
  return call(conn, "notify", [id, new samp.Message(mtype, ascii(params))]);
}
