// Several paintings: strips as wide as their shares, with borders that one drags.

import { el } from "./dom.js";
import { form, set, value } from "./form.js";

const LEAST = 0.02;

export function sharesNow() {
  const given = value("blend");
  const raw = given.length === form.styles.length ? given : form.styles.map(() => 1);
  const sum = raw.reduce((a, b) => a + b, 0) || 1;
  return raw.map((each) => each / sum);
}

export function shares() {
  let now = sharesNow();
  const strips = form.styles.map((each) => el("div", { class: "strip" }, el("img", { src: each.thumbnail, alt: `Painting: ${each.name}` })));
  const handles = form.styles.slice(1).map((each, index) => handle(index));
  const node = el("div", { class: "shares" }, strips, handles);

  function handle(index) {
    const knob = el("div", {
      role: "slider", tabindex: 0, class: "knob", "aria-label": `Share of ${form.styles[index].name} beside ${form.styles[index + 1].name}`,
      "aria-valuemin": 0, "aria-valuemax": 100,
      onkeydown: (event) => {
        const by = { ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05 }[event.key];
        if (!by) return;
        event.preventDefault();
        move(index, before(index) + now[index] + by);
        settle();
      },
      onpointerdown: (event) => {
        event.preventDefault();
        knob.focus();
        knob.setPointerCapture(event.pointerId);
        const frame = node.getBoundingClientRect();
        knob.onpointermove = (moved) => move(index, (moved.clientX - frame.left) / frame.width);
        knob.onpointerup = knob.onpointercancel = () => { knob.onpointermove = null; settle(); };
      },
    });
    return knob;
  }

  const before = (index) => now.slice(0, index).reduce((a, b) => a + b, 0);

  // Put the border after a painting at a place from 0 to 1; the two beside it share what they had.
  function move(index, place) {
    const start = before(index);
    const pair = now[index] + now[index + 1];
    const first = Math.min(Math.max(place - start, LEAST), pair - LEAST);
    now = now.with(index, first).with(index + 1, pair - first);
    draw();
  }

  function settle() {
    const rounded = now.map((each) => Number(each.toFixed(2)));
    set("blend", rounded.every((each) => Math.abs(each - 1 / now.length) < 0.006) ? [] : rounded);
  }

  function draw() {
    now.forEach((share, index) => {
      strips[index].style.flexGrow = share;
      const said = document.querySelector(`[data-share="${index}"]`);
      if (said) said.textContent = `${Math.round(100 * share)} %`;
      const knob = handles[index];
      if (!knob) return;
      knob.style.left = `${100 * (before(index) + share)}%`;
      knob.setAttribute("aria-valuenow", Math.round((100 * share) / (share + now[index + 1])));
    });
  }
  queueMicrotask(draw); // once the chips are there
  return node;
}
