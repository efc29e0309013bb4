// The list of constraints and what each says at the cursor. All text is set as text, never as HTML.
const byId = (id) => document.getElementById(id);

function element(kind, className, text) {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const GROUPS = [
  ["Measured bands", (item) => item.rule.kind === "band"],
  ["Limits", (item) => item.rule.kind !== "band" && !item.projection],
  ["Projections", (item) => item.projection],
];
const SILENCE = ["not computed", "", "does not apply here: outside its validated range", "not a finite number here"];
const rows = new Map();

function link(label) {
  const arxiv = /^arXiv:(\d{4}\.\d{4,5}|[a-z-]+\/\d{7})$/.exec(label);
  const doi = /^doi:(10\.[\w.()/:-]+)$/.exec(label);
  if (!arxiv && !doi) return element("span", "", label);
  const made = element("a", "", label);
  made.href = arxiv ? `https://arxiv.org/abs/${arxiv[1]}` : `https://doi.org/${doi[1]}`;
  made.rel = "noopener noreferrer";
  return made;
}

function detailsOf(item) {
  const details = element("details");
  const count = item.references.length;
  details.append(element("summary", "", `references (${count})`));
  details.append(element("p", "", `${item.long_name} [${item.name}]; level ${item.level || "not stated"}; ${item.status}`));
  if (item.note) details.append(element("p", "", item.note));
  const list = element("ol");
  for (const key of item.references) {
    const { label, bibtex } = page.literature[key];
    const entry = element("li");
    entry.append(link(label), element("pre", "bibtex", bibtex || `${key}: no BibTeX entry in the map`));
    list.append(entry);
  }
  details.append(list);
  return details;
}

function rowOf(item) {
  const row = element("div", `row${item.projection ? " projection" : ""}`);
  row.dataset.name = item.name;
  const box = element("input");
  box.type = "checkbox";
  box.id = `show-${item.number}`;
  box.addEventListener("change", () => toggle([item], box.checked));
  const badge = element("span", "badge", String(item.number));
  const name = element("label", "name", shortName(item));
  name.htmlFor = box.id;
  name.title = item.long_name;
  if (item.status === "provisional") name.append(element("span", "mark provisional", "provisional"));
  if (item.projection) name.append(element("span", "mark", "projection"));
  const chip = element("span", "chip");
  const numbers = element("div", "numbers");
  row.append(box, badge, name, chip, numbers, detailsOf(item));
  const focus = (on) => {
    view.focus = on && !view.hidden.has(item.name) ? item.name : null;
    changed({ draw: true });
  };
  row.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && focus(true));
  row.addEventListener("pointerleave", () => focus(false));
  box.addEventListener("focus", () => box.matches(":focus-visible") && focus(true));
  box.addEventListener("blur", () => focus(false));
  rows.set(item.name, { row, box, badge, chip, numbers });
  return row;
}

function toggle(items, on) {
  for (const item of items) {
    if (on) view.hidden.delete(item.name);
    else view.hidden.add(item.name);
  }
  view.focus = null;
  changed({ draw: true });
}

function buildList() {
  for (const [title, belongs] of GROUPS) {
    const items = constraints.filter(belongs);
    if (!items.length) continue;
    const head = element("div", "group");
    head.append(element("h2", "", title));
    for (const [text, on] of [["all", true], ["none", false]]) {
      const button = element("button", "", text);
      button.type = "button";
      button.setAttribute("aria-label", `${title}: show ${text}`);
      button.addEventListener("click", () => toggle(items, on));
      head.append(button);
    }
    byId("constraints").append(head, ...items.map(rowOf));
  }
}

