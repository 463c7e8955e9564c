// Training curves and trade-offs, drawn by Plotly, which is unpacked when they come into view.

const colourOf = (entry) => (theme.isDark() ? entry.dark : entry.colour);

function startCharts() {
  if (!find("charts")) return;
  const state = find("chart-state");
  const shown = data.entries.map((entry) => entry.shown && entry.measured);
  const axes = { x: find("trade-x"), y: find("trade-y") };
  const chips = data.entries.map((entry, i) => {
    const chip = make("button", { type: "button", "aria-pressed": String(shown[i]) }, entry.label);
    chip.hidden = !entry.measured;
    chip.addEventListener("click", () => show([i], !shown[i]));
    return chip;
  });

  function show(numbers, on) {
    for (const i of numbers) {
      shown[i] = on;
      chips[i].setAttribute("aria-pressed", String(on));
    }
    draw();
  }

  function draw() {
    chips.forEach((chip, i) => chip.style.setProperty("--chip", colourOf(data.entries[i])));
    if (!window.Plotly) return;
    const group = Number(find("chart-group").value);
    if (find("curve-plot")) drawCurves(group, shown);
    drawTradeOff(group, shown, axes.x.value, axes.y.value);
  }

  function setUp() {
    find("chips").append(...chips);
    fillSelect(find("chart-group"), data.groups.map((group) => group.label));
    const columns = Object.entries(data.columns).filter(([, column]) => column.better);
    const option = (chosen) => ([name, column]) => new Option(column.label, name, false, name === chosen);
    axes.y.append(...columns.filter(([name]) => qualities.includes(name)).map(option("psnr")));
    axes.x.append(...columns.filter(([name]) => !qualities.includes(name)).map(option("model_mb")));
    for (const select of find("charts").querySelectorAll("select")) select.addEventListener("change", draw);
    find("chart-group").addEventListener("change", suitAxis);
    find("show-all").addEventListener("click", () => show(shown.keys(), true));
    find("show-none").addEventListener("click", () => show(shown.keys(), false));
    find("curve-values")?.addEventListener("toggle", draw);
    theme.onChange(draw);
    suitAxis();
    draw();
  }

  // Budgets of iterations are compared over iterations.
  function suitAxis() {
    const group = data.groups[Number(find("chart-group").value)];
    if (find("curve-x") && group) find("curve-x").value = group.unit === "it" ? "iteration" : "train_s";
    draw();
  }

  async function load() {
    try {
      const script = make("script");
      script.textContent = await unpack(find("plotly").textContent);
      document.head.append(script);
      state.hidden = true;
      draw();
    } catch (error) {
      state.textContent = `The charts cannot be drawn by this browser (${error.message}); the figures are in the leaderboard.`;
    }
  }

  setUp();
  const watch = new IntersectionObserver((seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    watch.disconnect();
    load();
  }, { rootMargin: "400px" });
  watch.observe(find("charts"));
}

const qualities = ["psnr", "ssim", "lpips_vgg", "lpips_alex", "flip"];

function drawCurves(group, shown) {
  const x = find("curve-x").value;
  const own = data.curves.filter((curve) => curve.group === group && shown[curve.entry]);
  own.sort((a, b) => a.entry - b.entry);
  const traces = own.flatMap((curve) => curveTraces(curve, x));
  const labels = { iteration: "training iterations", train_s: "training time (s)", total_s: "total time with parents and teachers (s)" };
  render("curve-plot", traces, { xaxis: { title: { text: labels[x] }, rangemode: "tozero" }, yaxis: { title: { text: "PSNR (dB)" } } });
  if (!find("curve-values").open) return;
  const rows = own.flatMap((curve) => curve.psnr.map((psnr, i) =>
    [data.entries[curve.entry].label, curve.train_s[i], curve.iteration[i], psnr, curve.std[i], curve.n]));
  find("curve-values").lastElementChild.replaceChildren(
    makeTable(["row", "training time s", "iterations", "PSNR dB", "± dB", "seeds"], rows));
}

