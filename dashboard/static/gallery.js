// Follows the form of filters and labels without loading the page anew, and keeps pictures still that somebody looks at.

const form = document.querySelector("form[data-follow]");
const grid = () => document.getElementById("grid");
const fresh = document.getElementById("fresh");
let asked = 0;

// The address that the form asks for: nothing empty, all labels in one word.
function address() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && name !== "layers") query.append(name, value);
  }
  const layers = new FormData(form).getAll("layers");
  if (layers.length) query.set("layers", layers.join(","));
  const text = query.toString().replaceAll("%2C", ",");
  return location.pathname + (text && `?${text}`);
}

// Changes what is marked data-live into what another address shows.
async function show(url, remember) {
  const number = ++asked;
  const main = document.getElementById("main");
  main.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (number !== asked) return;
    if (url !== location.href) remember(url);
    grid()?.removeAttribute("data-keep");
    for (const old of document.querySelectorAll("[data-live]")) {
      const there = page.getElementById(old.id);
      if (there) Idiomorph.morph(old, there, { morphStyle: "outerHTML" });
    }
    document.dispatchEvent(new Event("refreshed"));
  } catch {
    if (number === asked) location.href = url; // the browser says best what is wrong
  } finally {
    if (number === asked) main.removeAttribute("aria-busy");
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show(address(), (url) => history.pushState(null, "", url));
});
form.addEventListener("change", (event) => {
  if (event.target.name !== "layers") return;
  event.stopPropagation(); // other labels on the same pictures: the person has gone nowhere
  const place = new URLSearchParams(location.search);
  const url = new URL(address(), location.href);
  for (const name of ["from", "before"]) if (place.has(name)) url.searchParams.set(name, place.get(name));
  show(url.href, (to) => history.replaceState(null, "", to));
});
window.addEventListener("popstate", () => location.reload());

// New pictures come in front when nobody is at the old ones; otherwise a button tells of them.

function hold() {
  const pictures = grid();
  if (!pictures || pictures.hasAttribute("data-still")) return;
  const isSeen = scrollY > 150 || pictures.matches(":hover") || pictures.contains(document.activeElement);
  pictures.toggleAttribute("data-keep", isSeen);
  if (!isSeen && !fresh.hidden) show(location.href, () => {});
}

function tell() {
  const first = document.getElementById("told")?.dataset.first;
  if (fresh) fresh.hidden = !(first && grid()?.hasAttribute("data-keep") && grid().firstElementChild?.id !== first);
}

function step({ key, target }) {
  const shots = [...target.closest(".grid").children];
  const columns = shots.findIndex((shot) => shot.offsetTop > shots[0].offsetTop);
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  return shots[shots.indexOf(target) + by];
}

if (fresh) {
  for (const kind of ["scroll", "pointerover", "focusin", "focusout"]) document.addEventListener(kind, () => setTimeout(hold), { passive: true });
  document.addEventListener("refreshed", () => { hold(); tell(); });
  fresh.addEventListener("click", () => {
    document.activeElement.blur();
    window.scrollTo({ top: 0 });
    show(location.href, () => {});
  });
  document.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || !event.target.matches?.("#grid .shot")) return;
    event.preventDefault();
    step(event)?.focus();
  });
  hold();
}
