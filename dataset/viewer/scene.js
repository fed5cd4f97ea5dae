// Both hands, their skeletons and all cameras of the pose in 3D, in the world's or the camera's axes.

import { OrbitControls } from "orbit-controls";
import * as THREE from "three";
import { find, jointColour, nearest, page, REACH, SIDES, styled, TOUCH, unpacked } from "viewer/data";

const FOV = 30;
const Z_UP = new THREE.Matrix4().makeRotationX(-Math.PI / 2);
const OPENCV = new THREE.Matrix4().makeScale(1, -1, -1);
const AXES = [0xe2483d, 0x43a047, 0x3f7df0];
const FORWARD = new THREE.Vector3(0, 0, 1);
const ball = new THREE.SphereGeometry(1, 20, 14);
const rod = new THREE.CylinderGeometry(1, 1, 1, 10).rotateX(Math.PI / 2);
const kept = new Set([ball, rod]);

const vector = (values) => new THREE.Vector3(...values);
const matrix = (rows) => new THREE.Matrix4().set(...rows);
const tone = (rgb) => new THREE.Color().setRGB(...rgb.map((value) => value / 255), THREE.SRGBColorSpace);
const lighter = (rgb) => rgb.map((value) => value + (235 - value) * 0.62);
const perSide = (valueOf) => Object.fromEntries(SIDES.map((side) => [side, valueOf(side)]));
const faces = perSide((side) => unpacked(page.faces[side], Uint16Array));
const faceParts = perSide((side) => unpacked(page.faceParts[side], Uint8Array));

const CORNER_COLOURS = {
  hands: (side) => () => page.handColours[side],
  parts: (side) => (corner) => page.partColours[1 + 16 * SIDES.indexOf(side) + faceParts[side][Math.floor(corner / 3)]],
  contact(side, hand) {
    const touching = new Set(hand.contact);
    return (corner) => (touching.has(faces[side][corner]) ? TOUCH : lighter(page.handColours[side]));
  },
};

function handMesh(hand, side, colours) {
  const shared = new THREE.BufferGeometry();
  shared.setAttribute("position", new THREE.BufferAttribute(unpacked(hand.vertices, Float32Array), 3));
  shared.setIndex(new THREE.BufferAttribute(faces[side], 1));
  shared.computeVertexNormals();
  const geometry = shared.toNonIndexed(); // so that a part's colour ends at an edge
  const colourOf = CORNER_COLOURS[colours](side, hand);
  const painted = Array.from(faces[side], (_, corner) => tone(colourOf(corner)).toArray()).flat();
  geometry.setAttribute("color", new THREE.Float32BufferAttribute(painted, 3));
  const material = new THREE.MeshStandardMaterial({ vertexColors: true, roughness: 0.65, side: THREE.DoubleSide });
  return new THREE.Mesh(geometry, material);
}

function stick(from, to, radius, material) {
  const mesh = new THREE.Mesh(rod, material);
  mesh.position.copy(from).lerp(to, 0.5);
  mesh.quaternion.setFromUnitVectors(FORWARD, to.clone().sub(from).normalize());
  mesh.scale.set(radius, radius, from.distanceTo(to));
  return mesh;
}

function skeleton({ world, states }, side) {
  const material = (rgb, hidden) => new THREE.MeshBasicMaterial({ color: tone(rgb), transparent: hidden, opacity: hidden ? 0.45 : 1 });
  const bones = page.bones.map(([a, b]) =>
    stick(vector(world[a]), vector(world[b]), 0.0011, material(page.jointColours[b], states[b] > 0)));
  const dots = world.map((place, joint) => {
    const dot = new THREE.Mesh(ball, material(jointColour(side, joint), states[joint] > 0));
    dot.position.set(...place);
    dot.userData = { joint: `${side}/${joint}`, radius: joint ? 0.0025 : 0.004 };
    dot.scale.setScalar(dot.userData.radius);
    return dot;
  });
  return [...bones, ...dots];
}

function touches(hand) {
  const vertices = unpacked(hand.vertices, Float32Array);
  const places = hand.contact.flatMap((vertex) => [...vertices.subarray(3 * vertex, 3 * vertex + 3)]);
  const geometry = new THREE.BufferGeometry().setAttribute("position", new THREE.Float32BufferAttribute(places, 3));
  return new THREE.Points(geometry, new THREE.PointsMaterial({ color: tone(TOUCH), size: 4, sizeAttenuation: false }));
}

