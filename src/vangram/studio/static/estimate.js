// What a run will take, told before it begins; and the button that begins it.

import { post, postOnce } from "./api.js";
import { on, tell } from "./bus.js";
import { button, el } from "./dom.js";
import * as form from "./form.js";
import { takeJob } from "./jobs.js";
import { makeWay } from "./presets.js";
import { bytes, complain, dimensions, duration, sentence } from "./say.js";

const MILLISECONDS = 350; // without a change, before the server is asked

export function estimate() {
  const line = el("p", { class: "small number", id: "estimate" });
  const notes = el("ul", { class: "tiny quiet" });
  const start = button("Run", run, { sign: "play", kind: "primary", id: "run", "aria-describedby": "estimate", "aria-keyshortcuts": "Control+Enter" });
  const more = el("div", { class: "row" });
  const node = el("div", { class: "begin" }, line, notes, el("div", { class: "row" }, start, more));
  let asked = 0;
  let timer = 0;
  let waiting = new AbortController();

  async function plan() {
    const mine = (asked += 1);
    waiting.abort();
    waiting = new AbortController();
    const lacking = form.missing();
    line.classList.remove("bad");
    notes.replaceChildren();
    start.disabled = Boolean(lacking) || busy > 0;
    if (lacking || busy) {
      line.textContent = busy ? "Uploading …" : lacking;
      return;
    }
    line.textContent = "Estimating …";
    try {
      const plan = await post("/plan", form.body(), {}, waiting.signal);
      if (mine !== asked) return;
      const levels = plan.tile ? `in tiles of ${plan.tile} px` : null;
      line.textContent = [dimensions(plan.size), `at most ${duration(plan.seconds)}`, bytes(plan.memory), levels].filter(Boolean).join(" · ");
      notes.replaceChildren(...plan.notes.map((note) => el("li", {}, sentence(note))));
      tell("refused", null);
    } catch (error) {
      if (mine !== asked) return;
      line.textContent = sentence(error.message);
      line.classList.add("bad");
      tell("refused", error.message);
    }
    tell("estimated");
  }

  let busy = 0;
  on("uploading", (count) => { busy = count; plan(); });
  on("form", () => { clearTimeout(timer); timer = setTimeout(plan, MILLISECONDS); start.disabled = Boolean(form.missing()) || busy > 0; });
  plan();
  return { node, more };
}

let starting = false;

export async function run() {
  const field = document.activeElement;
  if (field?.matches("input")) { // what is being typed counts
    field.blur();
    field.focus();
  }
  if (form.missing() || starting) return;
  starting = true;
  const start = document.getElementById("run");
  start.setAttribute("aria-busy", "true");
  try {
    makeWay();
    const job = await postOnce("/jobs", form.body());
    takeJob(job);
    tell("select", { job: job.id });
  } catch (error) {
    complain(error);
    tell("refused", error.message);
  } finally {
    starting = false;
    start.removeAttribute("aria-busy");
  }
}
