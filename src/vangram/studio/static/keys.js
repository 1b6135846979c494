// The keyboard, and the list of its keys.

import { open } from "./ask.js";
import { el, iconButton } from "./dom.js";
import { run } from "./estimate.js";
import { giveUp } from "./growing.js";
import { ask } from "./jobs.js";
import { shownJob } from "./stage.js";

const SINGLE = "vangram-single-keys";

const job = (states, act) => () => { const now = shownJob(); if (now && states.includes(now.state)) act(now); };
const press = (key) => () => document.querySelector(`#stage [data-key="${key}"]`)?.click();

// Keys without a modifier act outside text alone, and can be turned off.
const KEYS = [
  ["Ctrl+Enter", "Run", run],
  ["P", "Pause, and go on", job(["running", "queued", "paused", "stopped"], (now) => ask(now, ["running", "queued"].includes(now.state) ? "pause" : "resume"))],
  ["S", "Stop and keep", job(["running", "paused"], (now) => ask(now, "stop"))],
  ["Shift+X", "Give up", job(["running", "queued", "paused"], giveUp)],
  ["F", "Look at the picture closely", () => document.querySelector("#stage .picture")?.click()],
  ["C", "Compare with the photograph", press("compare")],
  ["I", "Recipe and command", press("info")],
  ["M", "Paint masks", () => document.getElementById("paint-masks")?.click()],
  ["H", "Go to the history", () => document.querySelector(".gallery button[tabindex='0']")?.focus()],
  ["?", "This list", list],
];
const OTHERS = [
  ["Arrows", "In the history: to the next picture; on a slider: its value"],
  ["Enter", "In the history: show the picture; with Alt: compare with the one shown"],
  ["Del", "In the history: to the bin"],
  ["Esc", "Close what is open"],
];

let single = true;

export function keys() {
  try {
    single = localStorage.getItem(SINGLE) !== "off";
  } catch { /* no storage */ }
  document.getElementById("bar-buttons").append(iconButton("help", "Keys", list, { kind: "plain" }));
  addEventListener("keydown", (event) => {
    if (event.repeat || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const control = event.ctrlKey || event.metaKey;
    const name = `${control ? "Ctrl+" : ""}${event.shiftKey && /^[a-z]$/i.test(event.key) ? "Shift+" : ""}${event.key.length === 1 ? event.key.toUpperCase() : event.key}`;
    const found = KEYS.find(([key]) => key === name);
    if (!found || event.altKey || (!control && (!single || isTyping(event.target)))) return;
    event.preventDefault();
    found[2]();
  });
}

const isTyping = (target) => Boolean(target.closest?.("textarea, select, input:not([type=checkbox], [type=radio], [type=range])"));

function list() {
  const box = el("input", { type: "checkbox", checked: single, onchange: () => {
    single = box.checked;
    try {
      localStorage.setItem(SINGLE, single ? "on" : "off");
    } catch { /* no storage: for this page alone */ }
  } });
  open("Keys", "choice", el("div", { class: "body" },
    el("dl", { class: "keys" }, [...KEYS, ...OTHERS].map(([key, text]) => el("div", {}, el("dt", {}, key.split("+").map((each) => el("kbd", {}, each))), el("dd", {}, text)))),
    el("label", { class: "row small" }, box, "Keys without Ctrl or Shift act outside text fields")));
}
