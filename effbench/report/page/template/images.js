// Two renders, or their maps of depth or opacity, under a divider, enlarged and overlaid with their
// FLIP error maps at will.

function startImages() {
  if (!find("images")) return;
  const stage = find("stage");
  const [split, zoom, overlay] = ["split", "zoom", "overlay"].map(find);
  const sides = ["left", "right"].map((side) => ({
    side, select: find(`image-${side}`), layer: find(`layer-${side}`), tag: find(`tag-${side}`),
  }));
  const shown = find("image-shown"); // only where some row has maps
  const time = find("time"); // only where some scene moves
  const at = { x: 0.5, y: 0.5 }; // the part of the picture in the middle of the stage

  const scene = () => data.images[Number(find("image-scene").value)];
  const view = () => scene().views[Number(find("image-view").value)];
  // Of the view; its scene's where all are of one size.
  const size = () => ({ ...scene(), ...view() });
  // The ground truth, then the rows: best PSNR first.
  const choices = () => [{ label: "ground truth", render: view().truth, error: null }, ...view().items];

  function chooseScene() {
    fillSelect(find("image-view"), scene().views.map((one) => one.name));
    if (time) {
      const moments = scene().views.filter((one) => one.time != null).length;
      find("time-control").hidden = moments < 2;
      time.max = String(scene().views.length - 1);
    }
    chooseView([0, 1]);
  }

  // The slider goes through the views, which are in the order of their times.
  function showTime() {
    if (!time || view().time == null) return;
    time.value = find("image-view").value;
    time.setAttribute("aria-valuetext", view().time.toFixed(2));
  }

  function chooseView(kept) {
    stage.style.aspectRatio = `${size().width} / ${size().height}`;
    const labels = choices().map((choice) => choice.label);
    sides.forEach(({ select }, i) => fillSelect(select, labels, Math.min(kept[i], labels.length - 1)));
    showImages();
  }

  function showImages() {
    for (const { select, layer, tag } of sides) {
      const choice = choices()[Number(select.value)];
      const [render, error] = layer.children;
      const kind = shown && choice[shown.value] ? shown.value : "render";
      const what = kind === "render" ? choice.label : `${choice.label}: ${kind}`;
      render.src = choice[kind];
      render.alt = `${what}, view ${view().name}`;
      if (choice.error) error.src = choice.error; else error.removeAttribute("src");
      error.alt = choice.error ? `FLIP error of ${choice.label}` : "";
      tag.textContent = what;
    }
    showMaps();
    showFigures();
    showTime();
    place();
  }

  // All there is to one row: the right one, or the left one beside ground truth. Below it, the
  // colours of depth with their distances.
  function showMaps() {
    if (!shown) return;
    const [left, right] = sides.map(({ select }) => choices()[Number(select.value)]);
    const row = right.error ? right : left;
    const { scale, truth } = view();
    const parts = { truth, render: row.render, "FLIP error": row.error, depth: row.depth, opacity: row.opacity };
    const there = Object.entries(parts).filter(([, source]) => source);
    find("thumbs").replaceChildren(...there.map(([name, source]) => make("div", {},
      make("img", { src: source, alt: `${row.label}: ${name}` }), make("span", {}, name))));
    find("maps").hidden = !row.error;
    find("ramp").hidden = find("ticks").hidden = !row.depth;
    find("maps-note").textContent = !row.depth ? `${row.label} has no maps of depth and opacity of this view.`
      : `${row.label}. Depth: distance along the ray in world units${scale.disparity ? ", colours even in 1/distance" : ""}, fainter where less opaque. Opacity: black is 0, white is 1.`;
    if (!row.depth) return;
    find("ramp").style.background = `linear-gradient(to right, ${scale.colours.join(", ")})`;
    find("ticks").replaceChildren(...scale.ticks.map((tick) => make("span", {}, String(tick))));
  }

  function showFigures() {
    const text = (value, digits) => (value == null ? "–" : value.toFixed(digits));
    const rows = sides.map(({ side, select }) => {
      const choice = choices()[Number(select.value)];
      const figures = [text(choice.psnr, 2), text(choice.ssim, 4), text(choice.flip, 4)];
      return make("tr", {}, make("td", {}, side), make("td", {}, choice.label),
        ...figures.map((figure) => make("td", { class: "num" }, figure)));
    });
    find("image-figures").tBodies[0].replaceChildren(...rows);
  }

  // Puts divider, enlargement and overlay where the controls say.
  function place() {
    const factor = Number(zoom.value);
    const least = 0.5 / factor;
    for (const axis of ["x", "y"]) at[axis] = Math.min(1 - least, Math.max(least, at[axis]));
    const shift = [at.x, at.y].map((middle) => `${(0.5 - middle * factor) * 100}%`).join(", ");
    for (const { layer } of sides) {
      const [render, error] = layer.children;
      for (const image of layer.children) image.style.transform = `translate(${shift}) scale(${factor})`;
      error.hidden = overlay.value === "0" || !error.hasAttribute("src");
      error.style.opacity = String(Number(overlay.value) / 100);
      render.style.imageRendering = factor > 1 || size().width < stage.clientWidth ? "pixelated" : "auto";
    }
    sides[1].layer.style.clipPath = `inset(0 0 0 ${split.value}%)`;
    find("divider").style.left = `${split.value}%`;
    stage.classList.toggle("zoomed", factor > 1);
    split.setAttribute("aria-valuetext", `${split.value} % left`);
    zoom.setAttribute("aria-valuetext", `${factor} times`);
    overlay.setAttribute("aria-valuetext", overlay.value === "0" ? "off" : `${overlay.value} %`);
  }

  // The divider follows the pointer from its handle; elsewhere the enlarged picture does.
  function drag(event) {
    const factor = Number(zoom.value);
    const onHandle = event.target.closest("#divider");
    if (!onHandle && factor === 1) return;
    event.preventDefault();
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    const box = stage.getBoundingClientRect();
    let last = event;
    const move = (now) => {
      if (onHandle) split.value = String(Math.round(((now.clientX - box.left) / box.width) * 100));
      else {
        at.x -= (now.clientX - last.clientX) / box.width / factor;
        at.y -= (now.clientY - last.clientY) / box.height / factor;
      }
      last = now;
      place();
    };
    const stop = () => {
      stage.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) stage.removeEventListener(name, stop);
    };
    stage.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, stop);
  }

  function press(event) {
    const step = 0.1 / Number(zoom.value);
    const moves = { ArrowLeft: ["x", -step], ArrowRight: ["x", step], ArrowUp: ["y", -step], ArrowDown: ["y", step] };
    if (event.key in moves && Number(zoom.value) > 1) at[moves[event.key][0]] += moves[event.key][1];
    else if (event.key === "ArrowLeft") split.stepDown(2);
    else if (event.key === "ArrowRight") split.stepUp(2);
    else if (event.key === "+" || event.key === "=") zoom.stepUp();
    else if (event.key === "-") zoom.stepDown();
    else return;
    event.preventDefault();
    place();
  }

  const kept = () => sides.map(({ select }) => Number(select.value));
  find("image-scene").addEventListener("change", chooseScene);
  find("image-view").addEventListener("change", () => chooseView(kept()));
  if (time) time.addEventListener("input", () => {
    find("image-view").value = time.value;
    chooseView(kept());
  });
  for (const { select } of sides) select.addEventListener("change", showImages);
  if (shown) shown.addEventListener("change", showImages);
  find("image-swap").addEventListener("click", () => chooseView(kept().reverse()));
  for (const range of [split, zoom, overlay]) range.addEventListener("input", place);
  stage.addEventListener("pointerdown", drag);
  stage.addEventListener("keydown", press);
  fillSelect(find("image-scene"), data.images.map((one) => one.label));
  chooseScene();
}
