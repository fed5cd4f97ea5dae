// <time-series data-series="…">: curves drawn by uPlot in the page's colours, with a legend that tells values at the pointer.

const CURVES = ["--accent", "--orange", "--teal", "--violet", "--rose", "--olive", "--sky", "--brown"];
const HEIGHT = 190;

// Hours and minutes, with the day below where it changes; days alone when they are far apart.
function times(plot, ticks, axis, space, step) {
  const day = (date) => date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  let last = "";
  return ticks.map((tick) => {
    const date = new Date(1000 * tick), today = day(date), isNew = today !== last;
    last = today;
    if (step >= 86400) return isNew ? today : "";
    const clock = date.toLocaleTimeString("en-GB", step >= 60 ? { hour: "2-digit", minute: "2-digit" } : {});
    return isNew ? `${clock}\n${today}` : clock;
  });
}

class TimeSeries extends HTMLElement {
  static observedAttributes = ["data-series"];

  connectedCallback() {
    this.redraw = () => this.draw();
    document.addEventListener("themechange", this.redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", this.redraw);
    this.sizes = new ResizeObserver(() => {
      if (this.plot && this.clientWidth) this.plot.setSize({ width: this.clientWidth, height: HEIGHT });
    });
    this.sizes.observe(this);
    this.draw();
  }

  disconnectedCallback() {
    document.removeEventListener("themechange", this.redraw);
    this.sizes?.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  attributeChangedCallback(name, before, after) {
    if (!this.plot || before === after) return;
    const { data, names } = this.read();
    if (names.join() === this.names.join()) this.plot.setData(data);
    else this.draw();
  }

  read() {
    const about = JSON.parse(this.dataset.series);
    const marks = Object.entries(about.marks);
    const flat = marks.map(([, value]) => about.x.map(() => value));
    const names = [...Object.keys(about.curves), ...marks.map(([name]) => name)];
    return { about, names, marks: marks.length, data: [about.x, ...Object.values(about.curves), ...flat] };
  }

  draw() {
    if (!this.isConnected || !this.clientWidth) return;
    this.plot?.destroy();
    const { about, names, marks, data } = this.read();
    this.names = names;
    const probe = (name) => { this.style.color = `var(${name})`; const found = getComputedStyle(this).color; this.style.color = ""; return found; };
    const told = (plot, value) => (value == null ? "–" : `${Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 })}${about.unit ? ` ${about.unit}` : ""}`);
    const axis = { space: 40, stroke: probe("--faint"), font: "12px system-ui, sans-serif", grid: { stroke: probe("--line"), width: 1 }, ticks: { show: false } };
    const series = names.map((name, i) => i < names.length - marks
      ? { label: name, stroke: probe(CURVES[i % CURVES.length]), width: 1.8, value: told, points: { show: data[0].length < 40, size: 5 }, spanGaps: false }
      : { label: name, stroke: probe("--wrong"), width: 1, dash: [5, 5], value: told, points: { show: false } });
    const range = (plot, low, high) => {
      if (low == null) return [about.least ?? 0, about.most ?? 1];
      const least = Math.min(low, about.least ?? low), most = Math.max(high, about.most ?? high);
      const room = (most - least || Math.abs(most) || 1) * 0.08;
      return [about.least != null && least === about.least ? least : least - room, most + room];
    };
    this.plot = new uPlot({
      width: this.clientWidth,
      height: HEIGHT,
      padding: [8, 12, 0, 0],
      scales: { x: { time: about.time }, y: about.log ? { distr: 3 } : { range } },
      axes: [{ ...axis, space: about.time ? 84 : 60, grid: { show: false }, ...(about.time ? { values: times } : {}) }, { ...axis, size: 62, values: (plot, ticks) => ticks.map((tick) => (tick == null ? "" : told(plot, tick))) }],
      series: [about.time ? { value: "{YYYY}-{MM}-{DD} {HH}:{mm}" } : { label: about.label, value: (plot, x) => (x == null ? "–" : x.toLocaleString("en")) }, ...series],
      legend: { live: true },
      cursor: { drag: { x: true, y: false } },
    }, data, this);
  }
}

customElements.define("time-series", TimeSeries);
