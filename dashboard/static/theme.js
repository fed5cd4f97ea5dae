// Light, dark, or as the system says; before anything is drawn, so that nothing flashes.
(() => {
  const order = ["system", "light", "dark"];
  const stored = () => localStorage.getItem("theme");
  const asked = new URLSearchParams(location.search).get("theme");
  if (order.includes(asked)) localStorage.setItem("theme", asked);
  const show = () => {
    const theme = order.includes(stored()) ? stored() : "system";
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = { system: "Auto", light: "Light", dark: "Dark" }[theme];
      button.title = "Light, dark, or as the system is";
    }
  };
  show();
  document.addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme")?.addEventListener("click", () => {
      localStorage.setItem("theme", order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length]);
      show();
      document.dispatchEvent(new Event("themechange"));
    });
  });
})();
