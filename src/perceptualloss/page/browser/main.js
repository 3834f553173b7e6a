// The page that enlarges pictures where they are: choosing, dropping, progress, the result.

import { language, say, theme } from "./texts.js";

const at = (id) => document.getElementById(id);
let file = null;
let worker = null;

document.documentElement.lang = language;
if (theme) document.documentElement.dataset.theme = theme;
for (const part of document.querySelectorAll("[data-t]")) part.textContent = say(part.dataset.t);
for (const part of document.querySelectorAll("[data-t-label]")) part.ariaLabel = say(part.dataset.tLabel);
document.title = say("title");

at("waiting").textContent = say("preparing"); // the server writes the networks when somebody asks first
const offer = await (await fetch("networks.json")).json().catch((error) => ({ missing: "offer", command: error }));
at("waiting").hidden = true;
if (offer.missing) {
  at("missing").textContent = say(`missing_${offer.missing}`, { command: offer.command });
} else {
  for (const network of offer.networks) at("network").add(new Option(`x${network.scale}: ${network.name}`, network.file));
}
at("missing").hidden = !offer.missing;
at("tool").hidden = Boolean(offer.missing);

at("choose").onclick = () => at("file").click();
at("file").onchange = () => choose(at("file").files[0]);
at("run").onclick = run;
at("cancel").onclick = () => {
  worker.terminate();
  worker = null;
  ended(say("cancelled"));
};
document.ondragover = (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
};
document.ondragleave = () => at("drop").classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  choose(event.dataTransfer.files[0]);
};
document.documentElement.dataset.ready = "yes";

function choose(chosen) {
  if (!chosen) return;
  file = chosen;
  at("name").textContent = file.name;
  at("run").disabled = worker?.busy ?? false;
}

function run() {
  worker ??= new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => told(data);
  worker.onerror = (event) => told({ problem: "failed", values: { reason: event.message ?? "worker" } });
  worker.busy = true;
  at("run").disabled = true;
  at("cancel").hidden = at("progress").hidden = false;
  at("problem").hidden = at("result").hidden = true;
  at("progress").value = 0;
  at("state").textContent = say("loading");
  worker.postMessage({ file, network: offer.networks[at("network").selectedIndex] });
}

function told(data) {
  const how = data.how && say(data.how.key, data.how.values);
  if (data.problem) {
    at("problem").textContent = say(data.problem, data.values);
    at("problem").hidden = false;
    ended("");
  } else if (data.blob) {
    URL.revokeObjectURL(at("picture").src);
    at("picture").src = at("download").href = URL.createObjectURL(data.blob);
    at("picture").alt = at("download").download = `${file.name.replace(/\.[^.]*$/, "")}-upscale.png`;
    at("result").hidden = false;
    ended(say("finished", { ...data, how }));
  } else {
    at("progress").value = data.done / data.count;
    at("state").textContent = say("working", { ...data, how });
  }
}

function ended(words) {
  if (worker) worker.busy = false;
  at("run").disabled = !file;
  at("cancel").hidden = at("progress").hidden = true;
  at("state").textContent = words;
}
