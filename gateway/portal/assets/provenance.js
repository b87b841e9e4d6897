// The lineage graph of the provenance pages: opened and closed step by step, followed back and forward.
import { draw } from "./lib/lineage-drawing.js";
import { BOX, layout } from "./lib/lineage-layout.js";
import { Lineage } from "./lib/lineage-model.js";
import { fillTable, nodeLink, stateOf } from "./lib/lineage-table.js";

const ZOOMS = [0.15, 0.25, 0.4, 0.6, 0.8, 1, 1.25, 1.6];
const SIDE_WORDS = { back: "what it was made from", forward: "what was made from it" };

class GraphPage {
  constructor(app, data) {
    this.part = Object.fromEntries(
      ["view", "panel", "count", "said", "rows", "tbody"].map((name) => [name, document.getElementById(`pg-${name}`)]),
    );
    this.lineage = new Lineage(data, app.dataset.url);
    this.selected = data.start;
    this.followed = null;
    this.zoom = 1;
    this.tall = 0;
    this.pending = 0;
    this.listed = data.nodes.map((node) => node.id).sort().join();
    this.place();
    const wide = this.part.view.clientWidth / this.plan.width;
    if (wide < 1) this.zoom = Math.max(0.75, wide);
    this.draw();
    this.centre(data.start);
    this.panel();
    this.listen(app);
  }

  /** Lay out what is shown now, keep the box `anchor` where it is on the screen, and draw. */
  place(anchor = null) {
    const before = anchor && this.plan?.at.get(anchor);
    this.picture = this.lineage.shown();
    const ids = this.picture.nodes.map((node) => node.id);
    if (!ids.includes(this.selected)) this.selected = this.lineage.start;
    this.plan = layout(ids, this.picture.edges);
    this.tall = Math.max(this.tall, Math.min(this.plan.height + 20, 480)); // it grows and does not jump back
    this.part.view.style.height = `${this.tall}px`;
    this.visible = new Map(ids.map((id) => [id, { back: [], forward: [] }]));
    for (const { source, target } of this.picture.edges) {
      this.visible.get(source).back.push(target);
      this.visible.get(target).forward.push(source);
    }
    this.draw();
    const after = anchor && this.plan.at.get(anchor);
    if (before && after) {
      this.part.view.scrollLeft += (after.x - before.x) * this.zoom;
      this.part.view.scrollTop += (after.y - before.y) * this.zoom;
      this.draw();
    }
    const boxes = this.picture.nodes.filter((node) => node.kind !== "group").length;
    this.part.count.textContent = `${boxes} of ${this.lineage.nodes.size} loaded are shown`;
    this.list();
  }

  draw() {
    draw(this.part.view, this.picture, this.plan, this.zoom, {
      start: this.lineage.start, selected: this.selected, followed: this.followed,
      knob: (node, side) => this.knob(node, side),
    });
  }

