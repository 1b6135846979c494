// The photograph and the paintings: empty, shown, replaced, removed.

import { get, post } from "./api.js";
import { on } from "./bus.js";
import { button, el, icon, iconButton } from "./dom.js";
import { choosing } from "./drop.js";
import { form, change, takes } from "./form.js";
import * as masks from "./masks.js";
import { complain, sentence } from "./say.js";
import { shares } from "./shares.js";

const EMPTY = { content: ["Photograph", "photo"], styles: ["Painting", "painting"] };
const HINT = "drop, paste or choose";

export function inputs() {
  const node = el("div", { class: "inputs" });
  const shown = { content: el("div", {}), styles: el("div", {}) };
  const files = examplesOf();
  node.append(shown.content, shown.styles);

  function draw() {
    shown.content.hidden = !takes("content");
    shown.styles.hidden = !takes("style");
    node.classList.toggle("single", !takes("content") || !takes("style"));
    shown.content.replaceChildren(form.content ? photograph() : empty("content", files));
    shown.styles.replaceChildren(form.styles.length ? paintings() : empty("styles", files));
  }
  draw();
  on("form", ({ all, content, styles, kind, mask, keep, style_masks, start }) => {
    if ([all, content, styles, kind, mask, keep, style_masks, start].some((each) => each !== undefined)) {
      const id = document.activeElement?.id;
      draw();
      if (id) document.getElementById(id)?.focus();
    }
  });
  return node;
}

function examplesOf() {
  const found = get("/examples").then((answer) => answer.examples);
  found.catch(complain);
  return found;
}

function empty(role, files) {
  const [title, kind] = EMPTY[role];
  const list = el("div", { class: "examples" });
  files.then((examples) => list.replaceChildren(...examples.filter((each) => each.role === kind).map((each) => {
    const name = each.name.replace(/\.\w+$/, "").replaceAll("-", " ");
    return el("button", { type: "button", class: "plain", title: name, onclick: () => takeExample(role, each.id) },
      el("img", { src: each.thumbnail, alt: `Example: ${name}`, loading: "lazy" }));
  }))).catch(() => {});
  return el("div", { class: "slot", "data-role": role }, heading(title),
    el("button", { type: "button", class: "drop", id: `choose-${role}`, "aria-label": `${title}: ${HINT}`, onclick: () => choosing(role) },
      icon("plus"), el("span", { class: "quiet tiny" }, sentence(HINT))),
    el("p", { class: "quiet tiny" }, "or an example"), list);
}

const heading = (title, ...rest) => el("div", { class: "row spread heading" }, el("h2", {}, title), ...rest);

export async function takeExample(role, id) {
  try {
    const picture = await post(`/examples/${id}`);
    change(role === "content" ? withPhotograph(picture) : { styles: [picture] });
  } catch (error) {
    complain(error);
  }
}

// A new photograph leaves no mask of the one before.
export const withPhotograph = (content) =>
  form.content?.id === content.id ? { content } : { content, mask: null, keep: null, style_masks: [] };

function photograph() {
  const { content } = form;
  return el("div", { class: "slot", "data-role": "content" },
    heading("Photograph", iconButton("close", "Remove the photograph", () => change({ content: null, mask: null, keep: null }), { kind: "plain small" })),
    el("button", { type: "button", class: "picture", id: "choose-content", title: "Choose another photograph", onclick: () => choosing("content") },
      el("img", { src: content.thumbnail, alt: `Photograph: ${content.name}` })),
    el("p", { class: "tiny quiet cut", title: content.name }, content.name),
    content.notes.map((note) => el("p", { class: "tiny quiet" }, note)),
    masks.summary());
}

function paintings() {
  const several = form.styles.length > 1;
  return el("div", { class: "slot", "data-role": "styles" },
    heading(several ? "Paintings" : "Painting", el("div", { class: "row" },
      iconButton("plus", "Add a painting", () => choosing("add"), { kind: "plain small", id: "add-painting" }),
      !several && removal(0))),
    several ? shares() : el("button", { type: "button", class: "picture", id: "choose-styles", title: "Choose another painting", onclick: () => choosing("styles") },
      el("img", { src: form.styles[0].thumbnail, alt: `Painting: ${form.styles[0].name}` })),
    several ? el("ul", { class: "chips" }, form.styles.map(chip))
      : el("p", { class: "tiny quiet cut", title: form.styles[0].name }, form.styles[0].name));
}

const chip = (picture, index) => el("li", { class: "row" }, el("img", { src: picture.thumbnail, alt: "" }),
  el("span", { class: "tiny quiet cut", title: picture.name }, picture.name),
  el("span", { class: "tiny number", "data-share": index }), removal(index));

const removal = (index) => iconButton("close", `Remove ${form.styles[index].name}`,
  () => change({ styles: form.styles.filter((_, each) => each !== index), style_masks: [] }), { kind: "plain small" });

// The picture that a run starts from, where one was given.
export function start() {
  const node = el("div", { class: "start row small" });
  const draw = () => {
    node.hidden = !form.start || !takes("content") || !takes("style");
    node.replaceChildren(...(form.start ? [
      el("img", { src: form.start.thumbnail, alt: "" }), el("span", { class: "cut" }, `Starts from ${form.start.name}`),
      button("Remove", () => change({ start: null }), { kind: "small plain" })] : []));
  };
  draw();
  on("form", draw);
  return node;
}

