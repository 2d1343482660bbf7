// The table of queues: sorted, worst first, a page at a time, so that the page stays small however
// many queues there are.

import { STATES, badness, count, inWords, miss, standing } from "./figures.js";
import { element, write } from "./tiles.js";

/** Rows on one page of the table. */
const PAGE = 20;

/** The table; `open(queue)` is called when a queue is chosen. */
export class Queues {
  constructor(root, open) {
    this.root = root;
    this.open = open;
    this.sort = { column: "", worstFirst: true };
    this.page = 0;
    this.find = "";
    this.columns = [];
    this.lines = [];
    this.latest = null;
    const part = (id) => document.getElementById(id);
    this.parts = {
      columns: part("columns"),
      rows: part("rows"),
      note: part("page-note"),
      title: part("queues-title"),
      previous: part("previous"),
      next: part("next"),
    };
    part("find").addEventListener("input", (event) => {
      this.find = event.target.value.trim().toLocaleLowerCase();
      this.turn(-Infinity);
    });
    this.parts.previous.addEventListener("click", () => this.turn(-1));
    this.parts.next.addEventListener("click", () => this.turn(1));
  }

  turn(pages) {
    this.page = Math.max(0, this.page + pages);
    this.again();
  }

  again() {
    if (this.latest) this.show(...this.latest);
  }

  /** Shows the queues of a view: a map from queue to a map from KPI to row. */
  show(queues, kpis, minSamples) {
    this.latest = [queues, kpis, minSamples];
    this.head(kpis);
    const ranked = this.ranked(queues, kpis, minSamples);
    const pages = Math.max(1, Math.ceil(ranked.length / PAGE));
    this.page = Math.min(this.page, pages - 1);
    const shown = ranked.slice(this.page * PAGE, (this.page + 1) * PAGE);
    this.room(shown.length);
    shown.forEach((entry, place) => this.fill(this.lines[place], entry, kpis, minSamples));
    const first = this.page * PAGE;
    const range = ranked.length === 0 ? "0" : `${first + 1} to ${first + shown.length}`;
    write(this.parts.note, `${range} of ${count(ranked.length)}`);
    this.parts.previous.disabled = this.page === 0;
    this.parts.next.disabled = this.page >= pages - 1;
  }

  ranked(queues, kpis, minSamples) {
    const by = kpis.find((kpi) => kpi.name === this.sort.column);
    const entries = [];
    for (const [name, rows] of queues) {
      if (this.find && !name.toLocaleLowerCase().includes(this.find)) continue;
      const misses = kpis.map((kpi) => miss(rows.get(kpi.name), kpi, minSamples));
      const worst = Math.max(...misses);
      const missed = kpis.filter((kpi) => {
        return standing(rows.get(kpi.name), kpi, minSamples) === "bad";
      });
      const rank = by ? badness(rows.get(by.name), by, minSamples) : missed.length * 1000 + worst;
      entries.push({ name, rows, rank, missed: missed.length });
    }
    const sign = this.sort.worstFirst ? -1 : 1;
    const byName = this.sort.column === "queue";
    const names = new Intl.Collator("en", { numeric: true });
    entries.sort((left, right) => {
      const order = names.compare(left.name, right.name);
      if (byName) return this.sort.worstFirst ? order : -order;
      // What cannot be judged stands last either way.
      if (left.rank === right.rank) return order;
      if (left.rank === -Infinity) return 1;
      if (right.rank === -Infinity) return -1;
      return (left.rank - right.rank) * sign;
    });
    return entries;
  }

  head(kpis) {
    const names = ["queue", "", ...kpis.map((kpi) => kpi.name)];
    if (this.columns.join() !== names.join()) {
      this.columns = names;
      const titles = ["Queue", "Missed", ...kpis.map((kpi) => kpi.title)];
      this.parts.columns.replaceChildren(...names.map((name, place) => {
        const cell = element("th");
        cell.scope = "col";
        const button = element("button", "", titles[place]);
        button.type = "button";
        button.addEventListener("click", () => this.sortBy(name));
        cell.append(button);
        return cell;
      }));
      this.lines = [];
      this.parts.rows.replaceChildren();
    }
    names.forEach((name, place) => {
      const cell = this.parts.columns.children[place];
      const isSorted = name === this.sort.column;
      const order = this.sort.worstFirst === (name !== "queue") ? "descending" : "ascending";
      if (isSorted) cell.setAttribute("aria-sort", order);
      else cell.removeAttribute("aria-sort");
    });
    const column = names.indexOf(this.sort.column);
    const what = this.parts.columns.children[column]?.textContent ?? "";
    const way = this.sort.worstFirst ? "worst first" : "best first";
    const text = this.sort.column === "queue" ? "Queues by name" : `Queues, ${way}`;
    write(this.parts.title, column > 1 ? `${text}: ${what}` : text);
  }

  sortBy(column) {
    const same = this.sort.column === column;
    this.sort = { column, worstFirst: same ? !this.sort.worstFirst : true };
    this.turn(-Infinity);
  }

  room(length) {
    while (this.lines.length > length) this.lines.pop().row.remove();
    while (this.lines.length < length) {
      const row = element("tr");
      const name = element("th");
      name.scope = "row";
      const link = element("button", "queue");
      link.type = "button";
      const text = element("bdi");
      link.append(text);
      const line = { row, text, link, name: "", cells: [] };
      link.addEventListener("click", () => this.open(line.name));
      name.append(link);
      row.append(name);
      for (let cell = 1; cell < this.columns.length; cell += 1) {
        const made = element("td");
        const sign = element("span", "sign");
        sign.setAttribute("aria-hidden", "true");
        const value = element("span", "figure");
        const more = element("span", "more");
        made.append(sign, " ", value, " ", more);
        row.append(made);
        line.cells.push({ made, sign, value, more });
      }
      this.parts.rows.append(row);
      this.lines.push(line);
    }
  }

  fill(line, { name, rows, missed }, kpis, minSamples) {
    line.name = name;
    write(line.text, name);
    const [status, ...cells] = line.cells;
    write(status.value, String(missed));
    status.made.dataset.state = missed > 0 ? "bad" : "plain";
    cells.forEach((cell, place) => {
      const kpi = kpis[place];
      const row = rows.get(kpi.name);
      const state = standing(row, kpi, minSamples);
      if (cell.made.dataset.state !== state) {
        cell.made.dataset.state = state;
        cell.made.title = STATES[state].words;
      }
      write(cell.sign, STATES[state].sign);
      write(cell.value, state === "none" ? "no data" : inWords(row.value, kpi.unit));
      write(cell.more, row && state !== "none" ? `n ${count(row.samples)}` : "");
    });
  }
}
