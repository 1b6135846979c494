// Dialogs.

import { button, el, iconButton, unique } from "./dom.js";

// Open a dialog; it is removed when it closes. The answer is the element, with a promise `closed`.
export function open(title, kind, ...children) {
  const id = unique("title");
  const before = document.activeElement;
  const dialog = el("dialog", { class: kind, "aria-labelledby": id },
    el("header", {}, el("h2", { id }, title), iconButton("close", "Close", () => dialog.close(), { kind: "plain" })),
    ...children, el("div", { class: "notices", role: "alert" }));
  dialog.closed = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(dialog.returnValue);
    });
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Ask for one of `answers`, [value, text]; null where the dialog is closed. The first is proposed.
export async function choose(title, detail, answers) {
  const dialog = open(title, "choice", el("div", { class: "body" }, detail),
    el("footer", {}, answers.map(([value, text], index) =>
      button(text, () => dialog.close(value), { kind: index ? "" : "primary", autofocus: index === 0 }))));
  return (await dialog.closed) || null;
}
