// Lines for people: notices that pass, words for screen readers, numbers as text.

import { button, el, iconButton } from "./dom.js";

const SECONDS = 8;

// Show a line; `act` is [text, function], what can be done about it.
export function notice(text, { error = false, act = null } = {}) {
  const line = el("div", { class: error ? "toast error" : "toast" }, el("p", {}, sentence(text)));
  const close = () => line.remove();
  if (act) line.append(button(act[0], () => { close(); act[1](); }, { kind: "small" }));
  line.append(iconButton("close", "Close", close, { kind: "plain small" }));
  // a modal dialog covers everything else
  (document.querySelector("dialog[open] .notices") ?? document.getElementById("toasts")).append(line);
  if (!error) setTimeout(close, SECONDS * 1000);
}

export function complain(error) {
  if (error.status === undefined) console.error(error); // none of the server's
  notice(error.message, { error: true });
}

export function announce(text) {
  document.getElementById("live").textContent = text;
}

// A line with a capital; the name of a setting, as "tv_weight", stays as it is written.
export const sentence = (text) => (/^[a-z]+_/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1));

export const words = (name) => sentence(name.replaceAll("_", " ").replace(/^tv /, "TV "));

export const kindName = (kind) => ({ stylize: "Repaint" })[kind] ?? words(kind);

export const dimensions = (size) => `${size.width} × ${size.height} px`;

export function duration(seconds) {
  if (seconds < 1) return "a moment";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${Math.round(hours / 24)} days`;
}

export function bytes(count) {
  const power = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), 4);
  const value = count / 10 ** (3 * power);
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

export const short = (value) =>
  typeof value === "number" ? String(Number(value.toPrecision(4))) : Array.isArray(value) ? value.map(short).join(", ")
    : value && typeof value === "object" ? Object.entries(value).map(([k, v]) => `${k}=${short(v)}`).join(", ")
    : value === true ? "yes" : value === false ? "no" : value === null ? "–" : String(value);

export function when(text) {
  const date = new Date(text);
  const today = date.toDateString() === new Date().toDateString();
  const options = today ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return date.toLocaleString(undefined, options);
}

export async function copy(text, name) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no clipboard where the page came over plain HTTP from another machine
    const area = el("textarea", { value: text, class: "unseen" });
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  notice(`${name} copied.`);
}
