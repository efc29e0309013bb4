// What the reader does, and the start.
let asked = null; // work of the next frame
let writing = 0;

function changed(what) {
  if (!asked) {
    requestAnimationFrame(() => {
      const { shape, draw } = asked;
      asked = null;
      if (shape) shapePlane();
      if (shape || draw) drawPlane();
      else drawCursor();
      describePoint();
    });
  }
  asked = { ...asked, ...what };
  clearTimeout(writing);
  writing = setTimeout(writeLink, 150);
}

function writeLink() {
  if (location.hash !== linkOf()) history.replaceState(null, "", linkOf());
}

function restore() {
  readLink(location.hash);
  showOthers();
  changed({ shape: true });
}

function pointAt(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function point([px, py]) {
  const [x, y] = fromPixel(px, py);
  const [x0, x1] = view.x;
  const [y0, y1] = view.y;
  if (x < x0 || x > x1 || y < y0 || y > y1) return;
  view.point = [nearest(xAxis, x), nearest(yAxis, y)];
  changed({});
}

function hold(on) {
  view.held = on && view.point !== null;
  changed({});
}

function pan([fromX, fromY], [toX, toY]) {
  const [[x0, y0], [x1, y1]] = [fromPixel(fromX, fromY), fromPixel(toX, toY)];
  view.x = moved(xAxis, view.x, (x0 - x1) / (view.x[1] - view.x[0]), 1, 0);
  view.y = moved(yAxis, view.y, (y0 - y1) / (view.y[1] - view.y[0]), 1, 0);
  changed({ draw: true });
}

function listenToPointer() {
  const down = new Map(); // pointers that are down, by id: where each is
  let travelled = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (!down.size) travelled = 0;
    down.set(event.pointerId, pointAt(event));
    if (event.pointerType !== "mouse" && !view.held) point(pointAt(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const [here, before] = [pointAt(event), down.get(event.pointerId)];
    if (before) {
      travelled += Math.hypot(here[0] - before[0], here[1] - before[1]);
      const other = [...down].find(([id]) => id !== event.pointerId);
      if (other) {
        const far = (place) => Math.max(20, Math.hypot(place[0] - other[1][0], place[1] - other[1][1]));
        zoom(far(before) / far(here), fromPixel(...other[1]));
        changed({ draw: true });
      } else if (event.pointerType === "mouse" && travelled > 4) pan(before, here);
      down.set(event.pointerId, here);
    }
    if (!view.held && down.size < 2 && !(before && event.pointerType === "mouse")) point(here);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (event.pointerType === "mouse" && down.size === 1 && travelled <= 4) {
      const before = view.held;
      point(pointAt(event));
      hold(!before);
    }
    down.delete(event.pointerId);
  });
  canvas.addEventListener("pointercancel", (event) => down.delete(event.pointerId));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300))), fromPixel(...pointAt(event)));
    changed({ draw: true });
  }, { passive: false });
}

function step(di, dj) {
  if (!view.point) {
    view.point = [nearest(xAxis, (view.x[0] + view.x[1]) / 2), nearest(yAxis, (view.y[0] + view.y[1]) / 2)];
  } else {
    const inside = (k, n) => Math.max(0, Math.min(n - 1, k));
    view.point = [inside(view.point[0] + di, nx), inside(view.point[1] + dj, ny)];
  }
  const follow = (axis, range, k) => {
    const length = range[1] - range[0];
    const beyond = axis.u[k] < range[0] ? axis.u[k] - range[0] : axis.u[k] > range[1] ? axis.u[k] - range[1] : 0;
    return beyond ? moved(axis, range, beyond / length, 1, 0) : range;
  };
  view.x = follow(xAxis, view.x, view.point[0]);
  view.y = follow(yAxis, view.y, view.point[1]);
  changed({ draw: true });
}

function listenToKeys() {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const acts = {
    "+": () => zoom(0.7, middle()), "=": () => zoom(0.7, middle()), "-": () => zoom(1 / 0.7, middle()), 0: zoomOut,
    Enter: () => hold(!view.held), " ": () => hold(!view.held), Escape: () => hold(false),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const many = event.shiftKey ? 10 : 1;
    if (moves[event.key]) step(...moves[event.key].map((n) => n * many));
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
    changed({ draw: true });
  });
}

const middle = () => (view.point ? [xAxis.u[view.point[0]], yAxis.u[view.point[1]]] : null);

function listenToButtons() {
  const acts = { "zoom-in": () => zoom(0.7, middle()), "zoom-out": () => zoom(1 / 0.7, middle()), whole: zoomOut };
  for (const [id, act] of Object.entries(acts)) {
    byId(id).addEventListener("click", () => {
      act();
      changed({ draw: true });
    });
  }
  byId("pin").addEventListener("click", () => hold(!view.held));
  byId("csv").addEventListener("click", () => save(csvOf(), `${fileName(page.name)}_bounds.csv`));
  byId("link").addEventListener("click", copyLink);
}

async function copyLink() {
  writeLink();
  try {
    await navigator.clipboard.writeText(location.href);
    byId("link").textContent = "link copied";
  } catch {
    byId("link").textContent = "it is in the address bar";
  }
  setTimeout(() => { byId("link").textContent = "copy link"; }, 2500);
}

const fileName = (text) => text.replace(/[^\w.-]+/g, "_").slice(0, 80) || "map";

