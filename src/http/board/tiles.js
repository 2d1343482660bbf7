// The tiles: one per figure, made once and changed in place.

import { STATES, count, inWords, shown, standing, targetInWords } from "./figures.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 64;

/** An element with a class and a text. */
export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Sets a text where it differs: a screen reader and the browser have nothing to do otherwise. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function attribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** The tiles in a container. */
export class Tiles {
  constructor(container) {
    this.container = container;
    this.tiles = new Map();
  }

  /**
   * Shows these figures: { id, kpi, part, row, series, alert }. `part` names the channel, `series`
   * holds the past values, `alert` is the text of an alert on the figure.
   */
  show(figures, minSamples) {
    const wanted = new Set(figures.map((figure) => figure.id));
    for (const [id, tile] of this.tiles) {
      if (!wanted.has(id)) {
        tile.root.remove();
        this.tiles.delete(id);
      }
    }
    figures.forEach((figure, place) => {
      let tile = this.tiles.get(figure.id);
      if (!tile) this.tiles.set(figure.id, (tile = makeTile(figure)));
      if (this.container.children[place] !== tile.root) {
        this.container.insertBefore(tile.root, this.container.children[place] ?? null);
      }
      update(tile, figure, minSamples);
    });
    attribute(this.container, "data-count", String(figures.length));
  }
}

function makeTile(figure) {
  const root = element("article", "tile");
  root.dataset.kpi = figure.kpi.name;
  if (figure.part) root.dataset.part = figure.part;
  const title = element("h3");
  title.append(element("span", "what", figure.kpi.title));
  if (figure.part) {
    const part = element("bdi", "part", figure.part);
    title.append(" ", part);
  }
  const badge = element("p", "badge");
  const sign = element("span", "sign");
  sign.setAttribute("aria-hidden", "true");
  const words = element("span", "words");
  badge.append(sign, " ", words);
  const value = element("p", "value");
  const number = element("span", "number");
  const unit = element("span", "unit");
  value.append(number, unit);
  const chart = makeChart();
  const note = element("p", "note");
  const target = element("span", "target");
  const interval = element("span", "interval");
  const samples = element("span", "samples");
  note.append(target, " ", samples, " ", interval);
  const alert = element("p", "alert-mark");
  alert.hidden = true;
  const history = element("p", "history-mark", "history incomplete");
  history.hidden = true;
  root.append(title, badge, value, chart.svg, alert, history, note);
  return { root, sign, words, number, unit, chart, target, interval, samples, alert, history };
}

function makeChart() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "chart");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const make = (name, className) => {
    const node = document.createElementNS(SVG, name);
    node.setAttribute("class", className);
    svg.append(node);
    return node;
  };
  const band = make("rect", "band");
  const target = make("line", "aim");
  const line = make("path", "trend");
  const now = make("line", "now");
  return { svg, band, target, line, now };
}

function update(tile, figure, minSamples) {
  const { kpi, row } = figure;
  const state = standing(row, kpi, minSamples);
  attribute(tile.root, "data-state", state);
  const raw = row?.value === undefined ? "" : String(row.value);
  attribute(tile.root, "data-value", raw);
  const incomplete = row !== undefined && !row.complete;
  attribute(tile.root, "data-complete", String(!incomplete));
  write(tile.sign, STATES[state].sign);
  write(tile.words, STATES[state].words);
  const parts = shown(row?.value, kpi.unit);
  write(tile.number, parts.text);
  write(tile.unit, parts.unit);
  write(tile.target, targetInWords(kpi));
  const known = row?.lower !== undefined && row?.upper !== undefined;
  write(tile.interval, known ? `95\u00a0% ${range(row, kpi.unit)}` : "");
  write(tile.samples, row ? `n\u00a0=\u00a0${count(row.samples)}` : "");
  tile.alert.hidden = !figure.alert;
  write(tile.alert, figure.alert ?? "");
  tile.history.hidden = !incomplete || state === "none";
  draw(tile.chart, figure, state);
}

function range(row, unit) {
  const [lower, upper] = [shown(row.lower, unit), shown(row.upper, unit)];
  const from = lower.unit === upper.unit ? lower.text : inWords(row.lower, unit);
  return `${from} to ${inWords(row.upper, unit)}`;
}

/** Draws the past values, the interval as a band and the target as dashes, on one scale. */
function draw(chart, { kpi, row, series }, state) {
  const points = [...(series ?? [])];
  if (row?.value !== undefined) points.push(row.value);
  const heights = points.filter((value) => value !== null);
  const marks = [row?.lower, row?.upper, kpi.target].filter((mark) => mark !== undefined);
  const all = [...heights, ...marks];
  const visible = heights.length > 0 && state !== "none";
  attribute(chart.svg, "data-drawn", String(visible));
  if (!visible) {
    for (const node of [chart.line, chart.band, chart.target, chart.now]) hide(node, true);
    return;
  }
  let [low, high] = [Math.min(...all), Math.max(...all)];
  const pad = (high - low) * 0.12 || Math.abs(high) * 0.05 || 1;
  [low, high] = [low - pad, high + pad];
  const y = (value) => (HEIGHT - ((value - low) / (high - low)) * HEIGHT).toFixed(1);
  const step = WIDTH / Math.max(1, points.length - 1);
  let path = "";
  let pen = "M";
  points.forEach((value, place) => {
    if (value === null) {
      pen = "M";
      return;
    }
    path += `${pen}${(place * step).toFixed(1)} ${y(value)}`;
    pen = "L";
  });
  hide(chart.line, points.length < 2);
  attribute(chart.line, "d", path);
  const known = row?.lower !== undefined && row?.upper !== undefined;
  hide(chart.band, !known);
  if (known) {
    const top = Number(y(row.upper));
    attribute(chart.band, "x", "0");
    attribute(chart.band, "width", String(WIDTH));
    attribute(chart.band, "y", String(top));
    attribute(chart.band, "height", Math.max(0.5, Number(y(row.lower)) - top).toFixed(1));
  }
  flat(chart.target, kpi.target, y, 0);
  flat(chart.now, row?.value, y, WIDTH);
}

function flat(line, value, y, from) {
  hide(line, value === undefined);
  if (value === undefined) return;
  attribute(line, "x1", String(from));
  attribute(line, "x2", String(WIDTH));
  attribute(line, "y1", y(value));
  attribute(line, "y2", y(value));
}

function hide(node, hidden) {
  attribute(node, "visibility", hidden ? "hidden" : "visible");
}