// [class of the chip, its text, what is said in numbers: [text, value] pairs]
function saidOf(item, k) {
  const status = statusOf(item, k);
  const verdict = verdictOf(item, k);
  if (status !== 1) return ["silent", ["not computed", "", "does not apply", "not finite"][status], [[SILENCE[status]]]];
  const { rule } = item;
  const known = item.observable !== null && isKnown(item, k);
  const unit = item.units && item.units !== "1" ? ` ${item.units}` : "";
  const parts = known ? [[`${item.quantity} = `, `${textOf(item.observable[k])}${unit}`, "observable"]] : [];
  const chi2 = ["Δχ² = ", textOf(item.chi2[k]), "chi2"];
  if (rule.kind === "none") return ["silent", "no limit", [...parts, chi2, [rule.why]]];
  if (!verdict) return ["silent", "says nothing", [...parts, chi2]];
  if (rule.kind === "band") {
    const pull = numberOf(item.observable[k]) - rule.value;
    const pulls = pull / (pull > 0 ? rule.error_plus : rule.error_minus);
    const errors = rule.error_plus === rule.error_minus
      ? `± ${general(rule.error_plus, 3)}` : `+${general(rule.error_plus, 3)} -${general(rule.error_minus, 3)}`;
    parts.push([`measured ${general(rule.value, 4)} ${errors}: `, `${pulls < 0 ? "" : "+"}${pulls.toFixed(Math.abs(pulls) < 99.5 ? 1 : 0)}σ`]);
    return verdict === 2
      ? ["inside", `within ${page.sigmas}σ`, [...parts, chi2]] : ["outside", `outside ${page.sigmas}σ`, [...parts, chi2]];
  }
  if (rule.kind === "above") {
    const share = general(numberOf(item.observable[k]) / rule.limit, 2);
    parts.push([`limit ${general(rule.limit, 5)}: `, `${share} × limit`], chi2);
  } else {
    const above = numberOf(item.chi2[k]) - (item.reference ? numberOf(item.reference[k]) : 0);
    const least = rule.kind === "chi2" ? ` above its minimum over ${page.coupling}` : "";
    parts.push(chi2, [`${general(above, 2)}${least}; limit ${general(rule.limit, 4)}`]);
  }
  const words = item.projection ? ["not reached", "would exclude"] : ["allowed", "excluded"];
  return [verdict === 2 ? "excluded" : "allowed", words[verdict - 1], parts];
}

function describePoint() {
  const told = (axis, k) => `${axis.name} = ${general(axis.values[k], 6)}${axis.units && axis.units !== "1" ? ` ${axis.units}` : ""}`;
  const held = others.map((axis, n) => (axis.name === "model" && page.models
    ? page.models[view.at[n]].name : told(axis, view.at[n])));
  for (const { row, box, badge, chip, numbers } of rows.values()) {
    const item = constraints.find((one) => one.name === row.dataset.name);
    const [face, line] = item.colours;
    box.checked = !view.hidden.has(item.name);
    row.classList.toggle("off", !box.checked);
    badge.style.borderColor = item.rule.kind === "band" ? "currentColor" : dark.matches ? face : line;
    if (!view.point) {
      chip.className = "chip";
      chip.textContent = numbers.textContent = "";
      continue;
    }
    const [kind, text, parts] = saidOf(item, index(view.point));
    chip.className = `chip ${kind}`;
    chip.textContent = text;
    numbers.replaceChildren(...parts.flatMap(([before, value, className], n) => [
      document.createTextNode((n ? " · " : "") + before),
      ...(value === undefined ? [] : [element("b", className, value)]),
    ]));
  }
  byId("pin").setAttribute("aria-pressed", String(view.held));
  if (!view.point) {
    byId("point").textContent = held.join(", ");
    byId("summary").textContent = "Point at the plane, or focus it and use the arrow keys: each constraint says what it excludes.";
    return;
  }
  const [i, j] = view.point;
  byId("point").textContent = [told(xAxis, i), told(yAxis, j), ...held].join(", ");
  byId("summary").textContent = summaryOf(index(view.point));
}

function summaryOf(k) {
  if (constraints.every((item) => statusOf(item, k) === 0)) return "Not computed here: this part of the map is missing.";
  const shown = constraints.filter((item) => !view.hidden.has(item.name));
  const limits = shown.filter((item) => item.rule.kind !== "band" && !item.projection);
  const named = (items) => items.map(shortName).join("; ");
  const excluding = limits.filter((item) => verdictOf(item, k) === 2);
  const silent = limits.filter((item) => verdictOf(item, k) === 0);
  const bands = shown.filter((item) => item.rule.kind === "band" && verdictOf(item, k) === 2);
  const reach = shown.filter((item) => item.projection && verdictOf(item, k) === 2);
  const applying = limits.length - silent.length;
  const passed = applying ? `Not excluded by any of the ${applying} limits shown that apply here.` : "No limit shown applies here.";
  const parts = [excluding.length
    ? `Excluded by ${excluding.length} of ${limits.length} limits shown: ${named(excluding)}.`
    : passed];
  if (silent.length) parts.push(`${silent.length} ${silent.length === 1 ? "says" : "say"} nothing here.`);
  if (bands.length) parts.push(`Within the band of ${named(bands)}.`);
  if (reach.length) parts.push(`In reach of ${reach.length === 1 ? named(reach) : `${reach.length} projections`}.`);
  return parts.join(" ");
}
