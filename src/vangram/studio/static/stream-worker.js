// The shared worker that holds the stream of events for all pages.

import { stream } from "./stream.js";

const pages = new Set();
const told = new Map(); // what a page that comes later is told: the first event, and the latest of each thing since

stream((event) => {
  if (event.kind === "hello") told.clear();
  const key = `${event.kind} ${event.data?.id ?? ""}`;
  told.delete(key); // the latest ones last
  told.set(key, event);
  for (const page of pages) page.postMessage(event);
});

addEventListener("connect", ({ ports: [page] }) => {
  for (const event of told.values()) page.postMessage(event);
  pages.add(page);
  page.addEventListener("close", () => pages.delete(page));
});
