// Keeps what is marked data-live as new as the server's version of it, without touching anything else on the page.
//
// The page asks every other second whether something has changed, which costs the server nothing, and is fetched once more when
// it has; each data-live element is then changed into the new one of the same id. A hidden tab asks for nothing. (A stream of
// events would hold a connection for each tab, and browsers open six to a server.) Elements with data-since count on their own.

const EVERY = 2000; // milliseconds between two questions whether something has changed
const REST = 2000; // milliseconds between two refreshes
const connection = document.getElementById("connection");
let version = Number(document.body.dataset.version);
let wanted = version;
let busy = false;
let etag = "";

function state(kind, text) {
  connection.className = `connection ${kind}`;
  connection.title = text;
  connection.querySelector(".unseen").textContent = text;
}

const morphing = {
  morphStyle: "outerHTML",
  callbacks: {
    // what a person is at stays as it is
    beforeNodeMorphed: (old, fresh) => {
      if (old.nodeType !== 1) return true;
      if (old.matches("time-series") && fresh.dataset?.series) old.dataset.series = fresh.dataset.series;
      return !old.matches("time-series, [data-keep]") && !(old === document.activeElement && old.matches("input, select, textarea"));
    },
    beforeAttributeUpdated: (name, element) => !(name === "open" && element.matches("details")),
  },
};

async function refresh() {
  if (busy || document.hidden || wanted === version || !document.querySelector("[data-live]")) return;
  busy = true;
  const target = wanted;
  let got = target;
  try {
    const answer = await fetch(location.href, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
    if (answer.status === 401) return location.reload();
    if (answer.status !== 304 && answer.ok) {
      etag = answer.headers.get("ETag") ?? "";
      got = Number(etag.match(/-(\d+)"$/)?.[1] ?? target);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(old.id);
        if (fresh) Idiomorph.morph(old, fresh, morphing);
      }
      count();
      document.dispatchEvent(new Event("refreshed"));
    }
    version = got;
    state("", "Up to date");
  } catch {
    state("lost", "The dashboard does not answer");
  } finally {
    setTimeout(() => { busy = false; refresh(); }, REST);
  }
}

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await fetch(`/version`, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    wanted = Number(await answer.text());
    if (wanted === version) state("", "Up to date");
    refresh();
  } catch {
    state("lost", "The dashboard does not answer; trying again");
  }
}

function spoken(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

function count() {
  for (const element of document.querySelectorAll("[data-since]")) {
    if (element.seen !== element.dataset.since) {
      element.seen = element.dataset.since;
      element.began = performance.now() - 1000 * Number(element.dataset.since);
    }
    const text = spoken(Math.max(0, (performance.now() - element.began) / 1000));
    if (element.textContent !== text) element.textContent = text;
  }
}

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-go]")) location.href = event.target.value;
  if (event.target.closest("form[data-auto]")) event.target.closest("form").requestSubmit();
});
document.addEventListener("visibilitychange", ask);
setInterval(count, 1000);
count();
if (document.querySelector("[data-live]")) setInterval(ask, EVERY);
else state("still", "This page does not change by itself");
