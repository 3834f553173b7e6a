// How a picture is cut into tiles that overlap, and how what a network makes of them becomes pixels.

// The tiles of a picture: the part that is kept, and the part that the network sees, which reaches further.
export function tiles(height, width, side, reach, grid) {
  const found = [];
  for (let top = 0; top < height; top += side) {
    for (let left = 0; left < width; left += side) {
      const kept = { top, left, bottom: Math.min(top + side, height), right: Math.min(left + side, width) };
      found.push({
        kept,
        seen: {
          top: Math.floor(Math.max(kept.top - reach, 0) / grid) * grid,
          left: Math.floor(Math.max(kept.left - reach, 0) / grid) * grid,
          bottom: Math.min(kept.bottom + reach, height),
          right: Math.min(kept.right + reach, width),
        },
      });
    }
  }
  return found;
}

// The seen part of a picture of 8 bits (RGBA) as the network takes it: planes of R, G and B in [0, 1].
export function planes(pixels, width, { top, left, bottom, right }) {
  const rows = bottom - top;
  const columns = right - left;
  const values = new Float32Array(3 * rows * columns);
  for (let channel = 0, to = 0; channel < 3; channel++) {
    for (let row = top; row < bottom; row++) {
      for (let from = 4 * (row * width + left) + channel, n = 0; n < columns; n++, from += 4) values[to++] = pixels[from] / 255;
    }
  }
  return values;
}

// Write what is kept of a network's result (planes) into pixels of 8 bits (RGBA), cut to [0, 1] and rounded.
export function put(values, scale, { kept, seen }, grey, pixels, width) {
  const columns = scale * (seen.right - seen.left);
  const plane = columns * scale * (seen.bottom - seen.top);
  for (let row = scale * kept.top; row < scale * kept.bottom; row++) {
    let from = (row - scale * seen.top) * columns + scale * (kept.left - seen.left);
    let to = 4 * (row * width + scale * kept.left);
    for (let n = scale * (kept.right - kept.left); n > 0; n--, from++, to += 4) {
      const [red, green, blue] = [values[from], values[from + plane], values[from + 2 * plane]];
      const mean = (red + green + blue) / 3;
      pixels[to] = 255 * (grey ? mean : red); // a clamped array cuts and rounds
      pixels[to + 1] = 255 * (grey ? mean : green);
      pixels[to + 2] = 255 * (grey ? mean : blue);
      pixels[to + 3] = 255;
    }
  }
}

// Whether every pixel is grey, and whether one is not opaque.
export function kind(pixels) {
  let grey = true;
  for (let at = 0; at < pixels.length; at += 4) {
    if (pixels[at + 3] !== 255) return { grey, transparent: true };
    grey &&= pixels[at] === pixels[at + 1] && pixels[at] === pixels[at + 2];
  }
  return { grey, transparent: false };
}
