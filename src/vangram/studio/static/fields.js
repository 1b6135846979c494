// A control for each kind of setting, made from its schema: how its value is written and read.

import { el } from "./dom.js";
import { short } from "./say.js";

const UNITS = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

class Unreadable extends Error {}

// Text of a value, and a value from text; both throw away nothing.
const FORMS = {
  layers: {
    write: (value) => Object.entries(value).map(([name, weight]) => `${name}=${short(weight)}`).join(", "),
    read: (text) => {
      const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
      const without = parts.filter((part) => !part.includes("=")).length;
      return Object.fromEntries(parts.map((part) => {
        const [name, weight] = part.split("=").map((piece) => piece.trim());
        return [name, weight === undefined ? 1 / without : number(weight)];
      }));
    },
  },
  numbers: {
    write: (value) => (value ?? []).join(", "),
    read: (text, schema) => {
      const found = text.split(/[,×x]/).filter((part) => part.trim()).map(number);
      return found.length ? found : schema.default;
    },
  },
  each: {
    write: (value) => value.map(FORMS.layers.write).join("; "),
    read: (text) => (text.trim() ? text.split(";").map(FORMS.layers.read) : []),
  },
  memory: {
    write: (value) => (value === null ? "" : `${short(value / 1e9)}GB`),
    read: (text, schema) => {
      if (!text.trim()) return schema.default;
      const found = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*$/i.exec(text);
      if (!found) throw new Unreadable("write an amount as 4GB or 800MB");
      return Math.round(Number(found[1]) * UNITS[found[2].toLowerCase()]);
    },
  },
  number: { write: (value) => (value === null ? "" : String(value)), read: (text, schema) => (text.trim() ? number(text) : schema.default) },
  text: { write: (value) => value, read: (text, schema) => text.trim() || schema.default },
};

function number(text) {
  const found = Number(text);
  if (!text.trim() || !Number.isFinite(found)) throw new Unreadable(`${text.trim() || "nothing"} is no number`);
  return found;
}

function formOf(schema, plain) {
  if (schema.unit === "bytes") return FORMS.memory;
  if (plain.type === "object") return FORMS.layers;
  if (plain.type === "array") return plain.items?.type === "object" ? FORMS.each : FORMS.numbers;
  return plain.type === "string" ? FORMS.text : FORMS.number;
}

const plainOf = (schema) => (schema.anyOf ?? []).find((each) => each.type !== "null") ?? schema;

// A value of a setting from text, and its text; text that is none stays text, for the server to refuse.
export function parse(schema, text) {
  const plain = plainOf(schema);
  if (plain.enum) return text;
  if (plain.type === "boolean") return { yes: true, no: false }[text.toLowerCase()] ?? text;
  try {
    return formOf(schema, plain).read(text, schema);
  } catch {
    return text;
  }
}

export const write = (schema, value) => formOf(schema, plainOf(schema)).write(value);

// A control. `onvalue` hears of a value, `onerror` of text that is none (null: it is one again).
export function field(name, schema, { id, describedby, list = null, onvalue, onerror }) {
  const plain = plainOf(schema);
  const shared = { id, name, "aria-describedby": describedby };
  if (plain.enum) {
    const select = el("select", { ...shared, onchange: () => onvalue(select.value) }, plain.enum.map((each) => el("option", { value: each }, each)));
    return { node: select, show: (value) => { select.value = value; } };
  }
  if (plain.type === "boolean") {
    const box = el("input", { ...shared, type: "checkbox", onchange: () => onvalue(box.checked) });
    return { node: box, show: (value) => { box.checked = value; } };
  }
  const { write: written, read } = formOf(schema, plain);
  const numeric = ["integer", "number"].includes(plain.type) && schema.unit !== "bytes";
  const input = el("input", {
    ...shared, type: "text", inputmode: numeric ? "decimal" : null, autocomplete: "off", spellcheck: "false",
    placeholder: schema.unset, list,
  });
  const hear = () => {
    try {
      onvalue(read(input.value, schema));
      onerror(null);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      onerror(error.message);
    }
  };
  input.addEventListener("change", hear);
  if (numeric) {
    input.addEventListener("keydown", (event) => {
      const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!up || input.value.trim() === "") return;
      event.preventDefault();
      const now = Number(input.value);
      const size = plain.type === "integer" ? (event.shiftKey ? 10 : 1) : 10 ** Math.floor(Math.log10(Math.abs(now) || 1) - 1);
      const to = Math.min(Math.max(now + up * size, plain.minimum ?? -Infinity), plain.maximum ?? Infinity);
      input.value = String(Number(to.toPrecision(12)));
      hear();
    });
  }
  const show = (value) => { if (document.activeElement !== input || !input.value) input.value = written(value); };
  return { node: input, input, show };
}
