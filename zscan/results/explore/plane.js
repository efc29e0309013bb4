// The plane on its canvas: regions, curves, names, axes; the cursor on a canvas of its own above.
const canvas = document.getElementById("plane");
const overlay = document.getElementById("cursor");
const MARGIN = { left: 66, right: 24, top: 14, bottom: 50 };
const DASHES = [[7, 3], [7, 2, 1.5, 2], [3, 2], [10, 3, 3, 3], [1.5, 2], [8, 2, 1.5, 2, 1.5, 2]];
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const size = { width: 600, height: 400 };
let constraints = []; // unpacked
let drawn = new Map(); // geometry of the present plane by the name of the constraint

const toPixel = (x, y) => [
  MARGIN.left + ((x - view.x[0]) / (view.x[1] - view.x[0])) * (size.width - MARGIN.left - MARGIN.right),
  size.height - MARGIN.bottom - ((y - view.y[0]) / (view.y[1] - view.y[0])) * (size.height - MARGIN.top - MARGIN.bottom),
];
const fromPixel = (px, py) => [
  view.x[0] + ((px - MARGIN.left) / (size.width - MARGIN.left - MARGIN.right)) * (view.x[1] - view.x[0]),
  view.y[0] + ((size.height - MARGIN.bottom - py) / (size.height - MARGIN.top - MARGIN.bottom)) * (view.y[1] - view.y[0]),
];

const verdictOf = (item, k) => item.state[k] >> 2;
const statusOf = (item, k) => item.state[k] & 3;
const isKnown = (item, k) => (item.stored ? item.stored[k] === 1 : statusOf(item, k) === 1);

// By how much a limit is exceeded; its sign is that of the map, whatever the third digit says
function excessAt(item, k) {
  const verdict = verdictOf(item, k);
  if (!verdict) return NaN;
  const { kind, limit } = item.rule;
  let excess = numberOf(kind === "above" ? item.observable[k] : item.chi2[k]) - limit;
  if (kind === "chi2" && item.reference) excess -= numberOf(item.reference[k]);
  const least = 1e-9 * Math.abs(limit) + 1e-300;
  return verdict === 2 ? Math.max(excess, least) : Math.min(excess, -least);
}

function fieldOf(item, valueAt) {
  const [start, field] = [offset(), new Float64Array(nx * ny)];
  for (let k = 0; k < field.length; k += 1) field[k] = valueAt(item, start + k);
  return field;
}

function geometryOf(item) {
  const { kind, low, high, value: centre } = item.rule;
  if (kind === "none") return { region: new Path2D(), levels: [] };
  if (kind !== "band") {
    const found = contour(xAxis.u, yAxis.u, fieldOf(item, excessAt));
    return { region: found.region, levels: [{ level: "excluded", lines: found.lines }] };
  }
  const field = fieldOf(item, (_, k) => (isKnown(item, k) ? numberOf(item.observable[k]) : NaN));
  const at = (edge) => contour(xAxis.u, yAxis.u, field.map((number) => number - edge)).lines;
  const upper = { level: "band_high", lines: at(high) };
  if (low <= 0) return { region: new Path2D(), levels: [upper] }; // holds zero coupling: an upper limit
  const inside = contour(xAxis.u, yAxis.u, field.map((number) => Math.min(number - low, high - number)));
  const levels = [{ level: "band_low", lines: at(low) }, upper, { level: "centre", lines: at(centre) }];
  return { region: inside.region, levels };
}

function shapePlane() {
  drawn = new Map(constraints.map((item) => {
    const shape = geometryOf(item);
    return [item.name, { ...shape, levels: shape.levels.map((one) => ({ ...one, path: linePath(one.lines) })) }];
  }));
}

function fitted(target) {
  const box = target.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  [size.width, size.height] = [box.width, box.height];
  const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
  if (target.width !== width || target.height !== height) [target.width, target.height] = [width, height];
  const context = target.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, box.width, box.height);
  return context;
}

// A path in coordinates of the plane as one in pixels: strokes keep their width
function onScreen(path) {
  const [[x0, y0], [x1, y1]] = [toPixel(0, 0), toPixel(1, 1)];
  const placed = new Path2D();
  placed.addPath(path, new DOMMatrix([x1 - x0, 0, 0, y1 - y0, x0, y0]));
  return placed;
}

