// Draws the figures in the page's colours, sorts its tables, and gives its maps their controls.
"use strict";

const figures = JSON.parse(document.getElementById("figures").textContent);
const places = [...document.querySelectorAll(".plot")];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "star", "pentagon", "cross"];
const COLOURS = 8;
const paper = matchMedia("print");
const PAPER_WIDTH = 680;
const IN_THE_KEY = 8;

function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(/^\d/.test(name) ? `--c${name}` : `--${name}`).trim();
}

// "@1" is the first of the page's colours, whichever that is in light, dark and print.
function coloured(part, colour) {
  if (typeof part === "string" && part[0] === "@") return colour(part.slice(1));
  if (Array.isArray(part)) return part.map((one) => coloured(one, colour));
  if (part && typeof part === "object") {
    return Object.fromEntries(Object.entries(part).map(([k, v]) => [k, coloured(v, colour)]));
  }
  return part;
}

// As many names on an axis as there is room for: of the others, a reader learns by pointing.
const NAME_WIDTH = 15;

function inPageStyle(layout, colour, width) {
  const ink = colour("ink"), soft = colour("soft"), line = colour("line");
  const own = coloured(layout, colour);
  for (const name of Object.keys(own).filter((key) => /^[xy]axis/.test(key))) {
    own[name] = { gridcolor: line, zerolinecolor: line, linecolor: soft, tickcolor: soft,
      automargin: true, fixedrange: true, ...own[name] };
    const { names } = own[name];
    if (names) {
      const room = name[0] === "x" ? width - 60 : Infinity;
      Object.assign(own[name], { tickmode: "linear", dtick: Math.ceil((names * NAME_WIDTH) / room) });
      delete own[name].names;
    }
  }
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
    font: { family: "system-ui, sans-serif", size: 13, color: ink },
    margin: { l: 8, r: 12, t: 8, b: 8 },
    hoverlabel: { bgcolor: colour("panel"), bordercolor: soft, font: { color: ink }, align: "left" },
    legend: { orientation: "h", traceorder: "normal", x: 0, y: 1.02, yanchor: "bottom" },
    ...(paper.matches ? { width } : {}),
    ...own,
  };
}

function draw(place) {
  const { traces, layout, choices, points } = figures[place.dataset.figure];
  const colour = colours();
  let shown;
  if (points) shown = mapTraces(place, points, colour);
  else shown = coloured(choices ? chosenTraces(place, traces, choices) : traces, colour);
  const width = paper.matches ? Math.min(place.clientWidth, PAPER_WIDTH) : place.clientWidth;
  const config = { displayModeBar: false, responsive: true, doubleClick: "reset" };
  return Plotly.react(place, shown, inPageStyle(layout, colour, width), config);
}

// --- choices ---------------------------------------------------------------------------------

const MOST_BUTTONS = 4;

function chosenTraces(place, traces, choices) {
  const [names] = Object.values(choices);
  if (!chosen.has(place)) chosen.set(place, Object.keys(names)[0]);
  return names[chosen.get(place)].map((number) => traces[number]);
}

function addChoices(place, choices) {
  const [[title, names]] = Object.entries(choices);
  const choose = (name) => {
    chosen.set(place, name);
    draw(place);
  };
  const make = Object.keys(names).length > MOST_BUTTONS ? select : buttons;
  const [first] = Object.keys(names);
  const box = place.parentElement.querySelector(".controls");
  box.append(make(title, Object.keys(names), first, choose));
}

function select(title, names, first, choose) {
  const group = document.createElement("fieldset");
  const label = document.createElement("label");
  const list = document.createElement("select");
  label.textContent = `${title} `;
  for (const name of names) list.add(new Option(name, name, name === first));
  list.addEventListener("change", () => choose(list.value));
  label.append(list);
  group.append(label);
  return group;
}

// --- maps ------------------------------------------------------------------------------------

const chosen = new WeakMap();

function choice(place, points) {
  if (!chosen.has(place)) {
    chosen.set(place, { view: Object.keys(points.views)[0], by: Object.keys(points.groups)[0] });
  }
  return chosen.get(place);
}

function mapTraces(place, points, colour) {
  const { view, by } = choice(place, points);
  const { of, names } = points.groups[by];
  // More groups than colours go on with other shapes; one that is noise, or unknown, is grey.
  const paint = (group) => (group < 0 ? colour("8") : colour(String((group % (COLOURS - 1)) + 1)));
  const shape = (group) =>
    group < 0 ? "circle-open" : SYMBOLS[Math.floor(group / (COLOURS - 1)) % SYMBOLS.length];
  key(place, by, names, paint);
  return [{
    type: "scatter", mode: "markers", x: points.views[view].x, y: points.views[view].y,
    text: points.about, hovertemplate: "%{text}<extra></extra>",
    marker: { size: 6, opacity: 0.75, color: of.map(paint), symbol: of.map(shape) },
  }];
}

function key(place, by, names, paint) {
  const box = place.parentElement.querySelector(".key");
  if (!box) return;
  box.replaceChildren();
  if (names.length > IN_THE_KEY) {
    box.textContent = `${names.length} ${by}s by colour and shape: point at a dot to see whose it is.`;
    return;
  }
  names.forEach((name, group) => {
    const entry = document.createElement("span");
    entry.textContent = name;
    entry.style.setProperty("--dot", paint(group));
    box.append(entry);
  });
}

function addControls(place, points) {
  const box = place.parentElement.querySelector(".controls");
  box.append(
    buttons("Map", Object.keys(points.views), choice(place, points).view, (view) => {
      choice(place, points).view = view;
      draw(place);
    }),
    buttons("Colour by", Object.keys(points.groups), choice(place, points).by, (by) => {
      choice(place, points).by = by;
      draw(place);
    }),
  );
  const line = document.createElement("div");
  line.className = "key";
  line.setAttribute("aria-live", "polite");
  box.append(line);
}

function buttons(title, names, first, choose) {
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = title;
  group.append(legend);
  for (const name of names) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-pressed", String(name === first));
    button.addEventListener("click", () => {
      for (const other of group.querySelectorAll("button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      choose(name);
    });
    group.append(button);
  }
  return group;
}

// --- tables ----------------------------------------------------------------------------------

function sortBy(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const rising = header.getAttribute("aria-sort") !== "ascending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const value = (row) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent;
    return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
  };
  const compare = (a, b) => {
    const [one, other] = [value(a), value(b)];
    if (typeof one === "string") {
      return (rising ? 1 : -1) * one.localeCompare(other, "en", { numeric: true });
    }
    // What is not known comes last, whichever way.
    if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
    return (rising ? 1 : -1) * (one - other);
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compare));
}

for (const header of document.querySelectorAll("th")) {
  const button = header.querySelector("button");
  if (button) button.addEventListener("click", () => sortBy(header));
}

// --- drawing ---------------------------------------------------------------------------------

function drawAll() {
  for (const place of places) draw(place);
}

for (const place of places) {
  const { choices, points } = figures[place.dataset.figure];
  if (points) addControls(place, points);
  else if (choices) addChoices(place, choices);
}

// One after the other, so that a reader can scroll and type meanwhile.
(function drawNext(number) {
  if (number === places.length) {
    document.documentElement.dataset.drawn = String(number);
    return;
  }
  draw(places[number]);
  setTimeout(drawNext, 0, number + 1);
})(0);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
paper.addEventListener("change", drawAll);
