// The page's words, from one table a language; elements name theirs with data-t (text) and data-t-label (aria-label, title).

let table = {};

export const language = () => document.documentElement.lang;

export async function load(code) {
  const answer = await fetch(`/texts/${code}.json`);
  table = await answer.json();
  document.documentElement.lang = code;
}

export function say(key, values = {}) {
  return (table[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

export function translate(root = document) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = say(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) label(element, say(element.dataset.tLabel));
}

export function label(element, text) {
  element.setAttribute("aria-label", text);
  if (element.matches("button")) element.title = text;
}

export function remember(name, value) {
  document.cookie = `${name}=${value}; Path=/; Max-Age=31536000; SameSite=Strict`;
}

export function number(value, digits = 0) {
  return value.toLocaleString(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function significant(value, digits) {
  return value.toLocaleString(language(), { maximumSignificantDigits: digits });
}

export function bytes(count) {
  return count < 1e6 ? `${number(Math.max(1, count / 1e3))}\u00a0kB` : `${number(count / 1e6, 1)}\u00a0MB`;
}
