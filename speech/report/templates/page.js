// Draws the figures in the page's theme, lets a reader choose what they show, and sorts tables.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");
const PAPER_WIDTH = 680;
const COLOURS = 8;
const plots = [...document.querySelectorAll(".plot")];

// What plotly draws with: the colours of the style sheet, the last of them grey.
function template() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const colorway = Array.from({ length: COLOURS }, (_, number) => colour(`c${number + 1}`));
  const steps = colorway.flatMap((one, n) => [[n / COLOURS, one], [(n + 1) / COLOURS, one]]);
  const axis = { gridcolor: colour("line"), zerolinecolor: colour("soft"), automargin: true,
    fixedrange: true, ticks: "outside", tickcolor: colour("line") };
  const heatmap = { colorscale: [[0, colour("panel")], [1, colour("heat")]],
    colorbar: { ticksuffix: " %", thickness: 10 } };
  const layout = {
    colorway, xaxis: axis, yaxis: axis, dragmode: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: colour("ink") },
    margin: { l: 8, r: 12, t: 8, b: 8 },
    hoverlabel: { bgcolor: colour("panel"), font: { color: colour("ink") } },
    legend: { orientation: "h", traceorder: "normal", x: 0, y: 1.02, yanchor: "bottom" },
    shapedefaults: { line: { color: colour("soft"), width: 1, dash: "dot" } },
  };
  const data = { bar: [{ error_y: { color: colour("ink") } }], heatmap: [heatmap],
    scatter: [{ marker: { colorscale: steps } }] };
  return { layout, data };
}

function draw(plot) {
  const { data, layout, choices } = JSON.parse(plot.nextElementSibling.textContent);
  const selects = plot.parentElement.querySelectorAll("select");
  for (const select of selects) {
    select.addEventListener("change", () => choose(plot, choices[select.dataset.choice][select.value]));
  }
  const config = { displayModeBar: false, responsive: true };
  Plotly.newPlot(plot, data, { ...layout, template: template() }, config);
  for (const select of selects) showKey(plot, choices[select.dataset.choice][select.value].key);
}

function choose(plot, { key, ...update }) {
  Plotly.restyle(plot, update);
  showKey(plot, key);
}

// More names than colours have symbols too, and are read by pointing.
function showKey(plot, names) {
  if (!names) return;
  const key = plot.parentElement.querySelector(".key");
  key.replaceChildren();
  if (names.length >= COLOURS) {
    key.textContent = `${names.length} groups by colour and symbol. Point at a dot for its names.`;
    return;
  }
  names.forEach((name, number) => {
    const entry = document.createElement("span");
    entry.textContent = name;
    entry.style.setProperty("--dot", `var(--c${number + 1})`);
    key.append(entry);
  });
}

function retheme() {
  for (const plot of plots) {
    const width = paper.matches ? Math.min(plot.clientWidth, PAPER_WIDTH) : null;
    Plotly.relayout(plot, { template: template(), width, autosize: !paper.matches });
  }
}

function sortBy(header) {
  const rising = header.getAttribute("aria-sort") !== "ascending";
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const body = header.closest("table").tBodies[0];
  const text = (row) => row.cells[header.cellIndex].textContent;
  const value = (row) => row.cells[header.cellIndex].dataset.value;
  body.append(...[...body.rows].sort((one, other) => {
    // What is not known comes last, whichever way.
    const unknown = (value(one) === "") - (value(other) === "");
    const order = value(one) === undefined
      ? text(one).localeCompare(text(other), "en", { numeric: true })
      : value(one) - value(other);
    return unknown || (rising ? order : -order);
  }));
}

for (const header of document.querySelectorAll("th")) {
  header.querySelector("button").addEventListener("click", () => sortBy(header));
}

// One after the other, so that a reader can scroll and type meanwhile.
(function drawNext(number) {
  if (number === plots.length) {
    dark.addEventListener("change", retheme);
    paper.addEventListener("change", retheme);
    document.documentElement.dataset.drawn = String(number);
    return;
  }
  draw(plots[number]);
  setTimeout(drawNext, 0, number + 1);
})(0);