function hatching(context, ink) {
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [8, 8];
  const pen = tile.getContext("2d");
  pen.strokeStyle = ink;
  pen.globalAlpha = 0.55;
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

// Squares about the points at which `is` holds
function squares(is) {
  const path = new Path2D();
  const start = offset();
  const edge = (u, k) => (k <= 0 ? u[0] : k >= u.length ? u[u.length - 1] : (u[k - 1] + u[k]) / 2);
  for (let i = 0; i < nx; i += 1) {
    for (let j = 0, from = -1; j <= ny; j += 1) {
      const yes = j < ny && is(start + i * ny + j);
      if (yes && from < 0) from = j;
      if (yes || from < 0) continue;
      const [x0, x1, y0, y1] = [edge(xAxis.u, i), edge(xAxis.u, i + 1), edge(yAxis.u, from), edge(yAxis.u, j)];
      path.rect(x0, y0, x1 - x0, y1 - y0);
      from = -1;
    }
  }
  return path;
}

function drawPlane() {
  const context = fitted(canvas);
  const [width, height] = [size.width - MARGIN.left - MARGIN.right, size.height - MARGIN.top - MARGIN.bottom];
  const shown = constraints.filter((item) => !view.hidden.has(item.name) && drawn.has(item.name));
  const strength = (item) => (view.focus && view.focus !== item.name ? 0.18 : 1);
  context.save();
  context.beginPath();
  context.rect(MARGIN.left, MARGIN.top, width, height);
  context.clip();
  const limits = shown.filter((item) => !item.projection && item.rule.kind !== "band");
  for (const item of limits) {
    context.globalAlpha = (dark.matches ? 0.42 : 0.6) * strength(item);
    context.fillStyle = item.colours[dark.matches ? 1 : 0];
    context.fill(onScreen(drawn.get(item.name).region), "nonzero");
  }
  for (const item of shown.filter((one) => one.rule.kind === "band")) {
    context.globalAlpha = 0.28 * strength(item);
    context.fillStyle = colour("--ink");
    context.fill(onScreen(drawn.get(item.name).region), "nonzero");
  }
  shown.forEach((item) => {
    context.globalAlpha = strength(item);
    const band = item.rule.kind === "band";
    context.strokeStyle = band ? colour("--ink") : item.colours[dark.matches ? 0 : 1];
    for (const { level, path } of drawn.get(item.name).levels) {
      const dashes = item.projection ? DASHES[item.rank % DASHES.length] : level === "centre" ? [5, 4] : [];
      context.setLineDash(dashes);
      context.lineWidth = view.focus === item.name ? 2.8 : level === "centre" ? 1 : 1.6;
      context.stroke(onScreen(path));
    }
  });
  context.setLineDash([]);
  context.globalAlpha = 1;
  const hatch = hatching(context, colour("--hatch"));
  context.fillStyle = hatch;
  const nothing = constraints.filter((item) => item.gaps && !view.hidden.has(item.name));
  if (nothing.length) context.fill(onScreen(squares((k) => nothing.some((item) => statusOf(item, k) % 3 === 0))));
  const focused = constraints.find((item) => item.name === view.focus);
  if (focused) context.fill(onScreen(squares((k) => !verdictOf(focused, k))));
  drawNames(context, shown.filter((item) => strength(item) === 1));
  context.restore();
  drawAxes(context, width, height);
  drawCursor();
}

// Without what marks say anyway
const shortName = (item) => item.label.replace(/ \((proj|prov)\..*\)$/, "");

// Each curve gets its name where others do not cover it, or at least its number
function drawNames(context, shown) {
  const taken = [];
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const item of shown) {
    const place = nameOf(context, item, shown, taken);
    if (!place) continue;
    taken.push(place.box);
    context.lineWidth = 3.5;
    context.strokeStyle = colour("--paper");
    context.fillStyle = item.rule.kind === "band" ? colour("--ink") : item.colours[dark.matches ? 0 : 1];
    context.strokeText(place.text, place.x, place.y);
    context.fillText(place.text, place.x, place.y);
  }
}

