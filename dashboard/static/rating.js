// Comforts on top of plain forms: keys, the time an answer takes, pictures loaded ahead, a word while a study is made.

const answers = document.querySelector("form.answers");
let began; // milliseconds; undefined until the pictures are there
let away = 0; // milliseconds in which the page could not be seen
let hidden;
let sent = false;

async function begin() {
  const pictures = [...document.querySelectorAll(".pictures img")];
  await Promise.allSettled(pictures.map((picture) => picture.decode()));
  began = performance.now();
  for (const address of answers.dataset.ahead.split(" ").filter(Boolean)) new Image().src = address;
}

function press(event) {
  const typing = event.target.closest?.("input, select, textarea");
  if (typing || sent || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  const target = [...document.querySelectorAll("[data-keys]")].find((one) => one.dataset.keys.split(" ").includes(key));
  if (!target) return;
  event.preventDefault();
  target.classList.add("pressed");
  target.click();
}

if (answers) {
  begin();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hidden = performance.now();
    else if (hidden !== undefined) away += performance.now() - hidden;
  });
  answers.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault(); // a second press while the first is on its way
    sent = true;
    if (began !== undefined) answers.elements.seconds.value = ((performance.now() - began - away) / 1000).toFixed(2);
  });
}
document.addEventListener("keydown", press);

const making = document.querySelector("form[data-busy]");
making?.addEventListener("submit", (event) => {
  if (event.submitter?.formMethod === "get") return;
  making.querySelector("[data-told]").textContent = making.dataset.busy;
  event.submitter.disabled = true;
});

window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return; // the browser shows a page again that it has kept
  sent = false;
  for (const button of document.querySelectorAll("button[disabled]")) button.disabled = false;
});
