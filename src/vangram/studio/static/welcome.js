// Nothing to show yet: what to do first.

import { get } from "./api.js";
import { on } from "./bus.js";
import { button, el } from "./dom.js";
import { choosing } from "./drop.js";
import { form, missing, takes } from "./form.js";
import { takeExample } from "./inputs.js";
import { complain } from "./say.js";

const TITLES = { texture: "A texture, made of a painting", reconstruct: "A photograph, made anew of its features" };
const FIRST = { texture: "Drop a painting", reconstruct: "Drop a photograph" };

export function welcome() {
  const title = el("h2", {});
  const text = el("p", { class: "quiet" });
  const actions = el("div", { class: "row wrap" });
  let shown = null;
  const draw = () => {
    const ready = !missing();
    if (`${ready} ${form.kind}` === shown) return;
    shown = `${ready} ${form.kind}`;
    title.textContent = ready ? "Ready" : TITLES[form.kind] ?? "A photograph, in the style of a painting";
    text.textContent = ready ? "Press Run. The picture grows here; it stays safe when this page is closed."
      : `${FIRST[form.kind] ?? "Drop both"} anywhere on this page, paste, or choose files. Nothing leaves this machine.`;
    actions.replaceChildren(...(ready ? [] : [
      button("Choose files", () => choosing(!form.content && takes("content") ? null : "styles"), { kind: "primary" }),
      button("Try an example", tryExample)]));
  };
  draw();
  on("form", draw);
  return { node: el("div", { class: "view welcome" }, title, text, actions) };
}

async function tryExample() {
  try {
    const { examples } = await get("/examples");
    for (const [role, kind] of [["content", "photo"], ["styles", "painting"]]) {
      const first = examples.find((each) => each.role === kind);
      if (first && takes(role === "content" ? "content" : "style") && !(role === "content" ? form.content : form.styles.length)) await takeExample(role, first.id);
    }
    document.getElementById("run").focus();
  } catch (error) {
    complain(error);
  }
}
