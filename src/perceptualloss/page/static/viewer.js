// The stage: two pictures over or beside each other with one zoom for both, moved by mouse, touch and keys.

import { Layer } from "./layer.js";
import { say } from "./texts.js";

const MARGIN = 0.94;
const GAP = 2; // screen pixels between two panes
const CLOSEST = 16; // screen pixels for a pixel of the larger picture
const LOOK = 150; // milliseconds of rest after which exact parts are fetched

export class Viewer {
  constructor({ stage, canvas, divider, full }) {
    Object.assign(this, { stage, canvas, divider, full });
    this.context = canvas.getContext("2d");
    this.layers = new Map();
    this.sides = { left: null, right: null }; // each: {low, high, share}: two layers mixed
    this.mode = "wipe";
    this.cut = 0.5;
    this.fit();
    new ResizeObserver(() => this.resized()).observe(stage);
    this.listen();
  }

  // Show pictures, each {id, width, height}, or {low, high, share} for two mixed; null shows nothing.
  show(left, right, mode) {
    const shapeBefore = this.shape;
    this.sides = { left: this.mix(left), right: this.mix(right) };
    this.mode = mode;
    this.stage.dataset.mode = mode;
    this.divider.hidden = mode !== "wipe";
    const used = new Set(Object.values(this.sides).flatMap((side) => (side ? [side.low, side.high] : [])));
    for (const [id, layer] of this.layers) {
      if (used.has(layer) || this.layers.size <= 24) continue;
      layer.close();
      this.layers.delete(id);
    }
    if (shapeBefore !== this.shape) this.fit();
    this.paint();
    this.rest();
  }

  clear() {
    for (const layer of this.layers.values()) layer.close();
    this.layers.clear();
    this.sides = { left: null, right: null };
    this.cut = 0.5;
    this.fit();
  }

  mix(source) {
    if (!source) return null;
    if (!source.low) return { low: this.layer(source), high: this.layer(source), share: 0 };
    return { low: this.layer(source.low), high: this.layer(source.high), share: source.share };
  }

  layer(source) {
    if (!this.layers.has(source.id)) this.layers.set(source.id, new Layer(source, () => this.paint()));
    return this.layers.get(source.id);
  }

  get main() {
    const layers = Object.values(this.sides).flatMap((side) => (side ? [side.low] : []));
    return layers.reduce((most, layer) => (!most || layer.width > most.width ? layer : most), null);
  }

  get shape() {
    return this.main ? (this.main.height / this.main.width).toFixed(2) : "";
  }

