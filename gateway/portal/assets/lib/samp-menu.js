// The menu of a send button, and the line that says what became of a message.
import { HubError, clientsFor, connect, disconnect, isConnected, notify, sendTo } from "./samp-hub.js";
import { copyText } from "./clipboard.js";
import { shareable } from "./signed.js";

const KINDS = { "table.load.votable": "table", "table.load.fits": "table", "image.load.fits": "image" };
const PATIENCE_MS = 8000; // after that a person wonders what is going on
const FORMATS = { fits: "application/fits", xml: "application/x-votable+xml", vot: "application/x-votable+xml" };

// Bootstrap's .dropdown-menu has a keyboard of its own, which knows nothing of this menu.
const STYLE = `
.vg-samp { padding: 0.35rem 0; background: #fff; color: #1b2333; border: 1px solid #aab3c5; border-radius: 0.4rem;
  box-shadow: 0 0.5rem 1.2rem rgb(20 33 61 / 20%); position: fixed; margin: 0; inset: auto; max-height: 60vh; overflow-y: auto; }
.vg-samp:not(:popover-open) { display: none; }
.vg-samp button { display: block; width: 100%; border: 0; background: none; color: inherit; text-align: start; padding: 0.35rem 0.9rem; }
.vg-samp button:hover, .vg-samp button:focus { background: #e8ecf4; }
.vg-samp button:focus-visible { outline-offset: -3px; }
.vg-samp small { display: block; color: #4d5870; }
.vg-samp p { margin: 0; padding: 0.25rem 0.9rem; font-size: 0.875rem; }
.vg-samp hr { margin: 0.3rem 0; }
.vg-samp-status { position: fixed; right: 1rem; bottom: 1rem; left: 1rem; z-index: 1080; pointer-events: none; }
.vg-samp-status div { margin: 0 0 0 auto; max-width: 32rem; width: fit-content; pointer-events: auto; }
`;

