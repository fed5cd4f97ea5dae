// What charts of trainings need beyond a plain <time-series>: curves that are measured at different steps are drawn through the
// gaps of the others, and "NAME, lowest" with "NAME, highest" become a pale range around NAME. The slider tells its step.

const LOWEST = ", lowest";
const HIGHEST = ", highest";
const figures = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const SPARSE = 60; // points of a curve up to which each is marked

function dress(element) {
  const plot = element.plot;
  if (!plot || plot.dressed) return;
  plot.dressed = true;
  const places = new Map(plot.series.map((series, place) => [series.label, place]));
  const unit = JSON.parse(element.dataset.series).unit;
  plot.axes[0].values = (self, ticks) => ticks.map((tick) => (tick == null || isAtEnd(self.scales.x, tick) ? "" : short.format(tick)));
  plot.axes[1].values = (self, ticks) => ticks.map((tick) => told(tick, unit));
  if (plot.scales.y.distr === 3) plot.axes[1].grid.filter = (self, ticks) => ticks.map((tick) => (isPower(tick) ? tick : null));
  const rows = element.querySelectorAll(".u-legend .u-series");
  for (const [label, place] of places) {
    if (!place) continue;
    const series = plot.series[place];
    series.spanGaps = true;
    series.value = (self, value) => (value == null ? "–" : told(value, unit));
    const end = [LOWEST, HIGHEST].find((word) => label.endsWith(word));
    if (!end) {
      series.points.show = (self) => self.data[place].filter((value) => value != null).length < SPARSE;
      continue;
    }
    series.stroke = () => "transparent";
    series.points.show = () => false;
    rows[place]?.classList.add("unseen");
    const main = places.get(label.slice(0, -end.length));
    const lowest = places.get(label.slice(0, -end.length) + LOWEST);
    if (end === HIGHEST) plot.addBand({ series: [place, lowest], fill: () => pale(plot.series[main].stroke(plot, main)) });
  }
  plot.redraw(true, true);
}

// where the canvas would cut a label
const isAtEnd = (scale, tick) => tick > scale.max - 0.04 * (scale.max - scale.min) && scale.max - scale.min > 0;
const isPower = (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;

// four figures, however small; a learning rate is no zero
function told(value, unit) {
  if (value == null) return "";
  const isTiny = value !== 0 && Math.abs(value) < 1e-3;
  const text = isTiny ? value.toExponential(2).replace(/\.?0+e/, "e").replace("-", "−") : figures.format(value);
  return unit ? `${text} ${unit}` : text;
}

function pale(colour) {
  return colour.replace(/^rgb\((.*)\)$/, (whole, parts) => `rgba(${parts}, 0.17)`);
}

function dressAll() {
  for (const element of document.querySelectorAll("time-series")) dress(element);
}

for (const name of ["refreshed", "themechange"]) document.addEventListener(name, dressAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dressAll);
new ResizeObserver(dressAll).observe(document.body);
dressAll();

document.addEventListener("input", (event) => {
  if (!event.target.matches("input[data-steps]")) return;
  const step = Number(event.target.dataset.steps.split(" ")[event.target.value]).toLocaleString("en");
  event.target.setAttribute("aria-valuetext", `Step ${step}`);
  event.target.form.querySelector("output").textContent = `step ${step}`;
});
