// Topics that parts of the page tell each other of.

const bus = new EventTarget();

// Hear of a topic; the answer ends that.
export function on(topic, hear) {
  const listener = (event) => hear(event.detail);
  bus.addEventListener(topic, listener);
  return () => bus.removeEventListener(topic, listener);
}

export function tell(topic, detail) {
  bus.dispatchEvent(new CustomEvent(topic, { detail }));
}