// Returns a line with markers and, for several seeds, the outline of its band.
function curveTraces(curve, x) {
  const entry = data.entries[curve.entry];
  const colour = colourOf(entry);
  const name = escaped(entry.label);
  const line = {
    x: curve[x], y: curve.psnr, name, mode: "lines+markers", line: { color: colour, width: 2 },
    marker: { color: colour, symbol: entry.symbol, size: 6 }, customdata: curve.std.map((std) => (std === null ? "" : ` ± ${std.toFixed(2)}`)),
    hovertemplate: `%{y:.2f}%{customdata} dB at %{x:.4~g}<extra>${name}</extra>`,
  };
  if (curve.std.some((std) => std === null)) return [line];
  const high = curve.psnr.map((psnr, i) => psnr + curve.std[i]);
  const low = curve.psnr.map((psnr, i) => psnr - curve.std[i]);
  const band = {
    x: [...curve[x], ...[...curve[x]].reverse()], y: [...high, ...low.reverse()], fill: "toself",
    fillcolor: colour + "2b", line: { width: 0 }, mode: "lines", hoverinfo: "skip",
  };
  return [band, line];
}

function drawTradeOff(group, shown, x, y) {
  const have = data.rows.filter((row) => row.group === group && row[x] !== null && row[y] !== null);
  const front = paretoFront(have.filter((row) => row.role === "row"), x, y);
  const staircase = {
    x: front.map((row) => row[x]), y: front.map((row) => row[y]), mode: "lines", hoverinfo: "skip",
    line: { color: theme.isDark() ? "#6b727c" : "#a8adb4", width: 1.5, shape: data.columns[x].better === "lower" ? "hv" : "vh" },
  };
  const traces = have.filter((row) => shown[row.entry]).map((row) => pointTrace(row, x, y));
  const positive = have.every((row) => row[x] > 0);
  render("trade-plot", [staircase, ...traces], {
    xaxis: { title: { text: data.columns[x].label }, ...(positive ? logarithmic(have.map((row) => row[x])) : {}) },
    yaxis: { title: { text: data.columns[y].label } },
  });
}

// Returns a logarithmic axis with ticks at 1, 2 and 5 of each decade.
function logarithmic(values) {
  const ticks = [];
  const [low, high] = [Math.min(...values) / 1.4, Math.max(...values) * 1.4];
  for (let decade = Math.floor(Math.log10(low)); 10 ** decade <= high; decade += 1) {
    for (const digit of [1, 2, 5]) ticks.push(Number((digit * 10 ** decade).toPrecision(1)));
  }
  return { type: "log", range: [Math.log10(low), Math.log10(high)], tickvals: ticks, ticktext: ticks.map((tick) => tick.toLocaleString("en", { maximumSignificantDigits: 2 })) };
}

function pointTrace(row, x, y) {
  const entry = data.entries[row.entry];
  const name = escaped(entry.label);
  const trace = {
    x: [row[x]], y: [row[y]], name, mode: "markers",
    marker: { color: colourOf(entry), symbol: entry.symbol, size: 11, line: { width: 1, color: theme.isDark() ? "#15171a" : "#fff" } },
    hovertemplate: `%{y:.4~g}, %{x:.4~g}, n = ${row.n}<extra>${name}</extra>`,
  };
  if (y === "psnr" && row.psnr_std !== null) trace.error_y = { type: "data", array: [row.psnr_std], color: colourOf(entry), thickness: 1.2, width: 4 };
  return trace;
}

// Returns the rows that no other beats in one figure without losing in the other, by x.
function paretoFront(rows, x, y) {
  const cost = (row) => (data.columns[x].better === "lower" ? row[x] : -row[x]);
  const gain = (row) => (data.columns[y].better === "higher" ? row[y] : -row[y]);
  const ordered = [...rows].sort((a, b) => cost(a) - cost(b) || gain(b) - gain(a));
  let best = -Infinity;
  return ordered.filter((row) => {
    const leads = gain(row) > best;
    if (leads) best = gain(row);
    return leads;
  });
}

// Plotly reads a few HTML tags and %{…} in labels; a name is shown as it is.
function escaped(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "%&#123;");
}

function render(id, traces, { xaxis, yaxis }) {
  const style = getComputedStyle(document.documentElement);
  const [ink, line, paper] = ["--ink", "--line", "--paper"].map((name) => style.getPropertyValue(name).trim());
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true, ticks: "outside", tickcolor: line };
  window.Plotly.react(find(id), traces, {
    font: { family: style.getPropertyValue("--sans"), size: 12, color: ink }, paper_bgcolor: paper, plot_bgcolor: paper,
    margin: { l: 52, r: 12, t: 12, b: 46 }, showlegend: false, hovermode: "closest", dragmode: "zoom",
    hoverlabel: { namelength: -1, font: { family: style.getPropertyValue("--sans") } },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis },
  }, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg", filename: id } });
}
