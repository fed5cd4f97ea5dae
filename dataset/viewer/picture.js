// The picture with its labels: areas on a canvas, joints and touching vertices as a drawing.

import { css, find, jointColour, nearest, page, REACH, SIDES, TOUCH } from "viewer/data";

const NEAR_TO_FAR = [[255, 226, 150], [247, 132, 76], [198, 62, 106], [112, 36, 122], [38, 24, 74]];
const DARK = "#101218";
const decoded = new Map();

async function numbers(uri, valueAt) {
  const picture = new Image();
  picture.src = uri;
  await picture.decode();
  const pen = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  pen.drawImage(picture, 0, 0);
  const bytes = pen.getImageData(0, 0, picture.width, picture.height).data;
  return Uint16Array.from({ length: bytes.length / 4 }, (_, i) => valueAt(bytes, 4 * i));
}

async function decode(sample) {
  const masks = Object.entries(sample.labels).map(([name, uri]) => [name, numbers(uri, (bytes, i) => bytes[i])]);
  const depth = ["depth", numbers(sample.depth, (bytes, i) => 256 * bytes[i] + bytes[i + 1])];
  const named = [...masks, depth].map(async ([name, values]) => [name, await values]);
  return Object.fromEntries(await Promise.all(named));
}

function labelsOf(sample) {
  if (!decoded.has(sample)) decoded.set(sample, decode(sample));
  return decoded.get(sample);
}

// Areas

function isEdge(values, i, width) {
  const x = i % width;
  const around = [x > 0 ? i - 1 : i, x < width - 1 ? i + 1 : i, i - width, i + width];
  return around.some((j) => j >= 0 && j < values.length && values[j] !== values[i]);
}

function painted(values, [width, height], colourOf, fill) {
  const picture = new ImageData(width, height);
  values.forEach((value, i) => {
    if (value) picture.data.set([...colourOf(value), fill < 255 && isEdge(values, i, width) ? 255 : fill], 4 * i);
  });
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

function rampColour(share) {
  const place = Math.min(share, 0.9999) * (NEAR_TO_FAR.length - 1);
  const [here, next] = NEAR_TO_FAR.slice(Math.floor(place));
  return here.map((value, i) => Math.round(value + (next[i] - value) * (place % 1)));
}

function depthRange(depth) {
  const there = depth.filter((value) => value > 0);
  return there.reduce(([near, far], value) => [Math.min(near, value), Math.max(far, value)], [65535, 0]);
}

const LAYERS = {
  hands: ({ hands }, size) => [painted(hands, size, (hand) => page.handColours[SIDES[hand - 1]], 150)],
  parts: ({ parts }, size) => [painted(parts, size, (part) => page.partColours[part], 175)],
  amodal: (labels, size) => SIDES.map((side) => painted(labels[`${side}_amodal`], size, () => page.handColours[side], 105)),
  depth({ depth }, size) {
    const [near, far] = depthRange(depth);
    return [painted(depth, size, (value) => rampColour((value - near) / Math.max(far - near, 1)), 255)];
  },
};

function showRamp(range) {
  find("ramp").hidden = !range;
  if (!range) return;
  const [near, far] = range.map((value) => Math.round(value * page.depthUnit * 1000));
  find("ramp").firstChild.style.background = `linear-gradient(90deg,${NEAR_TO_FAR.map(css)})`;
  find("ramp").lastChild.textContent = `${near} to ${far} mm`;
}

// Points

function mark(kind, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
}

function markTouches(drawing, { touches }, unit) {
  for (const [cx, cy, seen] of touches) {
    const fill = seen ? css(TOUCH) : `${DARK}55`;
    mark("circle", { cx, cy, r: 1.9 * unit, fill, stroke: css(TOUCH), "stroke-width": 0.7 * unit }, drawing);
  }
}

function markHand(drawing, { pixels, states }, side, unit) {
  for (const [a, b] of page.bones) {
    const d = `M${pixels[a]}L${pixels[b]}`;
    const stroke = css(page.jointColours[b]);
    mark("path", { d, stroke: DARK, "stroke-width": 2.8 * unit, opacity: 0.6 }, drawing);
    mark("path", { d, stroke, "stroke-width": 1.6 * unit, opacity: states[b] ? 0.55 : 1 }, drawing);
  }
  pixels.forEach(([cx, cy], joint) => {
    const [name, colour] = [`${side}/${joint}`, css(jointColour(side, joint))];
    const look = states[joint] ? { fill: `${DARK}aa`, stroke: colour } : { fill: colour, stroke: DARK };
    mark("circle", { cx, cy, r: (joint ? 2.7 : 4.2) * unit, "stroke-width": unit, "data-joint": name, ...look }, drawing);
  });
}

function drawMarks(sample, { layer, joints }) {
  const drawing = find("drawing");
  drawing.replaceChildren();
  drawing.setAttribute("viewBox", `0 0 ${sample.size.join(" ")}`);
  const unit = sample.size[0] / 420;
  for (const side of SIDES) {
    if (layer === "contact") markTouches(drawing, sample.hands[side], unit);
    if (joints) markHand(drawing, sample.hands[side], side, unit);
  }
}

// `state` is the page's own: it may have moved on while pictures were decoded.
export async function drawPicture(sample, state) {
  Object.assign(find("photo"), { src: sample.photo, alt: sample.id });
  find("frame").style.setProperty("--aspect", sample.size[0] / sample.size[1]);
  drawMarks(sample, state);
  const labels = await labelsOf(sample);
  if (sample !== page.samples[state.number]) return;
  const [width, height] = sample.size;
  const canvas = Object.assign(find("layer"), { width, height });
  const layers = LAYERS[state.layer]?.(labels, sample.size) ?? [];
  for (const layer of layers) canvas.getContext("2d").drawImage(layer, 0, 0);
  showRamp(state.layer === "depth" ? depthRange(labels.depth) : null);
}

export function highlightMark(name) {
  for (const dot of document.querySelectorAll("[data-joint]")) dot.classList.toggle("on", dot.dataset.joint === name);
}

function place(sample, { clientX, clientY }) {
  const box = find("frame").getBoundingClientRect();
  const [width, height] = sample.size;
  return [((clientX - box.left) / box.width) * width, ((clientY - box.top) / box.height) * height];
}

export function markNear(sample, event) {
  const [x, y] = place(sample, event);
  const reach = (REACH * sample.size[0]) / find("frame").clientWidth;
  return nearest((side, joint) => Math.hypot(sample.hands[side].pixels[joint][0] - x, sample.hands[side].pixels[joint][1] - y), reach);
}

export async function readPixel(sample, event) {
  const [x, y] = place(sample, event).map(Math.floor);
  const [width, height] = sample.size;
  const labels = await labelsOf(sample);
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const depth = labels.depth[y * width + x] * page.depthUnit * 1000;
  const part = page.parts[labels.parts[y * width + x]];
  find("pixel").textContent = `pixel ${x}, ${y}: ${part ? `${part}, depth ${depth.toFixed(1)} mm` : "no hand"}`;
}
