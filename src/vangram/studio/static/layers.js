// Regions of a photograph as numbers a pixel: which painting it takes, and what is kept. Strokes
// change both, and can be undone.

const MOST_UNDONE = 60;

// Colours of regions, as a mask takes them: the brightest, by the mean of its channels, is the first
// painting's. They are near corners of the colour cube, so that a soft edge between two of them is unlike
// any third.
export const COLOURS = [[255, 255, 255], [255, 255, 60], [20, 255, 255], [255, 0, 255], [0, 255, 60], [255, 30, 0], [0, 0, 255]];
export const NONE = [0, 0, 0];
export const colourOf = (region, count) => (region < count ? COLOURS[region] : NONE);

export class Layers {
  constructor(width, height) {
    Object.assign(this, { width, height });
    this.regions = new Uint8Array(width * height); // the first painting everywhere
    this.kept = new Uint8Array(width * height); // 0 or 1
    this.done = [];
    this.undone = [];
    this.before = null;
  }

  // Begin a change of a layer, "regions" or "kept"; it is undone as one.
  begin(name) {
    this.before = { name, values: this[name].slice() };
  }

  end() {
    const { name, values } = this.before;
    this.before = null;
    const box = changedBox(values, this[name], this.width);
    if (!box) return;
    this.done.push({ name, box, before: cut(values, this.width, box), after: cut(this[name], this.width, box) });
    if (this.done.length > MOST_UNDONE) this.done.shift();
    this.undone = [];
  }

  undo() { return this.move(this.done, this.undone, "before"); }
  redo() { return this.move(this.undone, this.done, "after"); }

  move(from, to, which) {
    const change = from.pop();
    if (!change) return;
    to.push(change);
    const { x, y, width, height } = change.box;
    for (let row = 0; row < height; row += 1) {
      this[change.name].set(change[which].subarray(row * width, (row + 1) * width), (y + row) * this.width + x);
    }
  }

  // A line of a round brush; a diameter of 1 is one pixel.
  stroke(name, value, [x0, y0], [x1, y1], diameter) {
    const radius = diameter / 2;
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / Math.max(radius / 2, 0.5)));
    for (let step = 0; step <= steps; step += 1) {
      const x = x0 + ((x1 - x0) * step) / steps;
      const y = y0 + ((y1 - y0) * step) / steps;
      this.disc(name, value, x, y, radius);
    }
  }

  disc(name, value, x, y, radius) {
    const layer = this[name];
    if (radius <= 0.5) {
      if (x >= 0 && y >= 0 && x < this.width && y < this.height) layer[Math.floor(y) * this.width + Math.floor(x)] = value;
      return;
    }
    for (let row = Math.max(Math.ceil(y - radius - 0.5), 0); row < Math.min(y + radius - 0.5, this.height); row += 1) {
      const half = Math.sqrt(Math.max(radius ** 2 - (row + 0.5 - y) ** 2, 0));
      const left = Math.max(Math.round(x - half), 0);
      const right = Math.min(Math.round(x + half), this.width);
      if (right > left) layer.fill(value, row * this.width + left, row * this.width + right);
    }
  }

  rectangle(name, value, [x0, y0], [x1, y1]) {
    const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)].map((x) => Math.round(Math.min(Math.max(x, 0), this.width)));
    const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)].map((y) => Math.round(Math.min(Math.max(y, 0), this.height)));
    for (let row = top; row < bottom; row += 1) this[name].fill(value, row * this.width + left, row * this.width + right);
  }

  // All pixels joined to one that have its value.
  fill(name, value, [x, y]) {
    const layer = this[name];
    const { width, height } = this;
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const start = Math.floor(y) * width + Math.floor(x);
    const was = layer[start];
    if (was === value) return;
    const stack = [start];
    while (stack.length) {
      const at = stack.pop();
      if (layer[at] !== was) continue;
      layer[at] = value;
      const column = at % width;
      if (column > 0) stack.push(at - 1);
      if (column < width - 1) stack.push(at + 1);
      if (at >= width) stack.push(at - width);
      if (at < width * (height - 1)) stack.push(at + width);
    }
  }

  // What is kept and what is not; of regions, the present one and the first one, or none.
  invert(name, value, other) {
    const layer = this[name];
    for (let at = 0; at < layer.length; at += 1) {
      if (layer[at] === value) layer[at] = other;
      else if (layer[at] === other) layer[at] = value;
    }
  }

  has(name, value) { return this[name].includes(value); }
}

function changedBox(before, after, width) {
  let [left, right, top, bottom] = [Infinity, -1, -1, -1];
  for (let at = 0; at < after.length; at += 1) {
    if (before[at] === after[at]) continue;
    const row = Math.floor(at / width);
    const column = at - row * width;
    if (top < 0) top = row;
    bottom = row;
    if (column < left) left = column;
    if (column > right) right = column;
  }
  return top < 0 ? null : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

function cut(values, width, box) {
  const part = new Uint8Array(box.width * box.height);
  for (let row = 0; row < box.height; row += 1) {
    const from = (box.y + row) * width + box.x;
    part.set(values.subarray(from, from + box.width), row * box.width);
  }
  return part;
}

// Three box filters of a radius, which are nearly a Gaussian, over RGBA bytes.
export function blur(pixels, width, height, radius) {
  if (radius < 1) return;
  const line = new Float32Array(Math.max(width, height));
  const pass = (start, step, count) => {
    let sum = 0;
    const at = (index) => pixels[start + Math.min(Math.max(index, 0), count - 1) * step];
    for (let index = -radius; index <= radius; index += 1) sum += at(index);
    for (let index = 0; index < count; index += 1) {
      line[index] = sum / (2 * radius + 1);
      sum += at(index + radius + 1) - at(index - radius);
    }
    for (let index = 0; index < count; index += 1) pixels[start + index * step] = Math.round(line[index]);
  };
  for (let times = 0; times < 3; times += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      for (let row = 0; row < height; row += 1) pass(4 * row * width + channel, 4, width);
      for (let column = 0; column < width; column += 1) pass(4 * column + channel, 4 * width, height);
    }
  }
}
