// Zoom and pan: wheel, pinch, drag, double click, keys. A picture lies in a world of its own pixels,
// and the world is moved and scaled within an area.

const LARGEST = 32; // screen pixels of one pixel
const STEP = 1.25;

export function panzoom(area, world, size, { drags = () => true, changed = () => {} } = {}) {
  const view = { scale: 1, x: 0, y: 0 };
  const pointers = new Map();
  let fitted = true;

  const least = () => Math.min(area.clientWidth / size.width, area.clientHeight / size.height, 1) * 0.98;

  function apply() {
    view.scale = Math.min(Math.max(view.scale, least()), LARGEST);
    for (const [axis, room, length] of [["x", area.clientWidth, size.width], ["y", area.clientHeight, size.height]]) {
      const shown = length * view.scale;
      view[axis] = shown <= room ? (room - shown) / 2 : Math.min(Math.max(view[axis], room - shown), 0);
    }
    world.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    changed(view);
  }

  function zoom(scale, at = [area.clientWidth / 2, area.clientHeight / 2]) {
    const to = Math.min(Math.max(scale, least()), LARGEST);
    view.x = at[0] - ((at[0] - view.x) * to) / view.scale;
    view.y = at[1] - ((at[1] - view.y) * to) / view.scale;
    view.scale = to;
    fitted = to === least();
    apply();
  }

  function fit() {
    view.scale = Math.min(area.clientWidth / size.width, area.clientHeight / size.height) * 0.98;
    if (view.scale > 4) view.scale = Math.floor(view.scale);
    apply();
    fitted = true;
  }

  function pan(x, y) {
    view.x += x;
    view.y += y;
    apply();
  }

  const within = (event) => {
    const box = area.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  area.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(view.scale * 2 ** (-event.deltaY / (event.deltaMode ? 8 : 250)), within(event));
  }, { passive: false });

  area.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, within(event));
    area.setPointerCapture(event.pointerId);
  });
  area.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = within(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    if (other) { // a pinch moves and scales about the other finger
      const distance = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
      zoom((view.scale * distance(now)) / distance(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    } else if (drags(event)) pan(now[0] - before[0], now[1] - before[1]);
  });
  for (const end of ["pointerup", "pointercancel"]) area.addEventListener(end, (event) => pointers.delete(event.pointerId));
  area.addEventListener("dblclick", (event) => {
    if (!drags(event)) return;
    if (fitted) zoom(Math.max(1, 2 * view.scale), within(event));
    else fit();
  });

  area.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") zoom(view.scale * STEP);
    else if (event.key === "-") zoom(view.scale / STEP);
    else if (event.key === "0") fit();
    else if (event.key === "1") zoom(1);
    else return;
    event.preventDefault();
  });

  const observer = new ResizeObserver(() => (fitted ? fit() : apply()));
  observer.observe(area);
  return {
    view, zoom, fit, pinching: () => pointers.size > 1, end: () => observer.disconnect(),
    at: (event) => { const [x, y] = within(event); return [(x - view.x) / view.scale, (y - view.y) / view.scale]; },
  };
}
