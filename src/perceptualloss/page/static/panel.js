// What to do with the picture: options, progress, download.

import { work } from "./api.js";
import { arrows } from "./compare.js";
import { Stops } from "./stops.js";
import { bytes, number, say } from "./texts.js";

const $ = (id) => document.getElementById(id);
const STRENGTHS = ["strength", "restore-strength"];
const SIZES = [512, 768, 1024, 1536, 2048];

export class Panel {
  constructor(offers, compare, complain) {
    Object.assign(this, { offers, compare, complain, task: "upscale", picture: null, result: null });
    this.stops = new Map(); // of this picture, by what was asked for
    compare.changed = (result) => result !== this.result && this.done(result);
    for (const button of $("tasks").children) button.onclick = () => this.choose(button.dataset.task);
    $("tasks").onkeydown = (event) => arrows(event, $("tasks"));
    $("panel").onsubmit = (event) => {
      event.preventDefault();
      this.run();
    };
    $("cancel").onclick = () => this.stopping?.abort();
    $("download").onclick = () => this.download();
    for (const id of STRENGTHS) $(id).oninput = () => this.tellStrength();
    $("scales").onchange = () => this.tellSize();
    $("factor").oninput = () => this.tellSize();
    this.fill();
    this.choose("upscale");
  }

  fill() {
    const { scales, styles, restore } = this.offers;
    const choices = [...scales, "other"];
    $("scales").replaceChildren(
      ...choices.map((scale, number) => {
        const [choice, input, text] = ["label", "input", "span"].map((name) => document.createElement(name));
        Object.assign(input, { type: "radio", name: "scale", value: scale, checked: number === 0 });
        text.textContent = scale === "other" ? say("scale.other") : `${scale} ×`;
        if (scale === "other") text.dataset.t = "scale.other";
        choice.append(input, text);
        return choice;
      }),
    );
    const option = (value, key) => {
      const made = new Option(say(key), value);
      made.dataset.t = key;
      return made;
    };
    const known = (name, value) => (say(`${name}.${value}`) === `${name}.${value}` ? new Option(value, value) : option(value, `${name}.${value}`));
    $("styles").replaceChildren(...styles.map(styleChoice));
    $("restorer").replaceChildren(...restore.map((name) => known("restore", name)));
    $("restore-none").hidden = restore.length > 0;
    for (const id of ["restorer", "restore-strength"]) $(id).parentElement.hidden = restore.length === 0;
    $("size").replaceChildren(
      option("", "size.own"),
      ...SIZES.map((size) => new Option(say("size.pixels", { size: number(size) }), size)),
    );
  }

  translate() {
    [...$("size").options].slice(1).forEach((option, at) => (option.textContent = say("size.pixels", { size: number(SIZES[at]) })));
    if (this.picture) this.tellPicture();
    this.tellSize();
    this.tellStrength();
    if (this.result) this.tellResult();
  }

  begin(picture) {
    this.stopping?.abort();
    Object.assign(this, { picture, result: null });
    this.stops.clear();
    $("result").hidden = true;
    this.tellPicture();
    this.tellNotes([]);
    this.choose(this.task);
  }

  tellPicture() {
    const { name, width, height, frames, bytes: size } = this.picture;
    const facts = say("picture.size", { width: number(width), height: number(height), bytes: bytes(size) });
    $("name").textContent = $("name").title = name;
    $("facts").textContent = frames > 1 ? `${facts}, ${say("picture.frames", { frames })}` : facts;
  }

  choose(task) {
    this.task = task;
    for (const button of $("tasks").children) {
      button.setAttribute("aria-checked", button.dataset.task === task);
      button.tabIndex = button.dataset.task === task ? 0 : -1;
      $(`options-${button.dataset.task}`).hidden = button.dataset.task !== task;
    }
    $("run").textContent = say(`run.${task}`);
    $("run").dataset.t = `run.${task}`;
    $("run").disabled = Boolean(this.stopping) || (task === "restore" && this.offers.restore.length === 0);
    this.tellSize();
  }

  // Choose the network for an example that is spoilt.
  suggest(restorer) {
    $("restorer").value = restorer;
    this.choose("restore");
  }

  get scale() {
    const chosen = document.querySelector("input[name=scale]:checked")?.value;
    if (chosen !== "other") return Number(chosen);
    const [least, most] = this.offers.any_scale;
    return Math.min(most, Math.max(least, Number($("factor").value) || least));
  }

