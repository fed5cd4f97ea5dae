// What tests ask of a page: each function gives a list of complaints, or what it was asked for.

({
  // Texts that hardly stand out from what is behind them.
  faintTexts(least) {
    const light = (colour) => {
      const parts = colour.match(/[\d.]+/g).slice(0, 3).map((value) => (colour.startsWith("color(") ? +value : value / 255));
      const [r, g, b] = parts.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const isOpaque = (colour) => colour !== "transparent" && !/, 0(\.\d+)?\)$/.test(colour) && !/\/ 0(\.\d+)?\)$/.test(colour);
    const ground = (element) => {
      while (element && !isOpaque(getComputedStyle(element).backgroundColor)) element = element.parentElement;
      return getComputedStyle(element ?? document.body).backgroundColor;
    };
    const holdsText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const leftOut = "svg, .unseen, [aria-disabled=true], [disabled], option, script, style, noscript";
    return [...document.querySelectorAll("main *")]
      .filter((element) => holdsText(element) && element.checkVisibility() && !element.closest(leftOut))
      .map((element) => {
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
        return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), `${element.tagName}.${element.className}: ${element.textContent.trim().slice(0, 30)}`];
      })
      .filter(([ratio]) => ratio < least)
      .slice(0, 5);
  },

  // Controls that keys do not reach, or that have no name.
  lostControls() {
    const named = (element) =>
      element.textContent.trim() || element.getAttribute("aria-label") || element.title || element.labels?.length || element.querySelector("img[alt]");
    return [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
      .filter((element) => element.checkVisibility() && (element.tabIndex < 0 || !named(element)))
      .map((element) => element.outerHTML.slice(0, 120));
  },

  // Where things stand: left, top and width.
  places(ids) {
    return ids.map((id) => {
      const box = document.getElementById(id).getBoundingClientRect();
      return [id, box.x, box.y, box.width];
    });
  },
});
