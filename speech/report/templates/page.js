// Draws the figures in the page's theme, lets a reader choose what they show, and sorts tables.
"use strict";

const json = (element) => JSON.parse(element.textContent);
const themes = json(document.getElementById("themes"));
const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");
const PAPER_WIDTH = 680;
const COLOURS = 7;
const plots = [...document.querySelectorAll(".plot")];

const theme = () => themes[dark.matches && !paper.matches ? "dark" : "light"];

function draw(plot) {
  const { data, layout, choices } = json(plot.nextElementSibling);
  const selects = plot.parentElement.querySelectorAll("select");
  for (const select of selects) {
    select.addEventListener("change", () => choose(plot, choices[select.dataset.choice][select.value]));
  }
  const config = { displayModeBar: false, responsive: true };
  Plotly.newPlot(plot, data, { ...layout, template: theme() }, config);
  for (const select of selects) showKey(plot, choices[select.dataset.choice][select.value].key);
}

function choose(plot, { key, ...update }) {
  Plotly.restyle(plot, update);
  showKey(plot, key);
}

// More names than colours are told apart by symbols too: by pointing only.
function showKey(plot, names) {
  if (!names) return;
  const key = plot.parentElement.querySelector(".key");
  key.replaceChildren();
  if (names.length > COLOURS) {
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
  const size = paper.matches ? { width: PAPER_WIDTH } : { width: null, autosize: true };
  for (const plot of plots) Plotly.relayout(plot, { template: theme(), ...size });
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
