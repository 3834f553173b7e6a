// What stands left and right of each other, the perception slider and the loss map.

import { work } from "./api.js";
import { number, say, significant } from "./texts.js";

const $ = (id) => document.getElementById(id);
const REST = 350; // milliseconds of rest after which the exact blend is asked for
const BOTH_ENDS = 16e6; // pixels of a result up to which both ends of the slider are computed at once

export class Compare {
  constructor(viewer, complain) {
    Object.assign(this, { viewer, complain, picture: null, result: null, stops: null, mode: "wipe", map: null });
    this.shown = 0; // counts what was asked for, so that a late answer changes nothing
    for (const button of $("modes").children) button.onclick = () => this.choose(button.dataset.mode);
    $("modes").onkeydown = (event) => arrows(event, $("modes"));
    for (const side of ["left", "right"]) $(side).onchange = () => this.pair();
    $("layer").onchange = () => this.update();
    $("perception").oninput = () => this.slide();
    $("perception").onchange = () => this.exact();
  }

  begin(picture) {
    this.end();
    this.picture = picture;
    this.viewer.clear();
    this.choose("wipe");
  }

  end() {
    this.shown += 1;
    Object.assign(this, { picture: null, result: null, stops: null, map: null });
    this.busy("");
  }

  get perception() {
    return Number($("perception").value);
  }

  // What is shown as the result, exactly: of an enlargement with a slider at its value, computed if it is not there.
  async chosen() {
    if (!this.stops) return this.result;
    if (!this.stops.at(this.perception)) await this.exact();
    return this.stops?.at(this.perception) ?? null;
  }

  // Show a result; `stops` are those of an enlargement with a slider, or null.
  async set(result, stops) {
    const same = stops !== null && stops === this.stops;
    Object.assign(this, { result, stops });
    if (!same) this.choose(this.mode);
    else this.update();
    if (stops && result.width * result.height <= BOTH_ENDS) {
      for (const end of [0, 1]) if (!stops.at(end)) await this.compute(stops, end);
    }
  }

  choose(mode) {
    this.mode = mode;
    for (const button of $("modes").children) {
      const chosen = button.dataset.mode === mode;
      button.setAttribute("aria-checked", chosen);
      button.tabIndex = chosen ? 0 : -1;
      button.disabled = !this.result && button.dataset.mode !== "wipe";
    }
    const ends = this.stops && mode !== "wipe";
    this.fill("left", ends ? "mse" : "original");
    this.fill("right", ends ? "perceptual" : "result");
    this.pair();
  }

  fill(side, chosen) {
    const names = ["original", ...(this.result ? ["result"] : []), ...(this.stops ? ["mse", "perceptual"] : [])];
    $(side).replaceChildren(
      ...names.map((name) => {
        const option = new Option("", name, false, name === chosen);
        option.dataset.t = `source.${name}`;
        option.textContent = say(option.dataset.t);
        return option;
      }),
    );
    $(side).hidden = !this.result && side === "right";
  }

  // Compute what is named and not there, then show it.
  async pair() {
    this.update();
    const stops = this.stops;
    for (const side of ["left", "right"]) {
      const end = { mse: 0, perceptual: 1 }[$(side).value];
      if (stops && end !== undefined && !stops.at(end)) await this.compute(stops, end);
    }
  }

  async compute(stops, perception) {
    this.busy(say("perception.computing", { value: number(perception, 2) }));
    try {
      const what = say("perception.computing", { value: number(perception, 2) });
      const tell = ({ share }) => stops === this.stops && this.busy(`${what}: ${Math.round(100 * share)} %`);
      const result = await work({ ...stops.request, perception }, tell);
      stops.add(perception, result);
    } catch (error) {
      if (error.name !== "AbortError" && stops === this.stops) this.complain(error); // else nobody waits for it
    }
    if (stops !== this.stops) return;
    this.busy("");
    this.update();
  }

  busy(text) {
    $("busy").hidden = !text;
    $("busy").textContent = text;
  }

  source(name) {
    if (name === "original" || !this.result) return this.picture;
    if (!this.stops) return this.result;
    const wanted = { mse: 0, perceptual: 1 }[name] ?? this.perception;
    return this.stops.near(wanted)?.source ?? this.result;
  }

  update() {
    if (!this.picture) return;
    const named = ["left", "right"].some((side) => $(side).value === "result");
    $("perception-bar").hidden = !this.stops || (this.mode === "map" && !named);
    $("map-bar").hidden = this.mode !== "map";
    for (const side of ["left", "right"]) $(side).dataset.single = this.mode === "map";
    if (this.stops) this.tell();
    if (this.mode === "map") this.showMap();
    else this.viewer.show(this.source($("left").value), this.result ? this.source($("right").value) : this.picture, this.mode);
  }

  tell() {
    if (this.stops.at(this.perception)) this.changed?.(this.stops.at(this.perception));
    const value = (perception) => number(perception, 2);
    const near = this.stops.near(this.perception);
    $("perception-value").textContent = value(this.perception);
    $("perception-dot").classList.toggle("exact", near?.exact ?? false);
    const key = !near || near.low === near.high ? (near?.exact ? "exact" : "nearest") : "between";
    $("perception-state").textContent = near
      ? say(`perception.${key}`, { value: value(near.low), low: value(near.low), high: value(near.high) })
      : "";
  }

  slide() {
    if (!this.stops) return;
    if (!["left", "right"].some((side) => $(side).value === "result")) $("right").value = "result";
    this.update();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.exact(), REST);
  }

  async exact() {
    clearTimeout(this.waiting);
    const { stops, perception } = this;
    if (!stops || stops.at(perception)) return;
    await this.compute(stops, perception);
  }

  async showMap() {
    const turn = (this.shown += 1);
    const names = ["left", "right"].map((side) => $(side).value);
    const [left, right] = names.map((name) => this.source(name));
    const [first, second] = [left, right].map((source) => (source.low ? (source.share < 0.5 ? source.low : source.high) : source));
    const larger = second.width >= first.width ? [second, first] : [first, second];
    if (first.id === second.id) {
      this.viewer.show(null, first, "map");
      $("map-text").textContent = "";
      return;
    }
    const request = { task: "map", first: larger[0].id, second: larger[1].id, layer: $("layer").value };
    try {
      const map = await work(request, ({ share }) => turn === this.shown && this.busy(`${say("mode.map")}: ${Math.round(100 * share)} %`));
      if (turn !== this.shown) return;
      this.viewer.show(null, map, "map");
      const [one, other] = names.map((name) => say(`source.${name}`));
      const more = [map.more.resized && say("map.resized"), map.more.shrunk && say("map.shrunk")].filter(Boolean);
      $("map-text").textContent = [say("map.what", { left: one, right: other, loss: significant(map.more.loss, 3) }), ...more].join(" ");
      $("map-end").textContent = `≥ ${significant(map.more.end, 2)}`;
    } catch (error) {
      if (turn === this.shown) this.complain(error);
    } finally {
      if (turn === this.shown) this.busy("");
    }
  }
}

// The keys of a group of which one is chosen.
export function arrows(event, group) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...group.children].filter((button) => !button.disabled);
  const next = buttons[(buttons.indexOf(event.target) + step + buttons.length) % buttons.length];
  next.focus();
  next.click();
  event.preventDefault();
}
