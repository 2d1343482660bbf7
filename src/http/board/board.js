// The wallboard: what the address asks for, what the stream brings, what is shown.
//
//   ?window=1h&queue=billing&kiosk&theme=dark     #token=... once, where the server asks for one

import { indexed, since } from "./figures.js";
import { Banner, Freshness, active, keyName } from "./news.js";
import { Queues } from "./queues.js";
import { breathe, follow, get, keep, keepToken, read, takeToken } from "./source.js";
import { Tiles, element, write } from "./tiles.js";

/** Channels with a tile of their own; the busiest. */
const MOST_CHANNELS = 4;
/** The dimension that the table and the drill-down tell apart by. */
const QUEUE = "queue";
const THEMES = ["auto", "light", "dark"];

const part = (id) => document.getElementById(id);
const tiles = new Tiles(part("tiles"));
const banner = new Banner(part("alerts"), part("spoken"));
const freshness = new Freshness();
const queues = new Queues(part("queues"), (queue) => go({ queue }));

/** What this instance is, from /api/v1/board. */
let board = null;
let kpis = new Map();
/** What the address asks for. */
let wanted = address();
let stream = null;
let past = new Map();
/** The newest state and view, and when the view came, by the clock of this page. */
let state = null;
let view = null;
let cameAt = 0;
let lostFor = null;

function address() {
  const query = new URLSearchParams(location.search);
  return {
    window: query.get("window"),
    queue: query.get(QUEUE),
    kiosk: query.has("kiosk"),
    theme: query.get("theme"),
  };
}

/** Goes to another window or queue; the address follows, so that it can be kept and shared. */
function go(change) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(change)) {
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString().replace(/=(?=&|$)/g, "");
  history.pushState(null, "", text ? `?${text}` : location.pathname);
  wanted = address();
  if ("queue" in change) {
    scrollTo(0, 0);
    part("figures").focus({ preventScroll: true });
  }
  open();
}

addEventListener("popstate", () => {
  wanted = address();
  open();
});
part("back").addEventListener("click", () => go({ queue: null }));

// --- theme ---------------------------------------------------------------------------------------

function theme() {
  const chosen = wanted.theme ?? read("cxpulse-theme") ?? "auto";
  return THEMES.includes(chosen) ? chosen : "auto";
}

function showTheme() {
  document.documentElement.dataset.theme = theme();
  write(part("theme"), `Theme: ${theme()}`);
}

part("theme").addEventListener("click", () => {
  keep("cxpulse-theme", THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  if (wanted.theme) go({ theme: null });
  showTheme();
});

// --- token ---------------------------------------------------------------------------------------

function askForToken(note) {
  part("entry").hidden = false;
  write(part("entry-note"), note);
  part("token").focus();
}

part("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(part("token").value);
  part("token").value = "";
  part("entry").hidden = true;
  begin();
});

// --- data ----------------------------------------------------------------------------------------

