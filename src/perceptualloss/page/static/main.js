// The page: its header, how a picture comes in, and what is told when something is refused.

import * as api from "./api.js";
import { Compare } from "./compare.js";
import { Panel } from "./panel.js";
import * as texts from "./texts.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const { say } = texts;

await texts.load(texts.language());
const offers = await api.offers();
const viewer = new Viewer({ stage: $("stage"), canvas: $("canvas"), divider: $("divider"), full: $("zoom-full") });
const compare = new Compare(viewer, complain);
const panel = new Panel(offers, compare, complain);
let current = null;
let failure = null;

translate();
header();
incoming();
document.documentElement.dataset.ready = "true";

function translate() {
  texts.translate();
  const { pixels, bytes, minutes } = offers.limits;
  $("limits").textContent = say("limits", { megapixels: pixels / 1e6, megabytes: bytes / 1e6, minutes });
  panel.translate();
  compare.update();
  if (failure) complain(failure);
}

function header() {
  $("language").onchange = async () => {
    texts.remember("language", $("language").value);
    await texts.load($("language").value);
    translate();
  };
  $("theme").onclick = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    texts.remember("theme", root.dataset.theme);
    viewer.paint();
  };
  $("zoom-in").onclick = () => viewer.zoomTo(viewer.zoom * 1.5);
  $("zoom-out").onclick = () => viewer.zoomTo(viewer.zoom / 1.5);
  $("zoom-full").onclick = () => viewer.fullSize();
  $("zoom-fit").onclick = () => viewer.fit();
  $("error-close").onclick = () => hush();
  $("delete").onclick = async () => {
    await attempt(api.forget);
    leave();
    $("status").textContent = say("deleted");
  };
  document.addEventListener("keydown", (event) => event.key === "Escape" && hush());
}

function incoming() {
  for (const id of ["choose", "other"]) $(id).onclick = () => $("file").click();
  $("file").onchange = () => {
    take($("file").files[0]);
    $("file").value = "";
  };
  for (const button of document.querySelectorAll("[data-example]")) {
    button.onclick = async () => {
      await receive(() => api.example(button.dataset.example));
      if (button.dataset.restore) panel.suggest(button.dataset.restore);
      else if (panel.task === "restore") panel.choose("upscale");
    };
  }
  let depth = 0; // dragenter and dragleave come for every element on the way
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => carries(event) && ($("veil").hidden = (depth += 1) === 0));
  document.addEventListener("dragleave", (event) => carries(event) && ($("veil").hidden = (depth -= 1) <= 0));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    $("veil").hidden = true;
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) take(file);
    else if (!event.target.closest("input, select")) complain(new api.Refusal("clipboard"));
  });
}

function take(file) {
  if (!file) return;
  if (file.size > offers.limits.bytes) complain(new api.Refusal("too_many_bytes", { megabytes: offers.limits.bytes / 1e6 }));
  else receive(() => api.upload(file, (share) => wait(say(share < 1 ? "uploading" : "reading", { percent: Math.floor(100 * share) }))));
}

async function receive(bring) {
  hush();
  wait(say("reading"));
  const picture = await attempt(bring);
  wait("");
  if (!picture) return;
  if (current) api.remove(current.id).catch(() => {}); // it may be gone already
  current = picture;
  $("start").hidden = true;
  $("work").hidden = false;
  viewer.resized();
  panel.begin(picture);
  compare.begin(picture);
  $("run").focus({ preventScroll: true });
  scrollTo(0, 0);
}

function leave() {
  current = null;
  compare.end();
  viewer.clear();
  $("work").hidden = true;
  $("start").hidden = false;
  $("choose").focus();
}

function wait(text) {
  $("choose").disabled = $("other").disabled = Boolean(text);
  const button = current ? $("other") : $("choose");
  button.textContent = text || say(button.dataset.t);
}

async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    complain(error);
    return null;
  }
}

function complain(error) {
  failure = error instanceof api.Refusal ? error : new api.Refusal("bug", {}, String(error));
  if (failure !== error) console.error(error);
  $("error").hidden = false;
  $("error-text").textContent = failure.text;
  $("error-more").hidden = !failure.detail;
  $("error-detail").textContent = failure.detail;
}

function hush() {
  failure = null;
  $("error").hidden = true;
}
