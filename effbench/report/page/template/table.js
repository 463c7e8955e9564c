// The leaderboard: sorting, filtering, and what is known of a row's cells.

function startTable() {
  const table = find("leaderboard");
  const body = table.tBodies[0];
  const rows = [...body.rows]; // rows[i] shows data.rows[i]
  const headings = [...table.tHead.rows[0].cells].slice(1);
  const names = headings.map((heading) => heading.dataset.column);
  const texts = rows.map((row) => [...row.cells].slice(1).map((cell) => cell.textContent));
  const haystacks = texts.map((cells, i) =>
    [...cells, data.rows[i].status, data.rows[i].backend].join(" ").toLowerCase());
  let order = rows.map((_, i) => i);

  const value = (i, column) => {
    const kind = headings[column].dataset.kind;
    if (kind === "figure") return data.rows[i][names[column]];
    if (kind === "text") return texts[i][column];
    return texts[i][column] ? parseFloat(texts[i][column].replace("−", "-")) : null; // a difference
  };

  function compare(column, sign) {
    return (a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (x === null || y === null) return (x === null) - (y === null) || a - b; // missing: last
      const found = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
      return sign * found || a - b;
    };
  }

  // First the best or the first of the alphabet on top, then the other way round, then as it was.
  function sort(column) {
    const heading = headings[column];
    const first = heading.dataset.better === "higher" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const next = { [first]: second, [second]: "" }[heading.getAttribute("aria-sort")] ?? first;
    for (const other of headings) other.removeAttribute("aria-sort");
    if (next) heading.setAttribute("aria-sort", next);
    order = rows.map((_, i) => i);
    if (next) order.sort(compare(column, next === "ascending" ? 1 : -1));
    closeDetails();
    body.append(...order.map((i) => rows[i]));
  }

  function filter() {
    const words = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = [...find("filters").querySelectorAll("select")].filter((select) => select.value);
    let shown = 0;
    closeDetails();
    rows.forEach((row, i) => {
      const fits = words.every((word) => haystacks[i].includes(word)) &&
        chosen.every((select) => String(data.choices[i][select.dataset.column]) === select.value);
      row.hidden = !fits;
      shown += fits;
    });
    find("count").textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  }

  function closeDetails() {
    for (const open of body.querySelectorAll("tr.details")) open.remove();
    for (const button of body.querySelectorAll('[aria-expanded="true"]')) button.setAttribute("aria-expanded", "false");
  }

  function toggleDetails(button) {
    const row = button.closest("tr");
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) row.nextElementSibling.remove();
    else row.after(detailsOf(rows.indexOf(row), row.cells.length));
  }

  headings.forEach((heading, column) => heading.firstChild.addEventListener("click", () => sort(column)));
  body.addEventListener("click", (event) => {
    const button = event.target.closest(".more button");
    if (button) toggleDetails(button);
  });
  find("filters").addEventListener("input", filter);
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("all-columns").addEventListener("change", (event) => table.classList.toggle("all", event.target.checked));
}

// Returns a row of the table with the seeds, parameters and provenance of row i.
function detailsOf(i, columns) {
  const cells = data.cells.filter((cell) => cell.row === i);
  const headings = ["cell", "seed", "status", "PSNR dB", "total s", "started", "environment"];
  const lines = cells.map((cell) => [
    cell.id, cell.seed, cell.reason ? `${cell.status}: ${cell.reason}` : cell.status, rounded(cell.psnr, 3),
    rounded(cell.total_s, 1), cell.started ?? "–", cell.environment + 1,
  ]);
  const box = make("div", { class: "sticky" }, make("b", {}, "Cells"), makeTable(headings, lines));
  if (data.rows[i].backend) box.append(make("p", {}, `Backend of the kernels: ${data.rows[i].backend}`));
  const params = Object.entries(cells[0]?.params ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  if (params.length) box.append(make("b", {}, "Parameters"), make("p", {}, make("code", {}, params.join(" "))));
  const missing = new Set(cells.flatMap((cell) => Object.entries(cell.missing).map(([name, why]) => `${name}: ${why}`)));
  if (missing.size) box.append(make("b", {}, "Not measured"), make("p", {}, [...missing].join("; ")));
  const notes = new Set(cells.flatMap((cell) => cell.notes));
  if (notes.size) box.append(make("b", {}, "Notes on the scene"), make("p", {}, [...notes].join("; ")));
  return make("tr", { class: "details" }, make("td", { colspan: String(columns) }, box));
}

function rounded(value, digits) {
  return value === null ? null : Number(value.toFixed(digits));
}