let menu, status, current;
let pressed = null; // the button of the open menu, while it is pressed

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.addEventListener("click", value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function say(text, problem = false) {
  if (!status) {
    status = element("div", { class: "vg-samp-status" });
    status.append(element("div", { role: "status", "aria-live": "polite", id: "samp-status" }));
    page().append(status);
  }
  const line = status.firstChild;
  line.className = text ? `alert py-2 px-3 shadow ${problem ? "alert-warning" : "alert-light border"}` : "";
  line.textContent = text;
}

const page = () => document.querySelector("main") ?? document.body;

function clientMetadata() {
  const name = document.querySelector(".navbar-brand")?.textContent.trim() || "vogate";
  return {
    "samp.name": name,
    "samp.description.text": `${name}: ${document.title}`,
    "samp.icon.url": new URL("../icon-48.png", import.meta.url).href,
    "samp.documentation.url": location.origin + "/",
    "home.page": location.origin + "/",
  };
}

const mtypesOf = (text) => (text || "").split(/\s+/).filter(Boolean);

/** What a button stands for: [{mtypes, url, name, format}]; the best message type first. */
function itemsOf(button) {
  if (button.dataset.samp) {
    return [{ mtypes: mtypesOf(button.dataset.samp), url: button.dataset.url, name: button.dataset.name || "product", format: button.dataset.format }];
  }
  const container = document.querySelector(button.dataset.sampSelected) ?? document;
  return [...container.querySelectorAll("[data-samp-item]:checked")].map((box) => ({
    mtypes: mtypesOf(box.dataset.mtype),
    url: box.dataset.url,
    name: box.dataset.name || "product",
    format: box.dataset.format,
  }));
}

async function message(item, mtype) {
  const { url } = await shareable(item.url);
  const params = { url, name: item.name };
  // The same id each time, so that an application replaces what it loaded before.
  const id = new URL(item.url, location.href).href;
  if (mtype === "spectrum.load.ssa-generic") {
    const extension = new URL(url).pathname.split(".").pop().toLowerCase();
    const format = item.format || FORMATS[extension] || "application/fits";
    return { ...params, "spectrum-id": id, meta: { "Access.Reference": url, "Access.Format": format, "vox:spectrum_title": item.name } };
  }
  return { ...params, [`${KINDS[mtype] ?? "table"}-id`]: id };
}

const kindsOf = (items) => [...new Set(items.flatMap((item) => item.mtypes))];
const counted = (items) => (items.length === 1 ? items[0].name : `${items.length} products`);

/** The message type by which this client takes the item, if there is one. */
const fitting = (client, item) => item.mtypes.find((mtype) => client.mtypes.has(mtype));

async function sendToOne(conn, client, items) {
  const wanted = items.filter((item) => fitting(client, item));
  const problems = [];
  const patience = setTimeout(() => say(`${client.name} has been told of ${counted(wanted)}; waiting for its answer …`), PATIENCE_MS);
  const silent = [];
  const known = [];
  const remarks = new Set();
  for (const item of wanted) {
    try {
      const mtype = fitting(client, item);
      const remark = await sendTo(conn, client.id, mtype, await message(item, mtype));
      if (remark) remarks.add(remark);
    } catch (error) {
      if (error.reason === "silent") silent.push(item);
      else if (/duplicate table-id|already been received/i.test(error.message)) known.push(item); // so TOPCAT refuses
      else problems.push(`${item.name}: ${error.message}`);
    }
  }
  clearTimeout(patience);
  const left = items.length - wanted.length;
  if (left) problems.push(`${left} of ${items.length} are of a kind that it does not take`);
  if (problems.length) say(`${client.name} did not load everything. ${problems.join("; ")}.`, true);
  else if (silent.length) say(`${client.name} has not answered; its window shows whether it has loaded ${counted(silent)}.`, true);
  else if (known.length) say(`${client.name} has ${counted(known)} already${known.length < wanted.length ? ", and has loaded the rest" : ""}.`);
  else if (remarks.size) say(`${client.name} answered: ${[...remarks].join("; ")}.`);
  else say(`${client.name} has loaded ${counted(items)}.`);
}

async function sendToEach(conn, items) {
  const clients = await clientsFor(conn, kindsOf(items));
  const reached = new Set();
  for (const item of items) {
    for (const client of clients) {
      const mtype = fitting(client, item);
      if (!mtype) continue;
      await notify(conn, client.id, mtype, await message(item, mtype));
      reached.add(client.id);
    }
  }
  const receivers = reached.size;
  if (receivers) say(`Sent ${counted(items)} to ${receivers} application${receivers === 1 ? "" : "s"}.`);
  else say("No application that takes this is connected to the hub. Start TOPCAT or Aladin and try again.", true);
}

async function send(client, items) {
  hide();
  say(`Sending ${counted(items)} to ${client?.name ?? "all applications"} …`);
  try {
    const conn = await connect(clientMetadata());
    await (client ? sendToOne(conn, client, items) : sendToEach(conn, items));
  } catch (error) {
    say(`${counted(items)} could not be sent: ${error.message}`, true);
  }
}

async function copyUrl(items) {
  hide();
  try {
    const links = await Promise.all(items.map((item) => shareable(item.url)));
    if (!(await copyText(links.map((link) => link.url).join("\n")))) throw new Error("the browser does not allow it");
    const expires = links.find((link) => link.expires)?.expires;
    say(`${links.length === 1 ? "URL" : `${links.length} URLs`} copied${expires ? `; valid until ${expires.toLocaleTimeString([], { timeZoneName: "short" })}` : ""}.`);
  } catch (error) {
    say(`The URL could not be copied: ${error.message}`, true);
  }
}

function download(items) {
  hide();
  items.forEach((item, number) => {
    const link = element("a", { href: item.url, download: "" });
    // Browsers drop downloads that are started in the same instant.
    setTimeout(() => link.click(), number * 400);
  });
}

function entry(text, action, note = "") {
  const item = element("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: action }, text);
  if (note) item.append(element("small", {}, note));
  return item;
}

function fallbacks(items) {
  const some = items.length > 1;
  return [
    element("hr"),
    entry(some ? `Download ${items.length} files` : "Download", () => download(items)),
    entry(some ? "Copy URLs" : "Copy URL", () => copyUrl(items)),
    ...(isConnected() ? [entry("Disconnect from the hub", () => (disconnect(), hide(), say("Disconnected from the SAMP hub.")))] : []),
  ];
}

function note(...text) {
  return element("p", { role: "presentation" }, ...text);
}

function show(...children) {
  menu.replaceChildren(...children);
  place();
  menu.querySelector("[role=menuitem]")?.focus();
}

function place() {
  const box = current.getBoundingClientRect();
  const width = Math.min(300, innerWidth - 16);
  menu.style.width = `${width}px`;
  menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  const below = box.bottom + 4;
  const height = menu.offsetHeight;
  menu.style.top = `${below + height < innerHeight ? below : Math.max(8, box.top - height - 4)}px`;
}

function hide() {
  if (menu?.matches(":popover-open")) menu.hidePopover();
}

async function list(items) {
  if (!items.length) return show(note("Nothing is selected: tick the products to send."));
  const owner = current;
  show(note("Looking for a SAMP hub …"), ...fallbacks(items));
  try {
    const conn = await connect(clientMetadata(), () =>
      show(note("A SAMP hub is running. Allow the connection in its window."), ...fallbacks(items)),
    );
    const clients = await clientsFor(conn, kindsOf(items));
    if (current !== owner || !menu.matches(":popover-open")) return undefined;
    if (!clients.length) {
      return show(note("The hub is running, but no application that takes this is connected."), entry("Look again", () => list(items)), ...fallbacks(items));
    }
    return show(
      entry(`Send to all (${clients.length})`, () => send(null, items)),
      ...clients.map((client) => entry(client.name, () => send(client, items), client.about)),
      ...fallbacks(items),
    );
  } catch (error) {
    if (current !== owner) return undefined;
    const absent = error instanceof HubError && error.reason === "absent";
    say(error.message, true);
    return show(
      note(element("strong", {}, error.message), absent ? " Start TOPCAT, Aladin or another SAMP hub, then try again; or download the file." : ""),
      entry("Try again", () => list(items)),
      ...fallbacks(items),
    );
  }
}

function move(event) {
  const items = [...menu.querySelectorAll("[role=menuitem]")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined && items.length) {
    event.preventDefault();
    items.at(to % items.length).focus();
  } else if (event.key === "Tab" || event.key === "Escape") {
    const owner = current;
    hide();
    owner?.focus();
  }
}

function open(button) {
  if (!menu) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    document.adoptedStyleSheets.push(sheet);
    menu = element("div", { popover: "auto", role: "menu", class: "vg-samp", "aria-label": "Send by SAMP" });
    menu.addEventListener("keydown", move);
    menu.addEventListener("toggle", (event) => {
      const isOpen = event.newState === "open";
      current?.setAttribute("aria-expanded", String(isOpen));
    });
    page().append(menu);
  }
  // A press on the button of the open menu has closed it already ("light dismiss").
  if (button === pressed) {
    pressed = null;
    return;
  }
  hide();
  current = button;
  menu.showPopover();
  list(itemsOf(button));
}

/** Turn on the send buttons of the page, present and future. */
export function startSamp() {
  const mark = (root) =>
    root.querySelectorAll("[data-samp], [data-samp-selected]").forEach((button) => {
      button.setAttribute("aria-haspopup", "menu");
      button.setAttribute("aria-expanded", "false");
      button.hidden = false;
    });
  mark(document);
  document.addEventListener("vogate:content", (event) => mark(event.target));
  document.addEventListener("htmx:load", (event) => mark(event.target));
  document.addEventListener(
    "pointerdown",
    (event) => {
      const button = event.target.closest("[data-samp], [data-samp-selected]");
      pressed = menu?.matches(":popover-open") && button === current ? button : null;
    },
    true,
  );
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-samp], [data-samp-selected]");
    if (button) open(button);
  });
}
