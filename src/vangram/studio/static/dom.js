// Elements, and the few that every part uses.

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (["value", "checked", "disabled", "hidden", "indeterminate"].includes(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Give an element these children in this order; those that have their place are not touched.
export function arrange(parent, nodes) {
  for (const each of [...parent.children]) if (!nodes.includes(each)) each.remove();
  nodes.forEach((node, index) => { if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null); });
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const PATHS = {
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  close: "M6 6l12 12M18 6L6 18",
  compare: "M12 3v18M4 6h8v12H4zM16 6h4v12h-4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  down: "M6 9l6 6 6-6",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  help: "M9 9a3 3 0 1 1 4 2.8c-.7.3-1 .8-1 1.7M12 17v.5",
  info: "M12 11v6M12 7v.5M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18",
  mask: "M4 20l4-1L19 8l-3-3L5 16zM13 8l3 3",
  first: "M12 19V7M7 12l5-5 5 5M6 4h12",
  pause: "M9 5v14M15 5v14",
  play: "M8 5l11 7-11 7z",
  plus: "M12 5v14M5 12h14",
  reset: "M5 12a7 7 0 1 1 2.3 5.2M5 17v-5h5",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  star: "M12 4l2.5 5.2 5.5.8-4 4 1 5.7-5-2.8-5 2.8 1-5.7-4-4 5.5-.8z",
  stop: "M7 7h10v10H7z",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  undo: "M9 7L4 12l5 5M4 12h10a5 5 0 0 1 0 10",
  redo: "M15 7l5 5-5 5M20 12H10a5 5 0 0 0 0 10",
};

export function icon(name) {
  const path = svg("path", { d: PATHS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.8,
    "stroke-linecap": "round", "stroke-linejoin": "round" });
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, path);
}

export function button(text, onclick, { sign, kind = "", ...props } = {}) {
  return el("button", { type: "button", class: kind, onclick, ...props }, sign && icon(sign), text);
}

// A button of an icon alone, with its name for those who do not see it.
export function iconButton(sign, name, onclick, { kind = "", ...props } = {}) {
  return el("button", { type: "button", class: `icon ${kind}`, "aria-label": name, title: name, onclick, ...props }, icon(sign));
}

// One of a few, side by side. `options` are [value, text].
export function segments(name, label, options, value, onchange) {
  return el("fieldset", { class: "segments" }, el("legend", { class: "unseen" }, label),
    options.map(([each, text]) => el("label", {},
      el("input", { type: "radio", name, value: each, checked: each === value, onchange: () => onchange(each) }), text)));
}

let number = 0;
export const unique = (word) => `${word}-${(number += 1)}`;