  // Panes on the screen, in CSS pixels.
  get panes() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (this.mode !== "side") return [{ x: 0, y: 0, width, height }];
    if (this.stacked) {
      const half = (height - GAP) / 2;
      return [{ x: 0, y: 0, width, height: half }, { x: 0, y: half + GAP, width, height: half }];
    }
    const half = (width - GAP) / 2;
    return [{ x: 0, y: 0, width: half, height }, { x: half + GAP, y: 0, width: half, height }];
  }

  // On a narrow screen two pictures stand over each other, unless they are tall.
  get stacked() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    return this.mode === "side" && this.main !== null && width < 600 && this.main.height * width < this.main.width * height * 1.2;
  }

  // Screen pixels for the width of the whole picture, when it fits in.
  get fitting() {
    if (!this.main) return 1;
    const [pane] = this.panes;
    return MARGIN * Math.min(pane.width, pane.height * (this.main.width / this.main.height));
  }

  get wide() {
    return this.fitting * this.zoom;
  }

  get limit() {
    const screen = this.main ? (CLOSEST * this.main.width) / devicePixelRatio : 1;
    return Math.max(1, screen / this.fitting);
  }

  fit() {
    Object.assign(this, { zoom: 1, x: 0.5, y: 0.5 }); // x, y: the point of the picture in the middle of a pane
    this.paint();
  }

  fullSize() {
    if (this.main) this.zoomTo(this.main.width / devicePixelRatio / this.fitting);
  }

  zoomTo(zoom, at = null) {
    const [pane] = this.panes;
    const next = Math.min(this.limit, Math.max(1, zoom));
    const point = at ?? { x: pane.width / 2, y: pane.height / 2 };
    const tall = this.main ? this.main.height / this.main.width : 1;
    const [dx, dy] = [point.x - pane.width / 2, point.y - pane.height / 2];
    this.x += dx / this.wide - dx / (this.fitting * next);
    this.y += (dy / this.wide - dy / (this.fitting * next)) / tall;
    this.zoom = next;
    this.moved();
  }

  move(dx, dy) {
    const tall = this.main ? this.main.height / this.main.width : 1;
    this.x -= dx / this.wide;
    this.y -= dy / (this.wide * tall);
    this.moved();
  }

  moved() {
    const [pane] = this.panes;
    const tall = this.main ? this.main.height / this.main.width : 1;
    const hold = (value, share) => (share >= 1 ? 0.5 : Math.min(1 - share / 2, Math.max(share / 2, value)));
    this.x = hold(this.x, pane.width / this.wide);
    this.y = hold(this.y, pane.height / (this.wide * tall));
    this.paint();
    this.rest();
  }

  resized() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (width < 10 || height < 10) return; // hidden, or in between two sizes
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.zoom = Math.min(this.zoom, this.limit);
    this.moved();
  }

  paint() {
    if (this.painting) return;
    this.painting = requestAnimationFrame(() => {
      this.painting = 0;
      this.draw();
    });
  }

  draw() {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    canvas.classList.toggle("fits", this.zoom <= 1 && this.mode === "wipe");
    const { left, right } = this.sides;
    const [first, second] = this.panes;
    this.stage.dataset.stacked = this.stacked;
    if (this.mode === "side") {
      this.drawIn(first, left);
      this.drawIn(second, right);
    } else if (this.mode === "wipe") {
      this.place();
      const at = this.cutAt();
      this.drawIn({ ...first, clip: [0, at] }, left);
      this.drawIn({ ...first, clip: [at, first.width] }, right);
    } else this.drawIn(first, right);
    if (this.main) this.full.textContent = `${Math.round((100 * this.wide * devicePixelRatio) / this.main.width)} %`;
  }

  rectangle(pane) {
    const [width, tall] = [this.wide, this.main.height / this.main.width];
    const height = width * tall;
    return { x: pane.x + pane.width / 2 - this.x * width, y: pane.y + pane.height / 2 - this.y * height, width, height };
  }

  drawIn(pane, side) {
    if (!side?.low.whole) return;
    const { context } = this;
    const { x, y, width, height } = this.rectangle(pane);
    const [from, to] = pane.clip ?? [pane.x, pane.x + pane.width];
    context.save();
    context.beginPath();
    context.rect(from, pane.y, to - from, pane.height);
    context.clip();
    context.fillStyle = this.checks();
    context.fillRect(x, y, width, height);
    side.low.draw(context, x, y, width, height);
    if (side.share > 0 && side.high.whole) {
      context.globalAlpha = side.share;
      side.high.draw(context, x, y, width, height);
    }
    context.restore();
  }

  // What is seen through transparent parts.
  checks() {
    const colour = getComputedStyle(this.stage).getPropertyValue("--check").trim();
    if (this.checked?.colour === colour) return this.checked.pattern;
    const tile = new OffscreenCanvas(16, 16);
    const context = tile.getContext("2d");
    context.fillStyle = colour;
    context.fillRect(0, 0, 8, 8);
    context.fillRect(8, 8, 8, 8);
    this.checked = { colour, pattern: this.context.createPattern(tile, "repeat") };
    return this.checked.pattern;
  }

  // The divider stands on a share of the picture, or of the stage where the picture is larger.
  span() {
    const [pane] = this.panes;
    if (!this.main) return [0, pane.width];
    const { x, width } = this.rectangle(pane);
    return [Math.max(0, x), Math.min(pane.width, x + width)];
  }

  cutAt() {
    const [from, to] = this.span();
    return from + this.cut * (to - from);
  }

  place() {
    this.divider.style.left = `${this.cutAt()}px`;
    const percent = Math.round(100 * this.cut);
    this.divider.setAttribute("aria-valuenow", percent);
    this.divider.setAttribute("aria-valuetext", say("divider.value", { percent }));
  }

  cutTo(share) {
    this.cut = Math.min(1, Math.max(0, share));
    this.paint();
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.look(), LOOK);
  }

  look() {
    const [first] = this.panes;
    if (!this.main) return;
    const { x, y, width, height } = this.rectangle(first);
    const seen = {
      left: Math.max(0, (first.x - x) / width), right: Math.min(1, (first.x + first.width - x) / width),
      top: Math.max(0, -y / height), bottom: Math.min(1, (first.height - y) / height),
    };
    for (const side of Object.values(this.sides)) {
      for (const layer of side ? [side.low, side.high] : []) layer.look(seen, (width * devicePixelRatio) / layer.width);
    }
  }

  point(event) {
    const box = this.stage.getBoundingClientRect();
    const x = event.clientX - box.left;
    const [first, second] = this.panes;
    const y = event.clientY - box.top;
    const pane = second && x >= second.x && y >= second.y ? second : first;
    return { x: x - pane.x, y: y - pane.y, stage: x };
  }

  listen() {
    const { canvas, divider } = this;
    const pointers = new Map();
    let spread = 0;
    const dragCut = (event) => {
      const [from, to] = this.span();
      this.cutTo((this.point(event).stage - from) / Math.max(1, to - from));
    };
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      divider.focus();
      event.preventDefault();
    });
    divider.addEventListener("pointermove", (event) => divider.hasPointerCapture(event.pointerId) && dragCut(event));
    divider.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1 };
      if (event.key in steps) this.cutTo(this.cut + steps[event.key]);
      else if (event.key === "Home" || event.key === "End") this.cutTo(event.key === "End" ? 1 : 0);
      else return;
      event.preventDefault();
    });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
      spread = 0;
      if (pointers.size === 1 && canvas.classList.contains("fits")) dragCut(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      pointers.set(event.pointerId, event);
      if (pointers.size === 2) {
        const [a, b] = [...pointers.values()];
        const distance = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
        const [p, q] = [this.point(a), this.point(b)];
        if (spread) this.zoomTo((this.zoom * distance) / spread, { x: (p.x + q.x) / 2, y: (p.y + q.y) / 2 });
        spread = distance;
      } else if (canvas.classList.contains("fits")) dragCut(event);
      else this.move(event.clientX - before.clientX, event.clientY - before.clientY);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        pointers.delete(event.pointerId);
        spread = 0;
      });
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomTo(this.zoom * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), this.point(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => {
      if (this.zoom > 1) this.fit();
      else this.zoomTo(this.main.width / devicePixelRatio / this.fitting, this.point(event));
    });
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in moves) this.move(...moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoomTo(this.zoom * 1.25);
      else if (event.key === "-") this.zoomTo(this.zoom / 1.25);
      else if (event.key === "0") this.fit();
      else if (event.key === "1") this.fullSize();
      else return;
      event.preventDefault();
    });
  }
}
