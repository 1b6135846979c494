// Paint masks on the photograph: tools, keys, and what is seen of the layers.

import { open } from "./ask.js";
import { button, el, iconButton, segments } from "./dom.js";
import { colourOf } from "./layers.js";
import { maskFile, used } from "./masks.js";
import { panzoom } from "./panzoom.js";
import { complain, notice } from "./say.js";

const TOOLS = [["brush", "Brush"], ["eraser", "Eraser"], ["rectangle", "Rectangle"], ["fill", "Fill"]];
const KEYS = { b: "brush", e: "eraser", r: "rectangle", g: "fill" };
const KEPT = [255, 140, 0]; // colour of what is kept, as it is shown
const MOST = 400; // pixels of the brush

export function paint(photograph, painted, names, use) {
  const { layers } = painted;
  const count = names.length - 1;
  const state = { tool: "brush", target: count, size: Math.max(2, Math.round(Math.max(layers.width, layers.height) / 16)), opacity: 0.55, space: false };
  const overlay = el("canvas", { width: layers.width, height: layers.height, class: "overlay" });
  const context = overlay.getContext("2d");
  const image = context.createImageData(layers.width, layers.height);
  const frame = el("div", { class: "mark", hidden: true });
  const ring = el("div", { class: "ring", hidden: true });
  const world = el("div", { class: "world" }, photograph, overlay, frame, ring);
  world.style.width = `${layers.width}px`;
  world.style.height = `${layers.height}px`;
  const area = el("div", { class: "zoom painting", tabindex: 0, role: "group", "aria-label": "Photograph to paint masks on" }, world);

  const range = (label, id, value, least, most, oninput) => {
    const input = el("input", { type: "range", id, min: least, max: most, value, oninput: () => oninput(Number(input.value)) });
    return { input, node: el("label", { class: "small row", for: id }, label, input) };
  };
  const size = range("Size", "brush-size", state.size, 1, MOST, (to) => { state.size = to; });
  const feather = range("Soft edge", "feather", painted.feather, 0, 90, (to) => { painted.feather = to; });
  const opacity = range("Overlay", "opacity", 100 * state.opacity, 10, 100, (to) => { state.opacity = to / 100; overlay.style.opacity = state.opacity; });
  const choice = el("fieldset", { class: "swatches" }, el("legend", { class: "unseen" }, "Paint with"),
    [...names, "Kept as it is"].map((name, index) => {
      const colour = el("span", { class: "swatch", "aria-hidden": "true" });
      colour.style.background = `rgb(${(index > count ? KEPT : colourOf(index, count)).join()})`;
      return el("label", { class: "small" }, el("input", { type: "radio", name: "target", value: index, checked: index === state.target, onchange: () => { state.target = index; area.focus(); } }), colour, el("span", { class: "cut" }, name));
    }));
  const undo = iconButton("undo", "Undo", () => step("undo"), { kind: "small" });
  const redo = iconButton("redo", "Redo", () => step("redo"), { kind: "small" });
  const tools = segments("tool", "Tool", TOOLS, state.tool, (to) => { state.tool = to; area.focus(); });

  const dialog = open("Masks", "full", el("div", { class: "tools" }, choice, tools, size.node, feather.node, opacity.node,
    button("Invert", invert, { kind: "small" }), undo, redo), area);
  dialog.querySelector("header h2").after(button("Save", save, { sign: "save" }), button("Use these masks", done, { kind: "primary" }));
  const panned = panzoom(area, world, { width: layers.width, height: layers.height }, { drags: () => state.space, changed: ({ scale }) => area.classList.toggle("sharp", scale >= 3) });

  const layer = () => (state.target > count ? "kept" : "regions");
  const value = () => {
    const erases = state.tool === "eraser";
    if (layer() === "kept") return erases ? 0 : 1;
    return erases ? 0 : state.target;
  };

  function draw() {
    const { data } = image;
    for (let at = 0; at < layers.kept.length; at += 1) {
      const region = layers.regions[at];
      const shown = layers.kept[at] || region > 0;
      if (shown) data.set(layers.kept[at] ? KEPT : colourOf(region, count), 4 * at);
      data[4 * at + 3] = shown ? 255 : 0;
    }
    context.putImageData(image, 0, 0);
    undo.disabled = !layers.done.length;
    redo.disabled = !layers.undone.length;
  }

  let waiting = 0;
  const redraw = () => { waiting ||= requestAnimationFrame(() => { waiting = 0; draw(); }); };

  function step(which) {
    layers[which]();
    draw();
    area.focus();
  }

  function invert() {
    layers.begin(layer());
    if (layer() === "kept") layers.invert("kept", 0, 1);
    else layers.invert("regions", 0, state.target || count);
    layers.end();
    draw();
  }

  let last = null; // where the pointer was, while something is painted
  let first = null;
  area.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || state.space) return;
    if (last && panned.pinching()) { // a second finger: it was no stroke
      layers.end();
      layers.undo();
      last = null;
      return redraw();
    }
    first = last = panned.at(event);
    layers.begin(layer());
    if (state.tool === "fill") layers.fill(layer(), value(), first);
    else if (state.tool !== "rectangle") layers.stroke(layer(), value(), first, first, state.size);
    redraw();
  });
  area.addEventListener("pointermove", (event) => {
    const now = panned.at(event);
    const round = ["brush", "eraser"].includes(state.tool);
    ring.hidden = !round || event.pointerType === "touch";
    Object.assign(ring.style, { left: `${now[0] - state.size / 2}px`, top: `${now[1] - state.size / 2}px`, width: `${state.size}px`, height: `${state.size}px`, borderWidth: `${1.5 / panned.view.scale}px` });
    if (!last) return;
    if (round) {
      layers.stroke(layer(), value(), last, now, state.size);
      redraw();
    } else if (state.tool === "rectangle") {
      frame.hidden = false;
      Object.assign(frame.style, { left: `${Math.min(first[0], now[0])}px`, top: `${Math.min(first[1], now[1])}px`, width: `${Math.abs(now[0] - first[0])}px`, height: `${Math.abs(now[1] - first[1])}px`, borderWidth: `${1.5 / panned.view.scale}px` });
    }
    last = now;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    area.addEventListener(end, (event) => {
      if (!last) return;
      if (state.tool === "rectangle") layers.rectangle(layer(), value(), first, panned.at(event));
      layers.end();
      last = null;
      frame.hidden = true;
      draw();
    });
  }
  area.addEventListener("pointerleave", () => { ring.hidden = true; });

  dialog.addEventListener("keydown", (event) => {
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (control && key === "z") step(event.shiftKey ? "redo" : "undo");
    else if (control && key === "y") step("redo");
    else if (control || event.target.matches("input[type=text]")) return;
    else if (event.key === "[" || event.key === "]" || event.key === "{" || event.key === "}") {
      state.size = Math.min(Math.max(state.size + ("[{".includes(event.key) ? -1 : 1) * (event.shiftKey ? 10 : 1), 1), MOST);
      size.input.value = state.size;
    } else if (key === "x") pick(state.tool === "brush" ? "eraser" : "brush");
    else if (key in KEYS) pick(KEYS[key]);
    else if (event.key === " " && event.target === area) {
      state.space = true;
      area.classList.add("pans");
    } else return;
    event.preventDefault();
  });
  dialog.addEventListener("keyup", (event) => { if (event.key === " ") { state.space = false; area.classList.remove("pans"); } });

  function pick(tool) {
    state.tool = tool;
    tools.querySelector(`[value=${tool}]`).checked = true;
    area.focus();
  }

  async function save() {
    try {
      const has = used(painted, names);
      for (const name of ["regions", "kept"].filter((each) => has[each])) {
        const file = await maskFile(painted, name, count);
        const link = el("a", { href: URL.createObjectURL(file), download: file.name });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      }
      if (!has.regions && !has.kept) notice("Nothing is painted yet.");
    } catch (error) {
      notice(error.message, { error: true });
    }
  }

  async function done(event) {
    const { currentTarget: pressed } = event;
    pressed.disabled = true;
    try {
      await use(names);
      dialog.close();
    } catch (error) {
      if (error.constructor === Error) notice(error.message, { error: true });
      else complain(error);
      pressed.disabled = false;
    }
  }

  overlay.style.opacity = state.opacity;
  draw();
  panned.fit();
  area.focus();
  return dialog.closed.then(() => panned.end());
}
