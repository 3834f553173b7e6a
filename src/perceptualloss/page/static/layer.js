// One picture on the stage: a view of the whole, and an exact part of what is seen when one zooms in.

import { bitmap } from "./api.js";

const SIDE = 1600; // pixels of the longer side of the view of the whole
const MOST = 4_000_000; // pixels of a part

export class Layer {
  constructor({ id, width, height }, changed) {
    Object.assign(this, { id, width, height, changed, whole: null, part: null, asked: "" });
    this.reduce = Math.max(1, Math.ceil(Math.max(width, height) / SIDE));
    this.ready = bitmap(id, null, this.reduce).then((found) => {
      this.whole = found;
      changed();
    });
  }

  // Fetch what `seen` (in shares of the picture) shows at `scale` screen pixels a pixel, unless it is there.
  look(seen, scale) {
    let reduce = Math.max(1, Math.floor(1 / scale));
    if (reduce >= this.reduce) return;
    const [width, height] = [seen.right - seen.left, seen.bottom - seen.top];
    const box = {
      left: Math.max(0, Math.floor((seen.left - width / 8) * this.width)),
      right: Math.min(this.width, Math.ceil((seen.right + width / 8) * this.width)),
      top: Math.max(0, Math.floor((seen.top - height / 8) * this.height)),
      bottom: Math.min(this.height, Math.ceil((seen.bottom + height / 8) * this.height)),
    };
    if (box.right <= box.left || box.bottom <= box.top) return;
    while ((box.right - box.left) * (box.bottom - box.top) > MOST * reduce ** 2) reduce += 1;
    if (reduce >= this.reduce || this.covers(seen, reduce)) return;
    const asked = JSON.stringify([box, reduce]);
    if (asked === this.asked) return;
    this.asked = asked;
    this.fetching?.abort();
    this.fetching = new AbortController();
    bitmap(this.id, box, reduce, this.fetching.signal).then(
      (found) => {
        this.part = { box, reduce, found };
        this.changed();
      },
      () => {
        this.asked = ""; // cancelled by the next one, or to be tried again
      },
    );
  }

  covers(seen, reduce) {
    const box = this.part?.box;
    return (
      box && this.part.reduce <= reduce &&
      box.left <= seen.left * this.width && box.right >= seen.right * this.width &&
      box.top <= seen.top * this.height && box.bottom >= seen.bottom * this.height
    );
  }

  // Draw into the rectangle (x, y, width, height) of the screen.
  draw(context, x, y, width, height) {
    if (!this.whole) return;
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = true;
    context.drawImage(this.whole, x, y, width, height);
    if (!this.part) return;
    const { box, found } = this.part;
    const [across, down] = [width / this.width, height / this.height];
    context.imageSmoothingEnabled = across < 3;
    context.drawImage(
      found, x + box.left * across, y + box.top * down, (box.right - box.left) * across, (box.bottom - box.top) * down,
    );
  }

  close() {
    this.fetching?.abort();
    this.whole?.close();
    this.part?.found.close();
    this.whole = this.part = null;
  }
}