  drawSoon() {
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => this.draw());
  }

  /** The table lists what is shown, and what groups stand for. */
  list() {
    const nodes = this.picture.nodes.flatMap((node) => node.members?.map((id) => this.lineage.nodes.get(id)) ?? [node]);
    const once = [...new Map(nodes.map((node) => [node.id, node])).values()];
    const key = once.map((node) => node.id).sort().join();
    if (key === this.listed) return;
    this.listed = key;
    const layer = (node) => this.plan.at.get(node.id)?.layer ?? 0;
    once.sort((a, b) => layer(a) - layer(b));
    fillTable(this.part.tbody, this.lineage, once);
    this.part.rows.textContent = once.length;
  }

  /** What stands on the knob of a box: how many it would show, − if it would close, nothing without one. */
  knob(node, side) {
    if (node.kind === "group") return "";
    const [total, loaded] = [this.lineage.total(node.id, side), this.lineage.loaded(node.id, side).length];
    const open = this.lineage.open[side].has(node.id);
    const hidden = open ? total - loaded : total - new Set(this.visible.get(node.id)?.[side]).size;
    if (hidden > 0) return hidden > 99 ? "99+" : `+${hidden}`;
    return open && loaded ? "−" : "";
  }

  say(text) {
    this.part.said.textContent = text;
  }

  async toggle(id, side) {
    const text = this.knob(this.lineage.nodes.get(id), side);
    if (!text) return this.say(`There is nothing more on this side.`);
    try {
      if (text === "−") this.lineage.collapse(id, side);
      else await this.lineage.expand(id, side);
    } catch (error) {
      return this.say(`It could not be loaded: ${error.message}`);
    }
    const before = this.picture.nodes.length;
    this.place(id);
    this.panel();
    const change = this.picture.nodes.length - before;
    this.say(`${Math.abs(change)} boxes ${change < 0 ? "hidden" : "added"}.`);
  }

  spread(node) {
    this.lineage.spreadOut.add(node.bucket);
    const parent = [...this.visible.get(node.id).back, ...this.visible.get(node.id).forward][0];
    this.selected = node.members[0];
    this.place(parent);
    this.select(this.selected);
  }

  async follow(side) {
    const node = this.lineage.nodes.get(this.selected);
    if (!node) return;
    try {
      if (!node.withheld) await this.lineage.fetch(node.id, "all", side);
    } catch (error) {
      return this.say(`It could not be loaded: ${error.message}`);
    }
    this.lineage.openLoaded(node.id, side);
    this.followed = this.lineage.reach(node.id, side);
    this.place(node.id);
    this.panel();
    this.say(`${this.followed.size - 1} boxes are ${SIDE_WORDS[side]}.`);
  }

  unfollow() {
    this.followed = null;
    this.draw();
    this.panel();
  }

  select(id) {
    this.selected = id;
    this.reveal(id);
    this.draw();
    this.panel();
    const node = this.node(id);
    this.say([node.kind, node.withheld ? "withheld" : node.label, node.role, node.detail, stateOf(node)].filter(Boolean).join(", "));
  }

  node(id) {
    return this.picture.nodes.find((node) => node.id === id) ?? this.lineage.nodes.get(id);
  }

  reveal(id) {
    const [{ view }, place] = [this.part, this.plan.at.get(id)];
    const edge = 30;
    const [x, y, w, h] = [place.x, place.y, BOX.width, BOX.height].map((value) => value * this.zoom);
    if (x < view.scrollLeft + edge) view.scrollLeft = x - edge;
    if (x + w > view.scrollLeft + view.clientWidth - edge) view.scrollLeft = x + w + edge - view.clientWidth;
    if (y < view.scrollTop + edge) view.scrollTop = y - edge;
    if (y + h > view.scrollTop + view.clientHeight - edge) view.scrollTop = y + h + edge - view.clientHeight;
  }

  centre(id) {
    const [{ view }, place] = [this.part, this.plan.at.get(id)];
    view.scrollLeft = (place.x + BOX.width / 2) * this.zoom - view.clientWidth / 2;
    view.scrollTop = (place.y + BOX.height / 2) * this.zoom - view.clientHeight / 2;
    this.draw();
  }

  zoomTo(zoom) {
    this.zoom = zoom;
    this.draw(); // first the size, then the place
    this.centre(this.selected);
  }

  step(direction) {
    const next = direction > 0 ? ZOOMS.find((zoom) => zoom > this.zoom + 0.01) : ZOOMS.findLast((zoom) => zoom < this.zoom - 0.01);
    if (next) this.zoomTo(next);
  }

  fit() {
    const { view } = this.part;
    this.zoomTo(Math.max(ZOOMS[0], Math.min(1, view.clientWidth / this.plan.width, view.clientHeight / this.plan.height)));
  }

  /** What is selected, with what can be done with it. */
  panel() {
    const node = this.node(this.selected);
    const text = document.createElement("div");
    const name = document.createElement("p");
    const kind = document.createElement("span");
    kind.className = `pg-kind pg-kind-${node.kind}`;
    kind.textContent = node.kind;
    name.append(kind, " ", nodeLink(node));
    const detail = document.createElement("p");
    detail.className = "small text-secondary";
    detail.textContent = node.withheld
      ? "Something is here that belongs to someone else."
      : [node.role, node.detail, stateOf(node)].filter(Boolean).join(" · ");
    text.append(name, detail);
    const buttons = document.createElement("div");
    buttons.className = "pg-panel-buttons";
    const add = (label, act) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-sm btn-outline-secondary";
      button.textContent = label;
      button.addEventListener("click", act);
      buttons.append(button);
    };
    if (node.kind === "group") add("Show them", () => this.spread(node));
    else {
      for (const side of ["back", "forward"]) {
        const knob = this.knob(node, side);
        if (knob) add(`${knob === "−" ? "Hide" : "Show"} ${SIDE_WORDS[side]}${knob === "−" ? "" : ` (${knob})`}`, () => this.toggle(node.id, side));
      }
      add("Follow back", () => this.follow("back"));
      add("Follow forward", () => this.follow("forward"));
      if (this.followed) add("Stop following", () => this.unfollow());
    }
    const inside = this.part.panel.contains(document.activeElement);
    this.part.panel.replaceChildren(text, buttons);
    if (inside) (buttons.querySelector("button") ?? this.part.view).focus();
  }

  /** To a neighbour in a direction, or up and down in the column. */
  move(key) {
    const here = this.plan.at.get(this.selected);
    const side = { ArrowLeft: "back", ArrowRight: "forward" }[key];
    const ids = side ? this.visible.get(this.selected)[side] : this.picture.nodes.map((node) => node.id);
    const distance = (id) => {
      const { x, y } = this.plan.at.get(id);
      if (!side) return Math.abs(y - here.y);
      const leadsOn = this.lineage.total(id, side) > 0 ? 0 : 1e6; // first along the chain
      return leadsOn + Math.abs(x - here.x) + Math.abs(y - here.y);
    };
    const down = key === "ArrowDown" ? 1 : -1;
    const candidates = ids.filter((id) => {
      const place = this.plan.at.get(id);
      return side || (place.layer === here.layer && (place.y - here.y) * down > 0);
    });
    if (!candidates.length) return this.say(side ? `Nothing is shown on this side; Shift opens it.` : "There is no further box.");
    this.select(candidates.reduce((best, id) => (distance(id) < distance(best) ? id : best)));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const node = this.node(this.selected);
    const acts = {
      Enter: () => (node.kind === "group" ? this.spread(node) : node.page && location.assign(node.page)),
      Home: () => this.select(this.lineage.start),
      Escape: () => this.unfollow(),
      b: () => this.follow("back"),
      f: () => this.follow("forward"),
      "+": () => this.step(1),
      "-": () => this.step(-1),
      0: () => this.fit(),
    };
    const arrow = event.key.startsWith("Arrow");
    const act = acts[event.key] ?? acts[event.key.toLowerCase()];
    if (!arrow && !act) return;
    event.preventDefault();
    if (!arrow) act();
    else if (event.shiftKey && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      if (node.kind !== "group") this.toggle(this.selected, event.key === "ArrowLeft" ? "back" : "forward");
    } else this.move(event.key);
  }

  listen(app) {
    const { view } = this.part;
    view.addEventListener("scroll", () => this.drawSoon(), { passive: true });
    view.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.drawSoon()).observe(view);
    let drag = null;
    view.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button) return;
      drag = { x: event.clientX, y: event.clientY, left: view.scrollLeft, top: view.scrollTop, moved: false };
    });
    addEventListener("pointermove", (event) => {
      if (!drag) return;
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (!drag.moved && Math.hypot(dx, dy) < 5) return;
      drag.moved = true;
      view.classList.add("pg-dragging");
      view.scrollTo(drag.left - dx, drag.top - dy);
    });
    addEventListener("pointerup", () => {
      view.classList.remove("pg-dragging");
      setTimeout(() => (drag = null)); // the click comes after it
    });
    view.addEventListener("click", (event) => {
      const id = event.target.closest("[data-id]")?.dataset.id;
      if (!id || drag?.moved) return;
      const knob = event.target.closest("[data-knob]")?.dataset.knob;
      this.selected = id;
      if (knob) return this.toggle(id, knob);
      const node = this.node(id);
      return node.kind === "group" ? this.spread(node) : this.select(id);
    });
    view.addEventListener("dblclick", (event) => {
      const node = this.node(event.target.closest("[data-id]")?.dataset.id ?? "");
      if (node?.page) location.assign(node.page);
    });
    view.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.step(-event.deltaY);
    }, { passive: false });
    const acts = {
      centre: () => this.centre(this.selected),
      in: () => this.step(1),
      out: () => this.step(-1),
      fit: () => this.fit(),
      collapse: () => {
        this.lineage.collapseAll();
        this.followed = null;
        this.selected = this.lineage.start;
        this.place();
        this.centre(this.lineage.start);
        this.panel();
      },
    };
    app.addEventListener("click", (event) => acts[event.target.closest("[data-do]")?.dataset.do]?.());
  }
}

const app = document.getElementById("pg-app");
const data = document.getElementById("pg-data");
document.documentElement.classList.add("has-js"); // before measuring: the view is hidden without it
if (app && data) app.graph = new GraphPage(app, JSON.parse(data.textContent));
