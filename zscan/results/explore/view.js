// What is looked at: the part of the plane, the values of further axes, the cursor, what is hidden.
const axes = page.axes.map((axis) => ({
  ...axis,
  u: axis.values.map((value) => (axis.log ? Math.log10(value) : value)),
}));
const [xAxis, yAxis] = axes.slice(-2);
const others = axes.slice(0, -2);
const [nx, ny] = [xAxis.values.length, yAxis.values.length];
const ends = (axis) => [axis.u[0], axis.u[axis.u.length - 1]];
const view = {
  x: ends(xAxis),
  y: ends(yAxis),
  at: others.map(() => 0),
  point: null, // [i, j]
  held: false,
  hidden: new Set(),
  focus: null,
};

function nearest(axis, u) {
  let [low, high] = [0, axis.u.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (axis.u[middle] > u) high = middle;
    else low = middle;
  }
  return u - axis.u[low] <= axis.u[high] - u ? low : high;
}

const number = (axis, text) => nearest(axis, axis.log ? Math.log10(Number(text)) : Number(text));
const value = (axis, u) => (axis.log ? 10 ** u : u);

// Where the numbers of the plane in view begin, and where one of its points is
const offset = () => view.at.reduce((sum, k, n) => sum * others[n].values.length + k, 0) * nx * ny;
const index = (point) => offset() + point[0] * ny + point[1];

// Ends moved by a share of their length, and stretched about the place `about`; never beyond the map
function moved(axis, range, share, stretch, about) {
  const [low, high] = ends(axis);
  const smallest = (4 * (high - low)) / (axis.u.length - 1);
  const before = range[1] - range[0];
  const length = Math.min(high - low, Math.max(before * stretch, Math.min(smallest, high - low)));
  const place = range[0] + share * before + (about - range[0]) * (1 - length / before);
  const start = Math.min(Math.max(place, low), high - length);
  return [start, start + length];
}

function zoom(stretch, about) {
  const [x, y] = about || [(view.x[0] + view.x[1]) / 2, (view.y[0] + view.y[1]) / 2];
  view.x = moved(xAxis, view.x, 0, stretch, x);
  view.y = moved(yAxis, view.y, 0, stretch, y);
}

function zoomOut() {
  view.x = ends(xAxis);
  view.y = ends(yAxis);
}

// The view as the part of an address after #, and back
function linkOf() {
  const told = new URLSearchParams();
  const same = (axis, range) => ends(axis).every((end, k) => Math.abs(end - range[k]) < 1e-9);
  for (const [key, axis] of [["x", xAxis], ["y", yAxis]]) {
    if (!same(axis, view[key])) told.set(key, view[key].map((u) => general(value(axis, u), 9)).join(":"));
  }
  others.forEach((axis, n) => {
    if (axis.values.length > 1) told.set(`at.${axis.name}`, String(axis.values[view.at[n]]));
  });
  if (view.point) {
    told.set("point", [xAxis.values[view.point[0]], yAxis.values[view.point[1]]].join(":"));
    if (view.held) told.set("held", "1");
  }
  for (const name of view.hidden) told.append("hide", name);
  return `#${told}`;
}

function readLink(hash) {
  const told = new URLSearchParams(hash.slice(1));
  for (const [key, axis] of [["x", xAxis], ["y", yAxis]]) {
    const range = (told.get(key) || "").split(":").map((text) => (axis.log ? Math.log10(Number(text)) : Number(text)));
    const usable = range.length === 2 && range.every(Number.isFinite) && range[0] < range[1];
    view[key] = usable ? moved(axis, range, 0, 1, range[0]) : ends(axis);
  }
  others.forEach((axis, n) => {
    const text = told.get(`at.${axis.name}`);
    view.at[n] = text !== null && Number.isFinite(Number(text)) ? number(axis, text) : 0;
  });
  const place = (told.get("point") || "").split(":").map(Number);
  const pointed = place.length === 2 && place.every(Number.isFinite);
  view.point = pointed ? [number(xAxis, place[0]), number(yAxis, place[1])] : null;
  view.held = pointed && told.get("held") === "1";
  const names = new Set(page.constraints.map((item) => item.name));
  view.hidden = new Set(told.getAll("hide").filter((name) => names.has(name)));
}
