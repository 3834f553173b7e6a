// Runs a network over a picture, tile by tile, away from the page, so that the page stays alive.

import { kind, planes, put, tiles } from "./tiles.js";

const SIDE = 768; // pixels of a tile of the result
const LIMIT = { side: 16384, megapixels: 120 }; // what browsers' canvases hold

let session = null; // of the network that was last used

self.onmessage = async ({ data: { file, network } }) => {
  try {
    await enlarge(file, network);
  } catch (error) {
    self.postMessage(error.key ? { problem: error.key, values: error.values } : { problem: "failed", values: { reason: `${error.message ?? error}` } });
  }
};

class Problem extends Error {
  constructor(key, values = {}) {
    super(key);
    Object.assign(this, { key, values });
  }
}

async function enlarge(file, network) {
  const start = performance.now();
  const { width, height, pixels } = await decoded(file, network.scale);
  const { grey, transparent } = kind(pixels);
  if (transparent) throw new Problem("transparent");
  const { ort, run, how } = await opened(network);
  const { scale } = network;
  const result = new ImageData(scale * width, scale * height);
  const all = tiles(height, width, Math.max(1, Math.floor(SIDE / scale / network.grid)) * network.grid, network.reach, network.grid);
  for (const [number, tile] of all.entries()) {
    const { seen } = tile;
    const image = new ort.Tensor("float32", planes(pixels, width, seen), [1, 3, seen.bottom - seen.top, seen.right - seen.left]);
    const made = (await run.run({ image })).result;
    put(await made.getData(), scale, tile, grey, result.data, result.width);
    made.dispose();
    self.postMessage({ done: number + 1, count: all.length, how });
  }
  const canvas = new OffscreenCanvas(result.width, result.height);
  canvas.getContext("2d").putImageData(result, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/png" });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  self.postMessage({ blob, width: result.width, height: result.height, seconds, how });
}

// The picture upright, in sRGB, with 8 bits.
async function decoded(file, scale) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" });
  } catch {
    throw new Problem("unreadable");
  }
  const { width, height } = bitmap;
  const large = { width: scale * width, height: scale * height };
  if (Math.max(large.width, large.height) > LIMIT.side || large.width * large.height > 1e6 * LIMIT.megapixels) {
    throw new Problem("large", { ...large, ...LIMIT });
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, pixels: context.getImageData(0, 0, width, height).data };
}

// The network, ready to run: by WebGPU where there is one, else by the processor, on all its threads where browsers let us.
async function opened(network) {
  if (session?.file === network.file) return session;
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const answer = await fetch(network.file);
  if (!answer.ok) throw new Error(`${network.file}: ${answer.status}`);
  const content = new Uint8Array(await answer.arrayBuffer());
  if (adapter && !adapter.info?.isFallbackAdapter) {
    try {
      return (session = { file: network.file, ...(await load("ort.webgpu.min.mjs", "webgpu", content)) });
    } catch (error) {
      console.warn("WebGPU was left for the processor:", error);
    }
  }
  return (session = { file: network.file, ...(await load("ort.wasm.min.mjs", "wasm", content)) });
}

async function load(script, provider, content) {
  const ort = await import(`./runtime/${script}`);
  const threads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
  ort.env.wasm.numThreads = threads;
  const run = await ort.InferenceSession.create(content, { executionProviders: [provider] });
  return { ort, run, how: { key: provider, values: { threads } } };
}
