// A sweep: its pictures in a grid, of which one is taken.

export const grid = () => ({ node: document.createElement("div") });