  tellSize() {
    $("factor-label").hidden = document.querySelector("input[name=scale]:checked")?.value !== "other";
    if (!this.picture) return;
    const [width, height] = [this.picture.width, this.picture.height].map((side) => number(Math.round(this.scale * side)));
    $("gives").textContent = say("scale.result", { width, height });
  }

  tellStrength() {
    for (const id of STRENGTHS) $(`${id}-value`).textContent = `${Math.round(100 * $(id).value)} %`;
  }

  request() {
    const picture = this.picture.id;
    if (this.task === "upscale") return { task: "upscale", picture, scale: this.scale, kind: $("kind").value || null };
    if (this.task === "restore") return { task: "restore", picture, of: $("restorer").value, strength: Number($("restore-strength").value) };
    const [size, strength] = [$("size").value, Number($("strength").value)];
    return {
      task: "stylize", picture, style: document.querySelector("input[name=style]:checked").value, strength, keep_colors: $("keep").checked,
      size: size ? Number(size) : null,
    };
  }

  async run() {
    if (this.stopping || $("run").disabled) return;
    const request = this.request();
    const key = JSON.stringify(request);
    const blended = request.task === "upscale" && !request.kind;
    const stops = blended ? (this.stops.get(key) ?? new Stops(request)) : null;
    if (stops) this.stops.set(key, stops);
    const perception = this.compare.perception;
    const picture = this.picture;
    const result = await this.watched((tell, signal) => work(blended ? { ...request, perception } : request, tell, signal));
    if (!result || picture !== this.picture) return;
    stops?.add(perception, result);
    this.done(result);
    this.compare.set(result, stops);
  }

  // Do some work with a bar and a button to cancel; null if it was cancelled or failed.
  async watched(begin, words = "working") {
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    $("run").disabled = $("download").disabled = true;
    $("progress").hidden = false;
    let said = "";
    const tell = ({ state, share, position }) => {
      const percent = Math.floor(100 * share);
      const text = state === "waiting" ? say("waiting", { position }) : words === "writing" ? say("writing") : say(words, { percent });
      $("progress-bar").value = share;
      $("progress-text").textContent = text;
      const step = state === "waiting" ? text : `${words}${Math.floor(percent / 25)}`; // for ears, every quarter
      if (step !== said) $("status").textContent = text;
      said = step;
    };
    tell({ state: "running", share: 0, position: 0 });
    try {
      return await begin(tell, signal);
    } catch (error) {
      if (error.name === "AbortError") $("status").textContent = say("cancelled");
      else if (!signal.aborted) this.complain(error);
      return null;
    } finally {
      this.stopping = null;
      $("progress").hidden = true;
      $("download").disabled = false;
      this.choose(this.task);
    }
  }

  done(result) {
    this.result = result;
    $("result").hidden = false;
    this.tellResult();
    $("status").textContent = $("result-text").textContent;
    this.tellNotes(result.notes);
  }

  tellResult() {
    const { width, height, settings } = this.result;
    const size = say("ready", { width: number(width), height: number(height) });
    const { perception } = settings;
    $("result-text").textContent = typeof perception === "number" ? `${size}, ${say("ready.at", { value: number(perception, 2) })}` : size;
  }

  tellNotes(more) {
    const lines = [...new Set([...this.picture.notes, ...more])];
    $("notes").hidden = lines.length === 0;
    $("notes-list").replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
  }

  async download() {
    const chosen = await this.compare.chosen();
    if (!chosen) return;
    const [format, strip, result] = [$("format").value, !$("metadata").checked, chosen.id];
    const request = { task: "write", result, format, strip };
    const written = await this.watched((tell, signal) => work(request, tell, signal), "writing");
    if (!written) return;
    this.tellNotes([...chosen.notes, ...Object.values(written.more.files ?? {}).flat()]);
    const link = document.createElement("a");
    link.href = `/api/results/${result}/${format}${strip ? "?strip=1" : ""}`;
    link.download = "";
    link.click();
  }
}

function styleChoice(style, at) {
  const [choice, input, card, view, name] = ["label", "input", "span", "img", "b"].map((tag) => document.createElement(tag));
  Object.assign(input, { type: "radio", name: "style", value: style, checked: at === 0 });
  Object.assign(view, { src: `/styles/${style}.jpg`, alt: "", loading: "lazy", width: 240, height: 240 });
  const key = `style.${style}`;
  name.textContent = say(key) === key ? style : say(key);
  if (name.textContent !== style) name.dataset.t = key;
  card.append(view, name);
  choice.append(input, card);
  return choice;
}
