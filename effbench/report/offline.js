// What pages share: their data, making elements, unpacking Plotly, the theme.

const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);

// Returns a new element. Texts are set as text, never as HTML: a name can hold anything.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Returns the text of a gzip file in base64.
async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64.trim()), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// The theme: the system's until someone chooses; listeners are told when colours change.
const theme = (() => {
  const names = ["auto", "light", "dark"];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];
  let chosen = "auto";
  try { chosen = localStorage.getItem("effbench-theme") || "auto"; } catch { /* not kept on disk */ }
  if (!names.includes(chosen)) chosen = "auto";
  const isDark = () => chosen === "dark" || (chosen === "auto" && dark.matches);
  function show() {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    find("theme").textContent = `Theme: ${chosen}`;
    for (const listener of listeners) listener();
  }
  find("theme").addEventListener("click", () => {
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    try { localStorage.setItem("effbench-theme", chosen); } catch { /* not kept on disk */ }
    show();
  });
  dark.addEventListener("change", show);
  show();
  return { isDark, onChange: (listener) => listeners.push(listener) };
})();