function nameOf(context, item, shown, taken) {
  const candidates = drawn.get(item.name).levels.flatMap(({ lines }) => lines.flat());
  const step = Math.max(1, Math.floor(candidates.length / 60));
  const crowd = ([x, y]) => {
    const k = index([nearest(xAxis, x), nearest(yAxis, y)]);
    return shown.filter((one) => one !== item && one.rule.kind !== "band" && !one.projection && verdictOf(one, k) === 2).length;
  };
  const named = size.width < 560 ? [] : [`${item.number} ${shortName(item)}`];
  for (const text of [...named, String(item.number)]) {
    context.font = `600 ${text.length > 2 ? 12 : 13}px system-ui, sans-serif`;
    const width = context.measureText(text).width;
    let best = null;
    for (let k = Math.floor(step / 2); k < candidates.length; k += step) {
      const [px, py] = toPixel(...candidates[k]);
      for (const [dx, dy] of [[6, 11], [6, -11], [-width - 6, 11], [-width - 6, -11], [-width / 2, 12], [-width / 2, -12]]) {
        const box = [px + dx - 2, py + dy - 8, px + dx + width + 2, py + dy + 8];
        const fits = box[0] > MARGIN.left && box[2] < size.width - MARGIN.right && box[1] > MARGIN.top
          && box[3] < size.height - MARGIN.bottom;
        const free = taken.every((other) => box[0] > other[2] || box[2] < other[0] || box[1] > other[3] || box[3] < other[1]);
        if (!fits || !free) continue;
        const cost = crowd(candidates[k]) + crowd(fromPixel(px + dx + width / 2, py + dy)) / 2;
        if (!best || cost < best.cost) best = { cost, box, text, x: px + dx, y: py + dy };
      }
    }
    if (best && (best.cost < 6 || text.length < 3)) return best;
  }
  return null;
}

const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const raised = (n) => (n < 0 ? "⁻" : "") + [...String(Math.abs(n))].map((digit) => SUPER[digit]).join("");

// [[place, text, whether it is a long tick]]
function ticksOf(axis, [low, high], most) {
  const ticks = [];
  if (!axis.log || high - low < 0.25) {
    const from = value(axis, low);
    const to = value(axis, high);
    const raw = (to - from) / most;
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= raw);
    for (let n = Math.ceil(from / step - 1e-9); n * step <= to * (1 + 1e-12); n += 1) {
      ticks.push([axis.log ? Math.log10(n * step) : n * step, general(n * step, 5), true]);
    }
    return ticks;
  }
  const every = Math.max(1, Math.ceil((high - low) / most));
  for (let decade = Math.floor(low); decade <= high; decade += 1) {
    for (let n = 1; n < 10; n += 1) {
      const place = decade + Math.log10(n);
      if (place < low - 1e-9 || place > high + 1e-9) continue;
      const told = n === 1 ? decade % every === 0 : high - low < 1.6 && (n === 2 || n === 5);
      const text = n === 1 ? `10${raised(decade)}` : `${n}·10${raised(decade)}`;
      ticks.push([place, told ? text : "", n === 1]);
    }
  }
  return ticks;
}

const titleOf = (axis) => axis.name + (axis.units && axis.units !== "1" ? ` [${axis.units}]` : "");

function drawAxes(context, width, height) {
  context.strokeStyle = context.fillStyle = colour("--ink");
  context.lineWidth = 1;
  context.strokeRect(MARGIN.left + 0.5, MARGIN.top + 0.5, width - 1, height - 1);
  context.font = "12.5px system-ui, sans-serif";
  const bottom = size.height - MARGIN.bottom;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const [place, text, long] of ticksOf(xAxis, view.x, width / 80)) {
    const [px] = toPixel(place, 0);
    context.fillRect(px, bottom - (long ? 8 : 4), 1, long ? 8 : 4);
    context.fillText(text, px, bottom + 6);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const [place, text, long] of ticksOf(yAxis, view.y, height / 50)) {
    const [, py] = toPixel(0, place);
    context.fillRect(MARGIN.left, py, long ? 8 : 4, 1);
    context.fillText(text, MARGIN.left - 6, py);
  }
  context.textAlign = "center";
  context.font = "italic 15px system-ui, sans-serif";
  context.fillText(titleOf(xAxis), MARGIN.left + width / 2, size.height - 13);
  context.save();
  context.translate(14, MARGIN.top + height / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(titleOf(yAxis), 0, 0);
  context.restore();
  context.textAlign = "left";
}

function drawCursor() {
  const context = fitted(overlay);
  if (!view.point) return;
  const [px, py] = toPixel(xAxis.u[view.point[0]], yAxis.u[view.point[1]]);
  context.beginPath();
  context.rect(MARGIN.left, MARGIN.top, size.width - MARGIN.left - MARGIN.right, size.height - MARGIN.top - MARGIN.bottom);
  context.clip();
  context.strokeStyle = colour("--ink");
  context.globalAlpha = 0.55;
  context.setLineDash([3, 3]);
  context.beginPath();
  context.moveTo(px, 0);
  context.lineTo(px, size.height);
  context.moveTo(0, py);
  context.lineTo(size.width, py);
  context.stroke();
  context.globalAlpha = 1;
  context.setLineDash([]);
  context.beginPath();
  context.arc(px, py, 5, 0, 2 * Math.PI);
  context.fillStyle = view.held ? colour("--accent") : colour("--paper");
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = colour("--accent");
  context.stroke();
}
