// Keys, the hands in space, and the command to copy.

const frame = document.getElementById("space");
const WAIT = 350; // milliseconds: who leafs on is not kept waiting for hands

function turn() {
  const { theme } = document.documentElement.dataset;
  frame.src = frame.dataset.src + (theme === "system" ? "" : `?theme=${theme}`);
}

setTimeout(turn, WAIT);
document.addEventListener("themechange", turn);

const KEYS = { ArrowLeft: "[rel=prev]", ArrowRight: "[rel=next]", Escape: "#back" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (event.target.matches?.("select, textarea, input:not([type=checkbox])")) return;
  document.querySelector(`#moves ${KEYS[event.key] ?? ":not(*)"}`)?.click();
});

for (const button of document.querySelectorAll("[data-copy]")) {
  const words = button.textContent;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch { // without TLS there is no clipboard: the text is marked, so that Ctrl-C copies it
      getSelection().selectAllChildren(text);
      button.textContent = "Press Ctrl-C";
    }
    setTimeout(() => { button.textContent = words; }, 2000);
  });
}
