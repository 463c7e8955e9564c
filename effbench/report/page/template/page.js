// What the parts of the page share: lists of choices, tables, tooltips.

function fillSelect(select, labels, chosen = 0) {
  select.replaceChildren(...labels.map((label, i) => new Option(label, String(i), false, i === chosen)));
}

// Returns a table of the kind that stands in plain text; cells are texts, numbers on the right.
function makeTable(headings, rows) {
  const line = (tag, cells) => make("tr", {}, ...cells.map((text) => {
    const number = typeof text === "number";
    return make(tag, number ? { class: "num" } : {}, text === null ? "–" : String(text));
  }));
  return make("table", { class: "plain" },
    make("thead", {}, line("th", headings)), make("tbody", {}, ...rows.map((row) => line("td", row))));
}

// One tooltip for all elements with data-how, below the element that is pointed at or in focus.
(() => {
  const tip = find("tip");
  let about = null;
  function show(event) {
    const found = event.target.closest?.("[data-how]");
    if (!found) return;
    about = found;
    tip.textContent = about.dataset.how;
    tip.hidden = false;
    about.setAttribute("aria-describedby", "tip");
    place();
  }
  function place() {
    const box = about.getBoundingClientRect();
    const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    const below = box.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.top = `${below ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
  }
  function hide() { tip.hidden = true; }
  // What comes into focus may be scrolled to: its tip goes with it.
  function follow() {
    if (about?.contains(document.activeElement)) place(); else hide();
  }
  for (const name of ["mouseover", "focusin"]) document.addEventListener(name, show);
  for (const name of ["mouseout", "focusout"]) document.addEventListener(name, hide);
  document.addEventListener("scroll", follow, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
