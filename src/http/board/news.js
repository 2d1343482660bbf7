// What is wrong: alerts that fire, and whether the figures are fresh.

import { clock, inWords, since } from "./figures.js";
import { element, write } from "./tiles.js";

/** Alerts shown one by one; the rest is counted. */
const MOST = 3;

/** "above 480" as "above 8:00 min"; other conditions as they are. */
function inUnit(condition, threshold, unit) {
  const found = condition.match(/^(above|below) [-\d.e]+$/);
  return found && threshold !== undefined ? `${found[1]} ${inWords(threshold, unit)}` : condition;
}

/** All instances of a snapshot that are pending or firing, the longest firing first. */
export function active(snapshot) {
  const found = [];
  for (const rule of snapshot?.rules ?? []) {
    for (const instance of rule.instances) {
      if (instance.state === "firing" || instance.state === "pending") {
        found.push({ rule, instance });
      }
    }
  }
  const rank = ({ instance }) => (instance.state === "firing" ? 0 : 1);
  const begun = ({ instance }) => Date.parse(instance.since ?? "") || 0;
  return found.sort((left, right) => rank(left) - rank(right) || begun(left) - begun(right));
}

/** The name of a key: "support", "support / voice"; overall is "all". */
export function keyName(key) {
  const values = Object.values(key);
  return values.length === 0 ? "all" : values.join(" / ");
}

/** The banner. */
export class Banner {
  constructor(root, spoken) {
    this.root = root;
    this.spoken = spoken;
    this.lines = [];
    this.before = new Set();
  }

  /** Shows active alerts; `now` is the server's clock, `kpis` the figures by name. */
  show(alerts, now, kpis) {
    this.root.hidden = alerts.length === 0;
    const shown = alerts.slice(0, MOST);
    const more = alerts.length - shown.length;
    const wanted = shown.length + (more > 0 ? 1 : 0);
    while (this.lines.length > wanted) this.lines.pop().remove();
    while (this.lines.length < wanted) {
      const line = element("p", "alert");
      line.append(
        element("strong", "state"), " ", element("span", "rule"), " ", element("bdi", "key"), " ",
        element("span", "figure"), " ", element("span", "since"),
      );
      this.root.append(line);
      this.lines.push(line);
    }
    shown.forEach(({ rule, instance }, place) => {
      const line = this.lines[place];
      const kpi = kpis.get(rule.kpi);
      const begun = Date.parse(instance.since ?? "");
      line.dataset.state = instance.state;
      line.dataset.severity = rule.severity;
      const [state, name, key, figure, sinceWhen] = line.children;
      write(state, instance.state === "firing" ? "▲ Alert" : "△ Pending");
      write(name, rule.alert);
      write(key, keyName(instance.key));
      const value = instance.value === undefined ? "" : inWords(instance.value, kpi?.unit);
      const condition = inUnit(rule.condition, instance.threshold, kpi?.unit);
      write(figure, [kpi?.title, value, condition, rule.window].filter(Boolean).join(" · "));
      write(sinceWhen, begun ? `since ${clock(begun)} (${since(now - begun)})` : "");
    });
    if (more > 0) {
      const line = this.lines[shown.length];
      line.dataset.state = "more";
      const [state, ...rest] = line.children;
      write(state, `and ${more} more`);
      for (const part of rest) write(part, "");
    }
    this.speak(alerts);
  }

  /** Says what began and what ended, once. */
  speak(alerts) {
    const firing = alerts.filter(({ instance }) => instance.state === "firing");
    const names = new Set(firing.map(({ rule, instance }) => {
      return `${rule.alert} at ${keyName(instance.key)}`;
    }));
    const began = [...names].filter((name) => !this.before.has(name));
    const ended = [...this.before].filter((name) => !names.has(name));
    const words = [
      ...began.map((name) => `Alert: ${name}.`),
      ...ended.map((name) => `Over: ${name}.`),
    ];
    if (words.length > 0) write(this.spoken, words.slice(0, MOST).join(" "));
    this.before = names;
  }
}

const HEALTH = {
  connecting: "Connecting",
  live: "Live",
  catching_up: "Catching up",
  stale: "Stale",
  lost: "Connection lost",
};

/** The mark at the top, and the bar below it when something is wrong. */
export class Freshness {
  constructor() {
    const part = (id) => document.getElementById(id);
    this.mark = part("freshness");
    this.health = part("health");
    this.clock = part("clock");
    this.bar = part("trouble");
    this.what = part("trouble-what");
    this.more = part("trouble-more");
  }

  /** `health` is a name of HEALTH; `at` the moment of the figures; `why` says more. */
  show(health, at, why) {
    if (this.mark.dataset.health !== health) {
      this.mark.dataset.health = health;
      document.documentElement.dataset.health = health;
      write(this.health, HEALTH[health]);
    }
    write(this.clock, at ? clock(at) : "");
    this.clock.dateTime = at ? new Date(at).toISOString() : "";
    const wrong = health !== "live" && health !== "connecting";
    this.bar.hidden = !wrong;
    if (wrong) {
      write(this.what, HEALTH[health]);
      write(this.more, why);
    }
  }
}
