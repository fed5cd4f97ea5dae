// The page: which sample is shown, how, and what the person does with it.

import { css, find, page } from "viewer/data";
import { drawPicture, highlightMark, markNear, readPixel } from "viewer/picture";
import { buildScene, controls, fitScene, goOnFromCamera, highlightJoint, standBeside, underPointer } from "viewer/scene";

const alone = document.documentElement.classList.contains("only-scene");
const state = {
  number: 0, layer: "plain", joints: true, colours: "hands", frame: "world",
  surfaces: true, skeletons: true, cameras: !alone, ground: true, eye: false,
};
const CLICK = 4; // pixels: what moves further is a drag
const current = () => page.samples[state.number];
const made = (kind, properties, ...children) => {
  const element = Object.assign(document.createElement(kind), properties);
  element.append(...children);
  return element;
};

// Show

function show(number) {
  state.number = (number + page.samples.length) % page.samples.length;
  const sample = current();
  location.replace(`#${encodeURIComponent(sample.id)}`);
  [...find("samples").children].forEach((thumb, i) => thumb.setAttribute("aria-current", i === state.number));
  find("samples").children[state.number].scrollIntoView({ block: "nearest", inline: "nearest" });
  find("backdrop").src = sample.photo;
  const entries = sample.fields.map(([name, value]) =>
    made("div", {}, made("dt", { textContent: name }), made("dd", { textContent: value })));
  find("fields").replaceChildren(...entries);
  point(null, "");
  update();
  standBeside(alone);
}

function update() {
  for (const group of document.querySelectorAll("[data-choice]")) {
    for (const button of group.children) button.setAttribute("aria-pressed", button.value === state[group.dataset.choice]);
  }
  for (const box of document.querySelectorAll("[data-flag]")) box.checked = state[box.dataset.flag];
  find("eye").setAttribute("aria-pressed", state.eye);
  document.body.classList.toggle("eye", state.eye);
  fade();
  drawPicture(current(), state);
  buildScene(current(), state);
}

function fade() {
  find("layer").style.opacity = find("overlay").value;
  find("scene").style.opacity = state.eye ? find("opacity").value : 1;
}

function change(changes) {
  Object.assign(state, changes);
  update();
}

// Point

let pointed = null;

const millimetres = (values) => values.map((value) => (1000 * value).toFixed(1)).join(", ");

function describe(name) {
  const [side, joint] = name.split("/");
  const hand = current().hands[side];
  return [
    `${side} ${page.joints[joint]}`,
    page.states[hand.states[joint]],
    `world ${millimetres(hand.world[joint])} mm`,
    `camera ${millimetres(hand.camera[joint])} mm`,
    `pixel ${hand.pixels[joint].map((value) => value.toFixed(1)).join(", ")}`,
  ].join("\n");
}

function point(joint, text, event) {
  if (joint !== pointed) {
    pointed = joint;
    highlightMark(joint);
    highlightJoint(joint);
  }
  const tip = Object.assign(find("tip"), { hidden: !text, textContent: text });
  if (!text) return;
  const place = (at, room, length) => `${Math.max(4, Math.min(at + 14, room - length - 8))}px`;
  tip.style.left = place(event.clientX, window.innerWidth, tip.offsetWidth);
  tip.style.top = place(event.clientY, window.innerHeight, tip.offsetHeight);
}

function pointInPicture(event) {
  const joint = markNear(current(), event);
  point(joint, joint ? describe(joint) : "", event);
  readPixel(current(), event);
}

function pointInScene(event) {
  const dragging = event.type === "pointermove" && event.buttons;
  const { joint, view } = dragging ? { joint: null } : underPointer(event);
  const isHere = page.samples.some(({ id }) => id === view);
  point(joint, joint ? describe(joint) : view ? `camera of ${view}${isHere ? "\nclick to show it" : ""}` : "", event);
}

function leave(event) {
  if (event.pointerType !== "touch") point(null, "", event); // a finger lifts where a mouse would rest
}

function listenToPointer() {
  const [frame, scene] = [find("frame"), find("scene")];
  let pressed = null;
  for (const kind of ["pointermove", "pointerdown"]) frame.addEventListener(kind, pointInPicture);
  scene.addEventListener("pointermove", pointInScene);
  for (const place of [frame, scene]) place.addEventListener("pointerleave", leave);
  scene.addEventListener("pointerdown", (event) => {
    pressed = event;
    pointInScene(event);
  });
  scene.addEventListener("click", (event) => {
    const moved = Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY);
    const number = page.samples.findIndex(({ id }) => id === underPointer(event).view);
    if (moved < CLICK && number >= 0) show(number);
  });
}

// Choose

function listenToControls() {
  for (const group of document.querySelectorAll("[data-choice]")) {
    group.addEventListener("click", ({ target }) => {
      change({ [group.dataset.choice]: target.value || state[group.dataset.choice] });
      if (group.dataset.choice === "frame") standBeside(alone);
    });
  }
  for (const box of document.querySelectorAll("[data-flag]")) {
    box.addEventListener("change", () => change({ [box.dataset.flag]: box.checked }));
  }
  for (const name of ["overlay", "opacity"]) find(name).addEventListener("input", fade);
  find("eye").addEventListener("click", () => change({ eye: !state.eye }));
  find("reset").addEventListener("click", () => {
    change({ eye: false });
    standBeside(alone);
  });
  controls.addEventListener("start", () => {
    if (!state.eye) return;
    goOnFromCamera();
    change({ eye: false });
  });
}

const KEYS = {
  ArrowRight: () => show(state.number + 1),
  ArrowLeft: () => show(state.number - 1),
  c: () => change({ eye: !state.eye }),
};

function listenToPage() {
  document.addEventListener("keydown", (event) => {
    const isMeant = !event.ctrlKey && !event.metaKey && !event.altKey && event.target.type !== "range";
    if (isMeant) KEYS[event.key]?.();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
  new ResizeObserver(([{ contentRect }]) => fitScene(contentRect.width, contentRect.height)).observe(find("space"));
}

// Begin

function addThumbnails() {
  find("samples").hidden = page.samples.length < 2;
  find("samples").append(...page.samples.map(({ id, photo }, number) =>
    made("button", { title: id, onclick: () => show(number) }, made("img", { src: photo, alt: id }))));
}

function addLegend() {
  const colours = Object.entries(page.legend).map(([name, rgb]) => [name, "", css(rgb)]);
  for (const [name, className, background] of [...colours, ["visible", "full", ""], ["hidden", "hollow", ""]]) {
    const dot = made("i", { className });
    dot.style.background = background;
    find("legend").append(made("span", {}, dot, name));
  }
}

addThumbnails();
addLegend();
listenToPointer();
listenToControls();
listenToPage();
show(Math.max(0, page.samples.findIndex(({ id }) => `#${encodeURIComponent(id)}` === location.hash)));
