// Where a field changes its sign between points of the map: regions to fill, lines to draw.
// Linear between points, as `zscan export` has it; nothing is bridged where a corner is no number.

// u, v: coordinates of the points; field: x-major, above zero inside
function contour(u, v, field) {
  const [nx, ny] = [u.length, v.length];
  const region = new Path2D();
  const points = new Map();
  const joined = new Map();
  const join = (one, other) => {
    for (const [from, to] of [[one, other], [other, one]]) {
      if (joined.has(from)) joined.get(from).push(to);
      else joined.set(from, [to]);
    }
  };
  for (let i = 0; i < nx - 1; i += 1) {
    let full = -1; // where a run of squares that are inside began
    for (let j = 0; j < ny; j += 1) {
      const at = i * ny + j;
      const last = j === ny - 1;
      const inside = last ? 0 : (field[at] > 0) + (field[at + 1] > 0) + (field[at + ny] > 0) + (field[at + ny + 1] > 0);
      if (inside === 4) {
        if (full < 0) full = j;
        continue;
      }
      if (full >= 0) {
        region.rect(u[i], v[full], u[i + 1] - u[i], v[j] - v[full]);
        full = -1;
      }
      if (inside > 0) cell(i, j, [field[at], field[at + ny], field[at + ny + 1], field[at + 1]]);
    }
  }

  function cell(i, j, values) {
    const where = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
    const edges = [2 * (i * ny + j), 2 * ((i + 1) * ny + j) + 1, 2 * (i * ny + j + 1), 2 * (i * ny + j) + 1];
    const known = values.every((value) => !Number.isNaN(value));
    const polygon = [];
    const crossed = []; // [edge, whether it leads out]
    for (let k = 0; k < 4; k += 1) {
      const [p, q] = [where[k], where[(k + 1) % 4]];
      const [a, b] = [values[k], values[(k + 1) % 4]];
      if (a > 0) polygon.push([u[p[0]], v[p[1]]]);
      if (a > 0 === b > 0) continue;
      const share = Number.isNaN(a) || Number.isNaN(b) ? 0.5 : a / (a - b);
      const point = [u[p[0]] + share * (u[q[0]] - u[p[0]]), v[p[1]] + share * (v[q[1]] - v[p[1]])];
      polygon.push(point);
      crossed.push([edges[k], a > 0]);
      points.set(edges[k], point);
    }
    polygon.forEach(([x, y], k) => (k ? region.lineTo(x, y) : region.moveTo(x, y)));
    region.closePath();
    if (!known) return;
    crossed.forEach(([edge, out], k) => {
      if (out) join(edge, crossed[(k + 1) % crossed.length][0]);
    });
  }

  return { region, lines: chained(points, joined) };
}

// Segments as lines; those that end first, then closed ones
function chained(points, joined) {
  const left = new Map([...joined].map(([edge, others]) => [edge, [...others]]));
  const lines = [];
  const follow = (start) => {
    const line = [points.get(start)];
    let edge = start;
    while (left.get(edge).length) {
      const next = left.get(edge).pop();
      const back = left.get(next);
      back.splice(back.indexOf(edge), 1);
      line.push(points.get(next));
      edge = next;
    }
    if (line.length > 1) lines.push(line);
  };
  for (const [edge, others] of joined) if (others.length === 1) follow(edge);
  for (const edge of joined.keys()) follow(edge);
  return lines;
}

function linePath(lines) {
  const path = new Path2D();
  for (const line of lines) line.forEach(([x, y], k) => (k ? path.lineTo(x, y) : path.moveTo(x, y)));
  return path;
}
