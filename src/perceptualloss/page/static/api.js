// What the server is asked. Every failure is a Refusal with words in the visitor's language.

import { say } from "./texts.js";

const POLL = 200; // milliseconds between two looks at a job

export class Refusal extends Error {
  constructor(code, values = {}, detail = "") {
    super(code);
    Object.assign(this, { code, values, detail });
  }

  get text() {
    return say(`error.${this.code}`, this.values);
  }
}

async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("network");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw await refusal(answer);
}

async function refusal(answer) {
  try {
    const { error } = await answer.json();
    return new Refusal(error.code, error.values, error.detail);
  } catch {
    return new Refusal(answer.status === 503 ? "busy" : "network");
  }
}

export const offers = () => ask("/api/offers");
export const example = (name) => ask(`/api/examples/${name}`, { method: "POST" });
export const forget = () => ask("/api/session", { method: "DELETE" });
export const remove = (id) => ask(`/api/images/${id}`, { method: "DELETE" });

// XMLHttpRequest, because fetch does not say how much is sent.
export function upload(file, tell) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/pictures?name=${encodeURIComponent(file.name || "picture")}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => tell(event.loaded / event.total);
    request.onerror = () => reject(new Refusal("network"));
    request.onload = () => {
      const said = request.response;
      if (request.status === 201) resolve(said);
      else if (said?.error) reject(new Refusal(said.error.code, said.error.values, said.error.detail));
      else reject(new Refusal(request.status === 503 ? "busy" : "network"));
    };
    request.send(file);
  });
}

// Begin work and wait for its result; `signal` cancels it on the server, too.
export async function work(request, tell = () => {}, signal = null) {
  let job = await ask("/api/jobs", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });
  while (job.state === "waiting" || job.state === "running") {
    tell(job);
    await new Promise((resolve) => setTimeout(resolve, POLL));
    if (signal?.aborted) await ask(`/api/jobs/${job.id}`, { method: "DELETE" });
    job = await ask(`/api/jobs/${job.id}`);
    if (signal?.aborted) throw new DOMException("cancelled", "AbortError");
  }
  if (job.state === "cancelled") throw new DOMException("cancelled", "AbortError");
  if (job.state === "failed") throw new Refusal(job.error.code, job.error.values, job.error.detail);
  tell({ ...job, share: 1 });
  return job.result;
}

export async function bitmap(id, box, reduce, signal) {
  const part = box ? `&top=${box.top}&bottom=${box.bottom}&left=${box.left}&right=${box.right}` : "";
  const answer = await fetch(`/api/images/${id}?reduce=${reduce}${part}`, { signal });
  if (!answer.ok) throw await refusal(answer);
  return createImageBitmap(await answer.blob());
}
