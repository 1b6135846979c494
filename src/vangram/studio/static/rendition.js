// A picture in the page. One that a browser cannot read or should not hold whole is put together
// from the server's tiles, at the largest level within bounds.

import { el } from "./dom.js";

const LARGEST = 2048; // longer side of what is put together, in pixels
const MOST = 12e6; // pixels that are shown as the file itself
const READ = /\.(png|jpe?g|webp)$/i;
export const TILE = 512;

export const fromItem = (item) => ({ url: item.picture, tiles: item.tiles, ...item.size, name: item.name, thumbnail: item.thumbnail, version: item.thumbnail.split("=")[1] });
export const fromPicture = (picture) => ({ url: picture.file, tiles: picture.tiles, ...picture.size, name: picture.name, thumbnail: picture.thumbnail });

export const levelSize = ({ width, height }, level) => [Math.ceil(width / 2 ** level), Math.ceil(height / 2 ** level)];

// Whether a browser can show the file itself, and hold all of it.
export const isWhole = (source) => !source.tiles || (READ.test(source.name) && source.width * source.height <= MOST);

export function rendition(source, alt) {
  if (isWhole(source)) return el("img", { src: versioned(source), alt });
  let level = 0;
  while (Math.max(...levelSize(source, level)) > LARGEST) level += 1;
  const [width, height] = levelSize(source, level);
  const canvas = el("canvas", { width, height, role: "img", "aria-label": alt });
  const context = canvas.getContext("2d");
  for (let row = 0; row * TILE < height; row += 1) {
    for (let column = 0; column * TILE < width; column += 1) {
      const image = new Image();
      image.onload = () => context.drawImage(image, column * TILE, row * TILE);
      image.src = tileOf(source, level, column, row);
    }
  }
  return canvas;
}

export const tileOf = (source, level, column, row) => `${source.tiles}/${level}/${column}/${row}${source.version ? `?v=${source.version}` : ""}`;

// A file's address changes with its bytes, so that an older version in the browser is not shown.
export const versioned = (source) => (source.version ? `${source.url}?v=${source.version}` : source.url);