function save(text, name) {
  const made = element("a");
  made.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  made.download = name;
  made.click();
  setTimeout(() => URL.revokeObjectURL(made.href), 10000);
}

// Lines of all that is shown, one point a line, with the columns of `zscan export --to csv`
function csvOf() {
  const cell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [["constraint", "level", "piece", ...axes.map((axis) => axis.name)]];
  const held = others.map((axis, n) => String(axis.values[view.at[n]]));
  for (const item of constraints) {
    if (view.hidden.has(item.name)) continue;
    for (const { level, lines: pieces } of drawn.get(item.name).levels) {
      if (level === "centre") continue;
      pieces.forEach((piece, n) => piece.forEach(([x, y]) => lines.push(
        [item.name, level, String(n), ...held, general(value(xAxis, x), 6), general(value(yAxis, y), 6)])));
    }
  }
  return `${lines.map((line) => line.map(cell).join(",")).join("\n")}\n`;
}

// Sliders of further axes, the list of models
const shownOthers = [];

function showOthers() {
  for (const update of shownOthers) update();
}

function buildOthers() {
  others.forEach((axis, n) => {
    if (axis.values.length < 2) return;
    byId("sliders").append(axis.name === "model" && page.models ? modelList(axis, n) : slider(axis, n));
  });
}

function choose(n, k) {
  view.at[n] = k;
  showOthers();
  changed({ shape: true });
}

function slider(axis, n) {
  const box = element("div", "axis");
  const name = element("label", "", titleOf(axis));
  const range = element("input");
  range.type = "range";
  [range.min, range.max, range.step] = ["0", String(axis.values.length - 1), "1"];
  range.id = `axis-${n}`;
  name.htmlFor = range.id;
  const told = element("output");
  range.addEventListener("input", () => choose(n, Number(range.value)));
  shownOthers.push(() => {
    range.value = String(view.at[n]);
    told.textContent = general(axis.values[view.at[n]], 5);
    range.setAttribute("aria-valuetext", told.textContent);
  });
  box.append(name, range, told);
  return box;
}

function modelList(axis, n) {
  const box = element("div", "models");
  const name = element("label", "", `model: ${axis.values.length}; a name or charges select`);
  const search = element("input");
  [search.type, search.id, search.placeholder] = ["search", `axis-${n}`, "search, such as Lmu or L 0, 1, -1"];
  name.htmlFor = search.id;
  const list = element("select");
  list.size = 7;
  list.setAttribute("aria-label", "models");
  const text = ({ name: known, charges }) => (charges ? `${known}   (${charges})` : known);
  const fill = () => {
    const wanted = search.value.toLowerCase();
    const found = page.models.map((model, k) => [text(model), k]).filter(([words]) => words.toLowerCase().includes(wanted));
    list.replaceChildren(...found.slice(0, 2000).map(([words, k]) => {
      const option = element("option", "", words);
      option.value = String(k);
      return option;
    }));
    list.value = String(view.at[n]);
  };
  search.addEventListener("input", fill);
  list.addEventListener("change", () => choose(n, Number(list.value)));
  shownOthers.push(() => { list.value = String(view.at[n]); });
  box.append(name, search, list);
  fill();
  return box;
}

function tellPage() {
  byId("title").textContent = page.title || page.name;
  byId("title").append(element("small", "", page.name === page.title ? "" : page.name));
  document.title = `${page.title || page.name}: zscan explore`;
  byId("sentence").textContent = `${page.sentence} Observable set: ${page.observables}.`;
  const thinned = Object.entries(page.thinned).map(([name, n]) => `every ${n}th value of ${name}`);
  const rounding = [
    `Values are those of the points of the map (${axes.map((axis) => `${axis.name} ${axis.values.length}`).join(" × ")}),`,
    `rounded to ${page.digits} digits; whether a point is excluded was decided by the unrounded ones.`,
    "Curves are linear between points, dashed for projections; the band is the measured value ±",
    `${page.sigmas}σ on both sides. Hatched: not computed or not finite; while the list points at a constraint, where it says nothing.`,
  ];
  if (thinned.length) rounding.push(`Coarsened: this page holds ${thinned.join(" and ")} of the map.`);
  if (page.missing) rounding.push(`The map is not complete: ${page.missing} tiles are missing.`);
  byId("rounding").textContent = rounding.join(" ");
  byId("origin").textContent = `${page.origin}; ${page.command}`;
}

async function start() {
  tellPage();
  const width = ny;
  const order = GROUPS.flatMap(([, belongs]) => page.constraints.filter(belongs));
  constraints = await Promise.all(order.map((item) => unpackConstraint(item, width)));
  let projections = 0;
  constraints.forEach((item, n) => {
    item.number = n + 1;
    item.rank = item.projection ? projections++ : 0;
  });
  buildList();
  buildOthers();
  listenToPointer();
  listenToKeys();
  listenToButtons();
  addEventListener("hashchange", restore);
  dark.addEventListener("change", () => changed({ draw: true }));
  new ResizeObserver(() => changed({ draw: true })).observe(byId("frame"));
  restore();
  document.documentElement.dataset.ready = "1";
}

start().catch((error) => {
  byId("failure").hidden = false;
  byId("failure").textContent = `This page could not be unpacked: ${error}. It needs a browser of 2023 or later.`;
});
