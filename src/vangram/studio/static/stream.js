// The server's events: one stream for all pages of a browser, which opens six connections to a host
// and would let the seventh page wait. A shared worker holds it for as long as a page is open.

const KINDS = ["hello", "job", "progress", "removed", "queue", "history"];
const MILLISECONDS = 2000; // before a stream that was refused is asked for again

// Hear of each event as { kind, data }; of a cut as the kind "lost".
export function listen(hear) {
  if (!globalThis.SharedWorker) return stream(hear);
  const worker = new SharedWorker("/static/stream-worker.js", { type: "module" });
  worker.addEventListener("error", () => stream(hear), { once: true });
  worker.port.onmessage = ({ data }) => hear(data);
}

export function stream(hear) {
  const source = new EventSource("/api/v1/events");
  for (const kind of KINDS) source.addEventListener(kind, (event) => hear({ kind, data: JSON.parse(event.data) }));
  source.onerror = () => {
    hear({ kind: "lost" });
    if (source.readyState === EventSource.CLOSED) setTimeout(() => stream(hear), MILLISECONDS); // an answer that was no stream
  };
}
