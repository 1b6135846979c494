// How a picture was made: what was given, what differs from the defaults, the command.

import { get } from "./api.js";
import { button, el } from "./dom.js";
import { copy, sentence, short, words } from "./say.js";

const INPUTS = { content: "Photograph", styles: "Painting", mask: "Mask", style_masks: "Painting's mask", keep: "Kept", start: "Starts from" };

export function recipe(made) {
  const given = Object.entries(INPUTS).flatMap(([name, title]) => [made.inputs[name] ?? []].flat().map((input) => inputRow(title, input)));
  const changed = Object.entries(made.changed).map(([name, value]) => row(words(name), short(value)));
  const versions = Object.entries(made.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return el("div", { class: "recipe" },
    el("dl", {}, given, changed, changed.length ? [] : row("Settings", "the defaults"), row("Made by", versions, "wide")),
    el("pre", { class: "tiny", tabindex: 0, "aria-label": "Command" }, made.command),
    el("div", { class: "row wrap" },
      button("Copy command", () => copy(made.command, "Command"), { sign: "copy", kind: "small" }),
      button("Copy recipe", () => copy(toml(made.settings), "Recipe"), { sign: "copy", kind: "small" })));
}

const row = (name, value, kind = null) => el("div", { class: kind }, el("dt", {}, sentence(name)), el("dd", { class: "number" }, value));

function inputRow(title, input) {
  const picture = el("span", {});
  if (input.picture) get(`/pictures/${input.picture}`).then((found) => picture.append(el("img", { src: found.thumbnail, alt: "" }))).catch(() => {});
  return el("div", {}, el("dt", {}, title), el("dd", { class: "row" }, picture, el("span", { class: "cut", title: input.name }, input.name)));
}

// A recipe as `--recipe` reads it; what is not set is left out.
export function toml(settings) {
  const of = (value) => (Array.isArray(value) ? `[${value.map(of).join(", ")}]`
    : typeof value === "object" ? `{ ${Object.entries(value).map(([name, each]) => `${name} = ${of(each)}`).join(", ")} }`
    : JSON.stringify(value));
  const set = Object.entries(settings).filter(([, value]) => value !== null && !(Array.isArray(value) && !value.length));
  return `${set.map(([name, value]) => `${name} = ${of(value)}`).join("\n")}\n`;
}
