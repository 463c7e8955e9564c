// Cameras, points and boxes in three dimensions, drawn by Plotly.

const colours = { train: ["#00639c", "#6cbcf0"], other: ["#c04f15", "#f0955a"], mark: ["#8a1f8a", "#f27bf2"] };
const colourOf = (name) => (colours[name] ?? colours.other)[theme.isDark() ? 1 : 0];
const state = find("space-state");
const nearness = data.boxes.inner ? 0.5 : 1.1; // captures have their cameras in the middle of a large box
let marked = null;

function drawSpace() {
  if (!window.Plotly) return;
  const style = getComputedStyle(document.documentElement);
  const [ink, soft, line, paper] = ["--ink", "--soft", "--line", "--paper"].map((name) => style.getPropertyValue(name).trim());
  const axis = { color: ink, gridcolor: line, zerolinecolor: line, showbackground: false };
  window.Plotly.react(find("space"), [...pointTraces(soft), ...boxTraces(soft), ...cameraTraces(), ...markTraces()], {
    font: { family: style.getPropertyValue("--sans"), size: 12, color: ink }, paper_bgcolor: paper,
    margin: { l: 0, r: 0, t: 0, b: 0 }, legend: { x: 0, y: 1, bgcolor: "rgba(0,0,0,0)" }, uirevision: "kept",
    scene: { aspectmode: "data", xaxis: { ...axis, title: { text: "x" } }, yaxis: { ...axis, title: { text: "y" } }, zaxis: { ...axis, title: { text: "z" } }, camera: { eye: { x: nearness, y: nearness, z: 0.7 * nearness } } },
  }, { responsive: true, displaylogo: false });
}

function pointTraces(colour) {
  if (!data.points.x.length) return [];
  return [{ type: "scatter3d", mode: "markers", name: "sparse points", ...data.points, hoverinfo: "skip", marker: { size: 1.5, color: colour, opacity: 0.7 } }];
}

function boxTraces(colour) {
  const names = { box: ["box", "solid"], inner: ["inner cube", "dash"] };
  return Object.entries(data.boxes).map(([key, edges]) => ({
    type: "scatter3d", mode: "lines", name: names[key][0], ...edges, hoverinfo: "skip", connectgaps: false, line: { color: colour, width: 2, dash: names[key][1] },
  }));
}

function cameraTraces() {
  return Object.entries(data.cameras).flatMap(([split, own]) => [
    { type: "scatter3d", mode: "lines", name: split, legendgroup: split, ...own.lines, hoverinfo: "skip", connectgaps: false, line: { color: colourOf(split), width: 2 } },
    { type: "scatter3d", mode: "markers", name: split, legendgroup: split, showlegend: false, ...own.centres, text: own.names.map(plain), hovertemplate: `%{text}<extra>${plain(split)}</extra>`, marker: { size: 2.5, color: colourOf(split) } },
  ]);
}

function markTraces() {
  if (!marked) return [];
  const { centres, names } = data.cameras[marked.split];
  const at = (axis) => [centres[axis][marked.place]];
  return [{ type: "scatter3d", mode: "markers", name: plain(names[marked.place]), x: at("x"), y: at("y"), z: at("z"), hoverinfo: "skip", marker: { size: 9, color: colourOf("mark") } }];
}

// Plotly reads a few tags in texts: a name must not be one.
function plain(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

for (const button of document.querySelectorAll(".sheet button")) {
  button.addEventListener("click", () => {
    const again = button.getAttribute("aria-pressed") === "true";
    for (const other of document.querySelectorAll(".sheet button")) other.removeAttribute("aria-pressed");
    marked = again ? null : { split: button.dataset.split, place: Number(button.dataset.place) };
    if (!again) button.setAttribute("aria-pressed", "true");
    drawSpace();
  });
}

(async () => {
  try {
    const script = make("script");
    script.textContent = await unpack(find("plotly").textContent);
    document.head.append(script);
    state.hidden = true;
    theme.onChange(drawSpace);
    drawSpace();
  } catch (error) {
    state.textContent = `The picture cannot be drawn by this browser (${error.message}).`;
  }
})();
