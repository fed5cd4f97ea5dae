// <pose-map data-src="…" data-poses="…"><div class="drawn" data-keep></div></pose-map>: poses as dots, coloured in several ways.
// One dot at a time can be reached by Tab, the others by arrow keys; Enter or a click shows the pose in #chosen.

const WIDTH = 720, HEIGHT = 500, ROOM = 20;
const WAYS = { kind: "As read or augmented", source: "Source", split: "Split", base: "Base pose" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function made(name, attributes = {}, text = "") {
  const element = name === "svg" || name === "circle" || name === "text" || name === "title"
    ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

class PoseMap extends HTMLElement {
  static observedAttributes = ["data-src"];

  connectedCallback() { this.load(); }

  attributeChangedCallback(name, before, after) { if (before && before !== after) this.load(); }

  async load() {
    const source = this.dataset.src;
    const answer = await fetch(source).catch(() => null);
    if (!answer?.ok || source !== this.dataset.src) return;
    this.map = await answer.json();
    const ways = Object.keys(WAYS).filter((way) => this.map.colours[way].names.length > 1);
    if (!ways.includes(this.way)) this.way = ways[0] ?? "kind";
    this.draw(ways);
  }

  draw(ways) {
    const { x, y, name, label } = this.map;
    const wide = Math.max(...x) - Math.min(...x) || 1, high = Math.max(...y) - Math.min(...y) || 1;
    const scale = Math.min((WIDTH - 2 * ROOM - (label.length ? 90 : 0)) / wide, (HEIGHT - 2 * ROOM) / high);
    this.at = name.map((_, i) => [WIDTH / 2 + scale * (x[i] - 0.5), HEIGHT / 2 + scale * (y[i] - 0.5)]);
    const tools = made("div", { class: "tools" });
    this.key = made("div", { class: "key" });
    this.told = made("p", { class: "told faint" });
    if (ways.length > 1) tools.append(this.switches(ways));
    tools.append(this.key);
    this.svg = made("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": `Map of ${name.length} poses` });
    const radius = name.length <= 100 ? 6 : name.length <= 600 ? 4.6 : 3.6;
    this.dots = name.map((pose, i) => made("circle", { cx: this.at[i][0].toFixed(1), cy: this.at[i][1].toFixed(1), r: radius, role: "button", tabindex: -1, "aria-label": pose }));
    this.dots.forEach((dot, i) => { dot.number = i; });
    this.svg.append(...this.names(label));
    this.svg.addEventListener("pointerover", (event) => this.tell(event.target.number));
    this.svg.addEventListener("focusin", (event) => this.tell(event.target.number));
    this.svg.addEventListener("click", (event) => this.choose(event.target.number));
    this.svg.addEventListener("keydown", (event) => this.press(event));
    this.firstChild.replaceChildren(tools, this.svg, this.told);
    this.colour();
    this.reach(this.dots[0]);
    this.tell();
  }

  names(labels) { // beside the dots, as far as there is room
    const taken = this.at.map(([x, y]) => [x - 6, x + 6, y - 6, y + 6]);
    return labels.flatMap((text, i) => {
      const [x, y] = this.at[i], half = 3.4 * text.length;
      const box = [x - half, x + half, y + 8, y + 22];
      if (taken.some((other) => box[0] < other[1] && other[0] < box[1] && box[2] < other[3] && other[2] < box[3])) return [];
      taken.push(box);
      return [made("text", { x, y: y + 18, "text-anchor": "middle" }, text)];
    });
  }

  switches(ways) {
    const group = made("div", { class: "switches", role: "group", "aria-label": "Coloured by" });
    for (const way of ways) {
      const button = made("button", { type: "button", "aria-pressed": way === this.way }, WAYS[way]);
      button.addEventListener("click", () => {
        this.way = way;
        for (const other of group.children) other.setAttribute("aria-pressed", other === button);
        this.colour();
      });
      group.append(button);
    }
    return group;
  }

  colour() { // the rarer kinds lie on top
    const { names, counts, of } = this.map.colours[this.way];
    this.dots.forEach((dot, i) => dot.setAttribute("class", `dot c${of[i] + 1}${dot.classList.contains("on") ? " on" : ""}`));
    const focused = document.activeElement;
    this.svg.append(...[...this.dots].sort((a, b) => of[a.number] - of[b.number]));
    if (focused?.number !== undefined) focused.focus();
    this.key.replaceChildren(...names.map((kind, i) => {
      const entry = made("span");
      entry.append(made("i", { class: `c${i + 1}` }), `${kind} (${counts[i].toLocaleString("en")})`);
      return entry;
    }));
  }

  tell(number) {
    if (number === undefined) {
      if (!this.told.textContent) this.told.textContent = "Point at a dot for its name.";
      return;
    }
    const { name, colours } = this.map;
    const about = [colours.kind, colours.source, colours.split].filter(({ names }) => names.length > 1).map(({ names, of }) => names[of[number]]);
    this.told.textContent = [name[number], ...new Set(about)].join(" · ");
  }

  reach(dot) {
    this.svg.querySelector("[tabindex='0']")?.setAttribute("tabindex", -1);
    dot?.setAttribute("tabindex", 0);
  }

  press(event) {
    const from = event.target.number;
    if (from === undefined) return;
    if (event.key === "Enter" || event.key === " ") this.choose(from);
    else if (ARROWS[event.key]) {
      const to = this.next(from, ARROWS[event.key]);
      if (to !== undefined) { this.reach(this.dots[to]); this.dots[to].focus(); }
    } else return;
    event.preventDefault();
  }

  next(from, [right, down]) { // the nearest one that lies more in that direction than beside it
    let best, least = Infinity;
    this.at.forEach(([x, y], i) => {
      const dx = x - this.at[from][0], dy = y - this.at[from][1];
      const along = right * dx + down * dy, across = Math.abs(right ? dy : dx);
      if (along > 0 && across <= along && along + 2 * across < least) { least = along + 2 * across; best = i; }
    });
    return best;
  }

  async choose(number) {
    if (number === undefined) return;
    const place = document.getElementById("chosen");
    this.svg.querySelector(".on")?.classList.remove("on");
    this.dots[number].classList.add("on");
    this.reach(this.dots[number]);
    this.tell(number);
    this.asked = number;
    const answer = await fetch(`${this.dataset.poses}?id=${encodeURIComponent(this.map.name[number])}`).catch(() => null);
    if (this.asked !== number) return;
    if (answer?.ok) place.innerHTML = await answer.text();
    else place.replaceChildren(made("p", { class: "nothing" }, "This pose cannot be shown now."));
    place.querySelector("img")?.addEventListener("error", (event) => event.target.replaceWith("No picture."));
  }
}

customElements.define("pose-map", PoseMap);