/** Asks what this instance is until it answers, then opens the stream. */
async function begin() {
  for (;;) {
    try {
      const found = await get("/api/v1/board");
      if (found.windows.length > 0) {
        describe(found);
        open();
        return;
      }
      freshness.show("connecting", null, "");
    } catch (error) {
      if (error.status === 401) {
        askForToken(read("cxpulse-token") ? "The server did not take the token." : "");
        return;
      }
      freshness.show("lost", null, "the server does not answer; trying again");
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function describe(found) {
  if (board && board.version !== found.version) location.reload();
  board = found;
  kpis = new Map(found.kpis.map((kpi) => [kpi.name, kpi]));
  write(part("title"), found.title);
  write(part("version"), `cxpulse ${found.version}.`);
  part("windows").replaceChildren(...found.windows.map((window) => {
    const hour = window.day_from && window.name.split(" ")[1];
    const button = element("button", "", hour ? `today, since ${hour}` : window.name);
    button.type = "button";
    button.dataset.window = window.name;
    if (hour) button.title = window.name;
    button.addEventListener("click", () => go({ window: window.name }));
    return button;
  }));
}

function has(label) {
  return board.breakdowns.some((breakdown) => breakdown.label === label);
}

function window_() {
  const names = board.windows.map((window) => window.name);
  return names.includes(wanted.window) ? wanted.window : board.window;
}

function breakdowns() {
  if (wanted.queue !== null && has(QUEUE)) return [QUEUE];
  const table = !wanted.kiosk && has(QUEUE) ? [QUEUE] : [];
  return ["overall", ...(has("channel") ? ["channel"] : []), ...table].filter(has);
}

/** What is asked for, as a query of the API. */
function query(...labels) {
  const asked = new URLSearchParams();
  asked.append("window", window_());
  for (const label of labels) asked.append("breakdown", label);
  for (const name of board.tiles) asked.append("kpi", name);
  if (wanted.queue !== null && has(QUEUE)) asked.append(QUEUE, wanted.queue);
  return asked;
}

/** Opens the stream for what is wanted, and shows what does not depend on it. */
function open() {
  if (!board) return;
  stream?.stop();
  view = null;
  past = new Map();
  document.documentElement.dataset.kiosk = String(wanted.kiosk);
  showTheme();
  for (const button of part("windows").children) {
    button.setAttribute("aria-pressed", String(button.dataset.window === window_()));
  }
  const scope = part("scope");
  scope.replaceChildren(
    wanted.queue === null ? "All queues" : "Queue ",
    ...(wanted.queue === null ? [] : [element("bdi", "", wanted.queue)]),
  );
  part("back").hidden = wanted.queue === null || wanted.kiosk;
  part("queues").hidden = wanted.kiosk || wanted.queue !== null || !has(QUEUE);
  const asked = query(...breakdowns());
  asked.append("state", "true");
  const silence = Math.max(5000, board.refresh_ms * 4);
  stream = follow(`/api/v1/stream?${asked}`, {
    state: takeState,
    view: takeView,
    lost,
  }, silence);
  recall();
  // What stands there until the first answer is of what was wanted before, and is not to look live.
  showHealth();
}

/** Reads the past hours of what the tiles show. */
async function recall() {
  const asked = query(...breakdowns().filter((label) => wanted.queue !== null || label !== QUEUE));
  const current = stream;
  try {
    const found = await get(`/api/v1/history?${asked}`);
    if (current !== stream) return;
    const found_ = new Map();
    for (const one of found.series) {
      found_.set(`${one.kpi} ${one.breakdown} ${Object.values(one.key).join()}`, one.values);
    }
    found_.at = Date.parse(found.at ?? "") || 0;
    found_.step = found.step_seconds * 1000;
    past = found_;
    show();
  } catch {
    // The stream tells of a lost connection; the lines come with the next try.
  }
}

function takeState(found) {
  state = found;
  if (board.version !== found.version) location.reload();
}

async function takeView(found) {
  view = { at: found.at, index: indexed(found.kpis) };
  cameAt = performance.now();
  if (lostFor) {
    lostFor = null;
    recall();
  }
  await breathe();
  show();
  const at = Date.parse(view.at ?? "");
  if (past.step && at - past.at >= past.step + 2000 && !past.asked) {
    past.asked = true;
    recall();
  }
}

function lost(error) {
  if (error.status === 401) {
    stream.stop();
    askForToken("The server did not take the token.");
  }
  lostFor ??= error;
  show();
}

// --- what is shown -------------------------------------------------------------------------------

function figures() {
  const seriesOf = (name, label, key) => past.get(`${name} ${label} ${key}`);
  const firing = active(state?.alerts).filter(({ instance }) => instance.state === "firing");
  const alertOn = (name, dimensions) => {
    const found = firing.filter(({ rule, instance }) => rule.kpi === name
      && Object.entries(dimensions).every(([dimension, value]) => {
        return instance.key[dimension] === undefined || instance.key[dimension] === value;
      }));
    if (found.length === 0) return null;
    const names = found.slice(0, 2).map(({ instance }) => keyName(instance.key));
    const more = found.length > 2 ? ` and ${found.length - 2} more` : "";
    return `▲ alert: ${names.join(", ")}${more}`;
  };
  const isQueue = wanted.queue !== null && has(QUEUE);
  const label = isQueue ? QUEUE : "overall";
  const key = isQueue ? wanted.queue : "";
  const rows = view.index.get(label)?.get(key) ?? new Map();
  const made = [];
  for (const name of board.tiles) {
    const kpi = kpis.get(name);
    if (!kpi) continue;
    const channels = name === "service_level" && !isQueue ? busiestChannels() : [];
    if (channels.length === 0) {
      made.push({
        id: name,
        kpi,
        row: rows.get(name),
        series: seriesOf(name, label, key),
        alert: alertOn(name, isQueue ? { [QUEUE]: key } : {}),
      });
    }
    for (const [channel, found] of channels) {
      made.push({
        id: `${name} ${channel}`,
        kpi,
        part: channel,
        row: found.get(name),
        series: seriesOf(name, "channel", channel),
        alert: alertOn(name, { channel }),
      });
    }
  }
  return made;
}

/** The channels with most answers, by name. */
function busiestChannels() {
  const channels = [...(view.index.get("channel") ?? new Map())];
  const samples = ([, rows]) => rows.get("service_level")?.samples ?? 0;
  channels.sort((left, right) => samples(right) - samples(left));
  const busiest = channels.filter((one) => samples(one) > 0).slice(0, MOST_CHANNELS);
  return busiest.sort(([left], [right]) => (left < right ? -1 : 1));
}

function show() {
  showHealth();
  if (!view) return;
  tiles.show(figures(), board.min_samples);
  const shownQueues = view.index.get(QUEUE);
  if (!part("queues").hidden) {
    const shownKpis = board.tiles.map((name) => kpis.get(name)).filter(Boolean);
    queues.show(shownQueues ?? new Map(), shownKpis, board.min_samples);
  }
}

/** Whether the figures are fresh, and the alerts; also called when nothing comes any more. */
function showHealth() {
  const at = Date.parse(view?.at ?? "") || null;
  const age = view ? performance.now() - cameAt : 0;
  const serverNow = Date.parse(state?.now ?? "") + age;
  const limit = Math.max(5000, (board?.refresh_ms ?? 1000) * 4);
  const gone = at ? `figures of ${since(age)} ago; trying again` : "trying again";
  const behind = (state?.behind_seconds ?? 0) * 1000;
  if (lostFor || age > limit) {
    freshness.show("lost", at, gone);
  } else if (!view || !state) {
    freshness.show("connecting", at, "");
  } else if (!state.connected) {
    freshness.show("stale", at, "no connection to the events; the figures do not move");
  } else if (!state.caught_up) {
    freshness.show("catching_up", at, "history is being read; the figures are not whole yet");
  } else if (behind > board.stale_after_ms) {
    freshness.show("stale", at, `the figures are ${since(behind)} behind`);
  } else {
    freshness.show("live", at, "");
  }
  if (state) banner.show(active(state.alerts), serverNow, kpis);
}

setInterval(() => {
  if (board) showHealth();
}, 1000);

showTheme();
takeToken();
begin();