function imageCorners({ position, corners }, depth) {
  return corners.map((ray) => vector(position).addScaledVector(vector(ray), depth));
}

function frustum(camera, depth, color) {
  const corners = imageCorners(camera, depth);
  const ends = corners.flatMap((corner, i) => [vector(camera.position), corner, corner, corners[(i + 1) % 4]]);
  return new THREE.LineSegments(new THREE.BufferGeometry().setFromPoints(ends), new THREE.LineBasicMaterial({ color }));
}

function imagePlane(camera, depth, look) {
  const geometry = new THREE.BufferGeometry().setFromPoints(imageCorners(camera, depth));
  geometry.setAttribute("uv", new THREE.Float32BufferAttribute([0, 1, 1, 1, 1, 0, 0, 0], 2));
  geometry.setIndex([0, 3, 1, 1, 3, 2]);
  return new THREE.Mesh(geometry, new THREE.MeshBasicMaterial({ side: THREE.DoubleSide, ...look }));
}

function cameras(sample) {
  const distance = vector(sample.camera.position).distanceTo(vector(sample.middle));
  const map = new THREE.Texture(find("backdrop"));
  map.colorSpace = THREE.SRGBColorSpace;
  find("backdrop").decode().then(() => { map.needsUpdate = true; render(); }, () => {});
  const own = [frustum(sample.camera, 0.32 * distance, styled("--accent")), imagePlane(sample.camera, 0.32 * distance, { map })];
  const others = sample.views.flatMap((view) => {
    const look = { color: styled("--accent"), transparent: true, opacity: 0.15, depthWrite: false };
    const plane = imagePlane(view, 0.1 * distance, look);
    plane.userData = { view: view.id };
    return [frustum(view, 0.1 * distance, styled("--faint")), plane];
  });
  return [...own, ...others];
}

function ground(sample) {
  const heights = SIDES.flatMap((side) => [...unpacked(sample.hands[side].vertices, Float32Array)].filter((_, i) => i % 3 === 2));
  const grid = new THREE.GridHelper(0.8, 16, styled("--grid"), styled("--grid")).rotateX(Math.PI / 2);
  grid.position.z = Math.min(...heights) - 0.01;
  return grid;
}

function axes(sample, frame) {
  const group = new THREE.Group();
  if (frame === "camera") group.applyMatrix4(matrix(sample.camera.view).invert().multiply(OPENCV));
  const tip = (axis) => new THREE.Vector3().setComponent(axis, 0.06);
  return group.add(...AXES.map((color, axis) => stick(new THREE.Vector3(), tip(axis), 0.0009, new THREE.MeshBasicMaterial({ color }))));
}

// What stands in the scene. Skeletons and axes are drawn above everything else, from a scene of their own.

const canvas = find("scene");
const solid = new THREE.Scene();
const above = new THREE.Scene();
const roots = [solid, above].map((scene) => scene.add(new THREE.Group()).children[0]);
const lamp = new THREE.DirectionalLight(0xffffff, 2.6);
solid.add(new THREE.HemisphereLight(0xffffff, 0x77706a, 1.1), lamp);
const orbit = new THREE.PerspectiveCamera(FOV, 1, 0.01, 20);
const eye = new THREE.PerspectiveCamera();
eye.matrixAutoUpdate = false;
export const controls = new OrbitControls(orbit, canvas);
const renderer = openRenderer();
let shown = null; // the sample, and whether it is seen through its camera
let seenByCamera = false;

function openRenderer() {
  try {
    const opened = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true, preserveDrawingBuffer: true });
    opened.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    opened.autoClear = false;
    return opened;
  } catch {
    find("blank").hidden = false;
    return null;
  }
}

function dispose(part) {
  part.traverse(({ geometry, material }) => {
    if (!kept.has(geometry)) geometry?.dispose();
    material?.map?.dispose();
    material?.dispose();
  });
}

