// What the page holds: its samples, and how packed arrays and colours become values.

export const page = JSON.parse(document.getElementById("data").textContent);
export const SIDES = ["right", "left"];
export const TOUCH = [255, 45, 110];

export const find = (id) => document.getElementById(id);
export const css = (rgb) => `rgb(${rgb.join(",")})`;
export const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function unpacked(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

export const jointColour = (side, joint) => (joint ? page.jointColours[joint] : page.handColours[side]);

export const REACH = 9; // how far from a joint a pointer still means it, pixels of the screen

// Name of the joint at the least distance, or null when none is within reach.
export function nearest(distanceTo, reach) {
  const all = SIDES.flatMap((side) => page.joints.map((_, joint) => [distanceTo(side, joint), `${side}/${joint}`]));
  const [distance, name] = all.reduce((a, b) => (b[0] < a[0] ? b : a));
  return distance < reach ? name : null;
}
