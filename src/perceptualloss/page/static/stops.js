// What one enlargement gave at each perception that was computed, and what comes nearest between them.

export class Stops {
  constructor(request) {
    this.request = request; // without its perception
    this.found = new Map();
  }

  add(perception, result) {
    this.found.set(round(perception), result);
  }

  at(perception) {
    return this.found.get(round(perception)) ?? null;
  }

  // The exact result, a mix of its two neighbours, or the nearest: {source, low, high, exact}.
  near(perception) {
    const exact = this.at(perception);
    if (exact) return { source: exact, low: perception, high: perception, exact: true };
    const values = [...this.found.keys()].sort((a, b) => a - b);
    const low = values.filter((value) => value < perception).at(-1);
    const high = values.find((value) => value > perception);
    if (low === undefined || high === undefined) {
      const only = low ?? high;
      return only === undefined ? null : { source: this.found.get(only), low: only, high: only, exact: false };
    }
    const share = (perception - low) / (high - low);
    return { source: { low: this.found.get(low), high: this.found.get(high), share }, low, high, exact: false };
  }
}

const round = (value) => Math.round(100 * value) / 100;