export function buildScene(sample, state) {
  [shown, seenByCamera] = [sample, state.eye];
  const [under, over] = roots;
  const before = roots.flatMap((root) => [...root.children]);
  for (const root of roots) {
    root.clear();
    root.matrixAutoUpdate = false;
    root.matrix.copy(state.frame === "world" ? Z_UP : matrix(sample.camera.view));
    root.updateMatrixWorld(true);
  }
  for (const side of SIDES) {
    if (state.surfaces) under.add(handMesh(sample.hands[side], side, state.colours));
    if (state.colours === "contact") over.add(touches(sample.hands[side]));
    if (state.skeletons) over.add(...skeleton(sample.hands[side], side));
  }
  if (state.cameras && !state.eye) under.add(...cameras(sample));
  if (state.ground && !state.eye) under.add(ground(sample));
  if (state.ground && !state.eye) over.add(axes(sample, state.frame));
  render();
  before.forEach(dispose); // only now, so that compiled shaders find new users and stay
}

// Where it is seen from

const placed = (values) => vector(values).applyMatrix4(roots[0].matrix);

// Beside the camera with the whole scene in view, or near enough for the hands to fill it.
export function standBeside(near) {
  const [middle, camera] = [placed(shown.middle), placed(shown.camera.position)];
  const away = camera.clone().sub(middle).applyAxisAngle(orbit.up, 0.7);
  const [length, level] = [away.length(), Math.hypot(away.x, away.z)];
  away.y = Math.min(Math.max(away.y, 0.4 * level), 0.8 * level);
  away.setLength(length * (near ? 1.2 : 1.95) * Math.max(1, 1.3 / orbit.aspect));
  orbit.fov = FOV;
  controls.target.copy(middle).lerp(camera, near ? 0 : 0.28);
  orbit.position.copy(controls.target).add(away);
  controls.update();
  render();
}

function lookThroughCamera() {
  const { clientWidth, clientHeight } = canvas;
  const [width, height] = shown.size;
  const scale = Math.min(clientWidth / width, clientHeight / height); // as `object-fit: contain` places the picture
  const fit = new THREE.Matrix4().makeScale((scale * width) / clientWidth, (scale * height) / clientHeight, 1);
  eye.matrix.multiplyMatrices(roots[0].matrix, matrix(shown.camera.view).invert());
  eye.updateMatrixWorld(true);
  eye.projectionMatrix.multiplyMatrices(fit, matrix(shown.projection));
  eye.projectionMatrixInverse.copy(eye.projectionMatrix).invert();
}

export function goOnFromCamera() {
  const forward = new THREE.Vector3(0, 0, -1).transformDirection(eye.matrixWorld);
  orbit.position.setFromMatrixPosition(eye.matrixWorld);
  controls.target.copy(orbit.position).addScaledVector(forward, placed(shown.middle).distanceTo(orbit.position));
  orbit.fov = (360 / Math.PI) * Math.atan(1 / eye.projectionMatrix.elements[5]);
  controls.update();
}

export function render() {
  if (!renderer || !shown) return;
  const camera = seenByCamera ? eye : orbit;
  if (seenByCamera) lookThroughCamera();
  orbit.aspect = canvas.clientWidth / Math.max(canvas.clientHeight, 1);
  orbit.updateProjectionMatrix();
  lamp.position.set(-0.5, 0.8, 1).transformDirection(camera.matrixWorld);
  renderer.clear();
  renderer.render(solid, camera);
  renderer.clearDepth();
  renderer.render(above, camera);
}

export function fitScene(width, height) {
  renderer?.setSize(width, height, false);
  render();
}

// What is under the pointer

const ray = new THREE.Raycaster();

function jointNear(x, y, width, height, camera) {
  const distanceTo = (side, joint) => {
    const place = placed(shown.hands[side].world[joint]).project(camera);
    return Math.hypot(((place.x + 1) / 2) * width - x, ((1 - place.y) / 2) * height - y);
  };
  return nearest(distanceTo, REACH);
}

export function underPointer({ clientX, clientY }) {
  const camera = seenByCamera ? eye : orbit;
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = [clientX - left, clientY - top];
  ray.setFromCamera(new THREE.Vector2((2 * x) / width - 1, 1 - (2 * y) / height), camera);
  const view = ray.intersectObject(roots[0]).map(({ object }) => object.userData.view).find(Boolean);
  return { joint: jointNear(x, y, width, height, camera), view };
}

export function highlightJoint(name) {
  roots[1].traverse(({ userData: { joint, radius }, scale }) => joint && scale.setScalar(radius * (joint === name ? 1.9 : 1)));
  render();
}
