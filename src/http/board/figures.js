// What a figure means: its text, its unit, and how it stands against its target.

/** What a state is called, and its sign: told apart without color. */
export const STATES = {
  good: { sign: "✓", words: "on target" },
  near: { sign: "◆", words: "near target" },
  bad: { sign: "▼", words: "off target" },
  plain: { sign: "", words: "" },
  few: { sign: "…", words: "too few answers" },
  none: { sign: "–", words: "no data" },
};

/** A number in its unit, as text of two parts. */
export function shown(value, unit) {
  if (value === undefined || value === null) return { text: "–", unit: "" };
  switch (unit) {
    case "ratio":
      return { text: decimal(value * 100, 1), unit: "%" };
    case "seconds":
      return duration(value);
    case "points":
      return { text: signed(value), unit: "" };
    default:
      return { text: decimal(value, 2), unit: "" };
  }
}

/** The same as one text. */
export function inWords(value, unit) {
  const parts = shown(value, unit);
  return parts.unit ? `${parts.text}\u00a0${parts.unit}` : parts.text;
}

function decimal(value, digits) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text;
}

function signed(value) {
  const text = decimal(value, 0);
  return value > 0 && text !== "0" ? `+${text}` : text.replace("-", "\u2212");
}

function duration(seconds) {
  if (Math.round(seconds * 10) < 600) return { text: decimal(seconds, 1), unit: "s" };
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 3600) return { text: `${Math.floor(whole / 60)}:${two(whole % 60)}`, unit: "min" };
  const minutes = Math.round(whole / 60);
  return { text: `${Math.floor(minutes / 60)}:${two(minutes % 60)}`, unit: "h" };
}

/** 12345 as 12 345. */
export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** How long ago, in the largest units that fit. */
export function since(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** A moment on the clock of the wall; with its date unless it is today. */
export function clock(moment, withSeconds = true) {
  const date = new Date(moment);
  const two = (number) => String(number).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const text = withSeconds ? `${time}:${two(date.getSeconds())}` : time;
  if (date.toDateString() === new Date().toDateString()) return text;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${text}`;
}

/** How a row stands: a name of STATES. A miss that the interval still covers is near. */
export function standing(row, kpi, minSamples) {
  if (!row || row.samples === 0 || row.value === undefined) return "none";
  if (row.samples < minSamples) return "few";
  if (kpi.target === undefined) return "plain";
  const higher = kpi.better === "higher";
  const met = higher ? row.value >= kpi.target : row.value <= kpi.target;
  if (met) return "good";
  const best = higher ? row.upper : row.lower;
  const within = best !== undefined && (higher ? best >= kpi.target : best <= kpi.target);
  return within ? "near" : "bad";
}

/** How far a row is from its target, as a share; above 0 is missed. Rows without judgement last. */
export function miss(row, kpi, minSamples) {
  const state = standing(row, kpi, minSamples);
  if (state === "none" || state === "few" || kpi.target === undefined) return -Infinity;
  const distance = kpi.better === "higher" ? kpi.target - row.value : row.value - kpi.target;
  const span = kpi.unit === "points" ? 100 : Math.abs(kpi.target) || 1;
  return distance / span;
}

/** How bad a row is among others of its KPI, for sorting: larger is worse, unknown last. */
export function badness(row, kpi, minSamples) {
  const state = standing(row, kpi, minSamples);
  if (state === "none" || state === "few") return -Infinity;
  return kpi.better === "higher" ? -row.value : row.value;
}

/** "target at least 80 %". */
export function targetInWords(kpi) {
  if (kpi.target === undefined) return "no target";
  const word = kpi.better === "higher" ? "at least" : "at most";
  return `target ${word} ${inWords(kpi.target, kpi.unit)}`;
}

/** The rows of a view by breakdown label, then key, then KPI. The key of overall is "". */
export function indexed(rows) {
  const index = new Map();
  for (const row of rows) {
    let keys = index.get(row.breakdown);
    if (!keys) index.set(row.breakdown, (keys = new Map()));
    const key = Object.values(row.key).join("\u001f");
    let kpis = keys.get(key);
    if (!kpis) keys.set(key, (kpis = new Map()));
    kpis.set(row.kpi, row);
  }
  return index;
}
