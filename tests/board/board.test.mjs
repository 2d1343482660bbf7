// The wallboard in a real browser, against the real binary and a real NATS server.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";

import { AXE, Broker, Center, HOUR, MINUTE, Service, browser, until } from "./harness.mjs";

/** Where screenshots go; nowhere unless asked for. */
const SHOTS = process.env.CXPULSE_SCREENSHOTS;

const CONFIG = `
[[window]]
length = "1m"
[[window]]
length = "1h"
[[window]]
length = "24h"
[[window]]
since = "00:00"
zone = "Europe/Rome"
[kpis.fcr]
horizon = "1h"
[alerts]
interval = "1s"
[board]
title = "Customer service"
window = "1h"
[board.targets]
aht = 330
fcr_mature = 0.75
[[alert]]
name = "SupportHandleTimeHigh"
kpi = "aht"
window = "1m"
breakdown = ["queue"]
where = { queue = "support" }
above = 480
min_samples = 10
severity = "page"
`;
const QUEUES = ["billing", "support", "sales", "claims", "roaming", "retention", "technical", "logistics"];
const HOSTILE = [
  '<img src=x onerror="document.title=1">',
  "</bdi><script>document.title=1</script>",
  "\u202egnol yrev",
  "قائمة الانتظار",
  "x".repeat(256),
  "__proto__",
  "&amp; 'quotes\" \\ %3C",
];

let broker;
let chrome;
let service;
let center;
let traffic;

before(async () => {
  broker = await Broker.start();
  await broker.client.createStream("CX", ["cx.>"]);
  center = new Center(broker.client, "CX", QUEUES);
  const now = Date.now();
  await center.past(now - 11 * HOUR, now, 6000);
  service = await Service.start(broker, "CX", CONFIG);
  traffic = center.live(15);
  chrome = await browser();
}, { timeout: 180_000 });

after(async () => {
  traffic?.stop();
  await chrome?.close();
  await service?.kill();
  await broker?.kill();
  process.exitCode ||= 0;
  setTimeout(() => process.exit(), 500).unref();
});

/** A page with everything that must not happen noted. */
async function open(url, options = {}, { quiet = false } = {}) {
  const context = await chrome.newContext({ viewport: { width: 1920, height: 1080 }, ...options });
  const page = await context.newPage();
  const origin = new URL(url).origin;
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) page.wrong.push(`left the origin: ${request.url()}`);
  });
  await page.goto(url);
  if (!quiet) await live(page);
  return page;
}

const live = (page) => page.waitForSelector('[data-health="live"] .tile .number', { timeout: 60_000 });

async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png` });
}

/** axe-core finds nothing. */
async function accessible(page, what) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  const list = found.violations.map(({ id, nodes }) => {
    return `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.any[0]?.message ?? ""}`).join("; ")}`;
  });
  assert.deepEqual(list, [], what);
  assert.ok(found.passes.length > 15, `axe looked at ${what}`);
}

function nothingWrong(page) {
  assert.deepEqual(page.wrong, []);
}

/** What the tiles say, with the moment of the figures. */
const tiles = (page) => page.evaluate(() => ({
  at: document.querySelector("#clock").dateTime,
  tiles: [...document.querySelectorAll(".tile")].map((tile) => ({
    kpi: tile.dataset.kpi,
    part: tile.dataset.part ?? null,
    value: tile.dataset.value,
    state: tile.dataset.state,
    number: tile.querySelector(".number").textContent,
    unit: tile.querySelector(".unit").textContent,
    samples: tile.querySelector(".samples").textContent,
    words: tile.querySelector(".words").textContent,
    drawn: tile.querySelector(".chart").dataset.drawn,
  })),
}));

/** The same figures as text, told apart from how the page does it. */
function expected(row, unit) {
  if (row.value === undefined) return "–";
  if (unit === "ratio") return `${(Math.round(row.value * 1000) / 10).toFixed(1)}%`;
  if (unit === "points") {
    const whole = Math.round(Math.abs(row.value));
    return `${whole === 0 ? "" : row.value > 0 ? "+" : "−"}${whole}`;
  }
  if (row.value < 59.95) return `${row.value.toFixed(1)}s`;
  const whole = Math.round(row.value);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}min`;
}

/** The page and the API at one and the same instant. */
function together(page, query) {
  return until("page and API at the same instant", async () => {
    const api = await service.get(`/api/v1/kpis?${query}`);
    const shown = await tiles(page);
    return shown.at === api.at && { api, shown };
  });
}

test("values on tiles equal the API", async () => {
  const page = await open(`${service.origin}/?window=1h`);
  const board = await service.get("/api/v1/board");
  const units = new Map(board.kpis.map((kpi) => [kpi.name, kpi]));
  for (const query of ["window=1h&breakdown=overall&breakdown=channel"]) {
    const { api, shown } = await together(page, query);
    assert.deepEqual(shown.tiles.map((tile) => tile.kpi), [
      "fcr_mature", "aht", "csat", "nps", "service_level", "service_level", "service_level", "abandonment",
    ]);
    for (const tile of shown.tiles) {
      const row = api.kpis.find((one) => one.kpi === tile.kpi && (one.key.channel ?? null) === tile.part);
      assert.equal(tile.value, String(row.value), tile.kpi);
      assert.equal(tile.number + tile.unit, expected(row, units.get(tile.kpi).unit), tile.kpi);
      assert.equal(tile.samples.replace(/\D/g, ""), String(row.samples), tile.kpi);
      const { target, better } = units.get(tile.kpi);
      const met = better === "higher" ? row.value >= target : row.value <= target;
      const end = better === "higher" ? row.upper >= target : row.lower <= target;
      assert.equal(tile.state, met ? "good" : end ? "near" : "bad", tile.kpi);
      assert.ok(tile.words.endsWith("target"), "told in words as well");
      assert.equal(tile.drawn, "true", "the past hours are there at once");
    }
  }
  // The lines hold what the API has: eight hours.
  const history = await service.get("/api/v1/history?window=1h&breakdown=overall&kpi=aht");
  assert.equal(history.series[0].values.length, 240);
  const points = await page.locator('.tile[data-kpi="aht"] .trend').getAttribute("d");
  assert.ok(points.match(/[ML]/g).length > 200, points);
  await shot(page, "overview");
  await accessible(page, "overview");
  nothingWrong(page);
  await page.context().close();
});

test("another window, and the day so far", async () => {
  const page = await open(service.origin);
  await page.getByRole("button", { name: "today, since 00:00" }).click();
  await live(page);
  const { api, shown } = await together(page, "window=since%2000:00%20Europe/Rome&breakdown=overall");
  const row = api.kpis.find((one) => one.kpi === "aht");
  assert.equal(shown.tiles.find((tile) => tile.kpi === "aht").value, String(row.value));
  assert.match(page.url(), /window=since/);
  await page.goBack();
  await until("the window of before", () => page.locator('[data-window="1h"][aria-pressed="true"]').count());
  nothingWrong(page);
  await page.context().close();
});

test("by keyboard into a queue and back", async () => {
  const page = await open(service.origin);
  const focused = () => page.evaluate(() => document.activeElement.className || document.activeElement.id);
  for (let key = 0; key < 40 && (await focused()) !== "queue"; key += 1) await page.keyboard.press("Tab");
  assert.equal(await focused(), "queue");
  const name = await page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("Enter");
  await page.waitForFunction((queue) => document.querySelector("#scope").textContent === `Queue ${queue}`, name);
  await live(page);
  const { api, shown } = await together(page, `window=1h&breakdown=queue&queue=${name}`);
  for (const tile of shown.tiles) {
    assert.equal(tile.value, String(api.kpis.find((one) => one.kpi === tile.kpi).value ?? ""), tile.kpi);
  }
  assert.equal(await page.locator("#queues").isVisible(), false);
  await shot(page, "queue");
  await accessible(page, "one queue");
  await page.getByRole("button", { name: "All queues" }).press("Enter");
  await page.waitForSelector("#queues:not([hidden])");
  nothingWrong(page);
  await page.context().close();
});

test("queues are sorted, worst first, and found", async () => {
  const page = await open(service.origin);
  const column = (place) => page.locator(`#rows tr > :nth-child(${place})`).allTextContents();
  await until("the rows", async () => (await column(1)).length === QUEUES.length);
  const missed = (await column(2)).map((text) => Number(text.trim()));
  assert.deepEqual(missed, [...missed].sort((left, right) => right - left));
  await page.getByRole("columnheader", { name: "Average handle time" }).getByRole("button").click();
  const seconds = (text) => {
    const [, minutes, rest] = text.match(/(\d+):(\d+)/);
    return Number(minutes) * 60 + Number(rest);
  };
  await until("the longest first", async () => {
    const times = (await column(4)).map(seconds);
    return times.every((time, place) => place === 0 || times[place - 1] >= time);
  });
  await page.getByRole("columnheader", { name: "Average handle time" }).getByRole("button").click();
  await until("the shortest first", async () => {
    const times = (await column(4)).map(seconds);
    return times.every((time, place) => place === 0 || times[place - 1] <= time);
  });
  await page.getByLabel("Find").fill("SALE");
  await until("one queue", async () => (await column(1)).join() === "sales");
  nothingWrong(page);
  await page.context().close();
});

test("an incident turns the tile and raises the banner, without a reload", async () => {
  const page = await open(`${service.origin}/?queue=support&window=1m`);
  const overview = await open(`${service.origin}/?window=1m`);
  await page.evaluate(() => { globalThis.sameDocument = true; });
  assert.equal(await page.locator("#alerts").isVisible(), false);
  center.slow.add("support");
  const more = setInterval(() => {
    for (let one = 0; one < 6; one += 1) center.contact(Date.now() - 5, "support");
  }, 250);
  try {
    await page.waitForSelector('.tile[data-kpi="aht"][data-state="bad"]', { timeout: 90_000 });
    await page.waitForSelector('#alerts .alert[data-state="firing"]', { timeout: 90_000 });
    const line = await page.locator("#alerts .alert").first().innerText();
    assert.match(line, /SupportHandleTimeHigh/);
    assert.match(line, /support/);
    assert.match(line, /since \d\d:\d\d:\d\d \(\d+ (s|min)/);
    assert.match(await page.locator("#spoken").textContent(), /Alert: SupportHandleTimeHigh at support/);
    assert.match(await page.locator('.tile[data-kpi="aht"] .alert-mark').innerText(), /support/);
    const api = await service.get("/api/v1/alerts");
    const since = Date.parse(api.rules[0].instances[0].since);
    const two = (number) => String(number).padStart(2, "0");
    const clock = [new Date(since)].map((date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`);
    assert.ok(line.includes(clock[0]), `${line} since ${clock[0]}`);
    await overview.waitForSelector('#alerts .alert[data-state="firing"]');
    await overview.waitForSelector('.tile[data-kpi="aht"] .alert-mark:not([hidden])');
    await shot(overview, "incident");
    await accessible(overview, "incident");
  } finally {
    clearInterval(more);
    center.slow.clear();
  }
  // Over: good contacts push the bad ones out.
  const good = setInterval(() => {
    for (let one = 0; one < 10; one += 1) center.contact(Date.now() - 5, "support");
  }, 250);
  await page.waitForSelector("#alerts", { state: "hidden", timeout: 120_000 });
  clearInterval(good);
  assert.match(await page.locator("#spoken").textContent(), /Over: SupportHandleTimeHigh/);
  assert.equal(await page.evaluate(() => globalThis.sameDocument), true);
  nothingWrong(page);
  nothingWrong(overview);
  await page.context().close();
  await overview.context().close();
});

test("stale figures are shown as such, and healed", async () => {
  const page = await open(service.origin);
  await page.evaluate(() => { globalThis.sameDocument = true; });
  traffic.stop();
  await broker.kill();
  await page.waitForSelector('[data-health="stale"] #trouble:not([hidden])', { timeout: 30_000 });
  assert.match(await page.locator("#trouble").innerText(), /^Stale no connection to the events/);
  await shot(page, "stale");
  await accessible(page, "stale");
  await broker.again();
  await live(page);
  center.client = broker.client;
  traffic = center.live(15);
  assert.equal(await page.evaluate(() => globalThis.sameDocument), true);
  nothingWrong(page);
  await page.context().close();
});

test("the process killed and back", async () => {
  const page = await open(service.origin);
  await page.evaluate(() => { globalThis.sameDocument = true; });
  await service.kill();
  await page.waitForSelector('[data-health="lost"] #trouble:not([hidden])', { timeout: 30_000 });
  assert.match(await page.locator("#trouble").innerText(), /^Connection lost figures of \d+ s ago; trying again/);
  await accessible(page, "connection lost");
  // A browser notes a refused connection on the console by itself.
  const refused = page.wrong.filter((text) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET/.test(text));
  assert.deepEqual(refused, []);
  await service.again();
  await live(page);
  const drawn = () => page.locator('.tile[data-kpi="aht"] .trend').getAttribute("d");
  await until("the past hours", async () => (await drawn()).match(/[ML]/g).length > 200);
  assert.equal(await page.evaluate(() => globalThis.sameDocument), true);
  await page.context().close();
});

test("dark, on the phone, on the wall, with less motion", async () => {
  const dark = await open(service.origin, { colorScheme: "dark", reducedMotion: "reduce" });
  const style = (page, name) => page.evaluate((property) => {
    return getComputedStyle(document.querySelector(".tile"))[property];
  }, name);
  assert.equal(await style(dark, "transitionDuration"), "0s");
  await shot(dark, "dark");
  await accessible(dark, "dark");
  nothingWrong(dark);
  await dark.context().close();

  const phone = await open(service.origin, { viewport: { width: 390, height: 844 }, hasTouch: true });
  const width = () => phone.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(await width(), 390, "nothing hangs over the edge");
  await shot(phone, "phone");
  await accessible(phone, "phone");
  nothingWrong(phone);
  await phone.context().close();

  const wall = await open(`${service.origin}/?kiosk`);
  const sizes = await wall.evaluate(() => {
    const size = (selector) => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize);
    return {
      number: size(".number"), title: size(".tile h3"), words: size(".badge"),
      overflow: document.documentElement.scrollHeight - innerHeight,
      controls: document.querySelector(".controls").checkVisibility(),
    };
  });
  // On a 55 inch screen a pixel is 0.63 mm; letters of 1/200 of the distance can be read.
  assert.ok(sizes.number >= 110 && sizes.title >= 27 && sizes.words >= 24, JSON.stringify(sizes));
  assert.ok(sizes.overflow <= 0, "the wall does not scroll");
  assert.equal(sizes.controls, false);
  await shot(wall, "kiosk");
  await accessible(wall, "kiosk");
  nothingWrong(wall);
  await wall.context().close();
});

/** What the color-blind see of a color (Machado, Oliveira and Fernandes 2009), on linear RGB. */
const BLINDNESS = {
  protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  tritanopia: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};

/** CIE Lab of a linear RGB color. */
function lab([red, green, blue]) {
  const f = (value) => (value > 216 / 24389 ? Math.cbrt(value) : (24389 / 27 * value + 16) / 116);
  const x = f((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
  const y = f(0.2126 * red + 0.7152 * green + 0.0722 * blue);
  const z = f((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

test("states are told apart by the color-blind, and without color", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(service.origin, { colorScheme });
    const colors = await page.evaluate(() => {
      const style = getComputedStyle(document.documentElement);
      return ["good", "near", "bad"].map((name) => style.getPropertyValue(`--${name}`).trim());
    });
    const linear = colors.map((color) => [1, 3, 5].map((place) => {
      const part = parseInt(color.slice(place, place + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    }));
    for (const [name, matrix] of Object.entries(BLINDNESS)) {
      const seen = linear.map((color) => lab([0, 3, 6].map((row) => {
        const mixed = color.reduce((sum, part, place) => sum + part * matrix[row + place], 0);
        return Math.min(1, Math.max(0, mixed));
      })));
      for (const [one, other] of [[0, 1], [0, 2], [1, 2]]) {
        const distance = Math.hypot(...seen[one].map((part, place) => part - seen[other][place]));
        // Two colors side by side differ visibly from about 2.3 on.
        assert.ok(distance > 10, `${colorScheme} ${name}: ${colors[one]} and ${colors[other]} are ${distance}`);
      }
    }
    const told = await page.evaluate(() => [...document.querySelectorAll(".tile")].map((tile) => {
      return `${tile.dataset.state} ${tile.querySelector(".sign").textContent} ${tile.querySelector(".words").textContent}`;
    }));
    const states = new Map(told.map((text) => [text.split(" ")[0], text]));
    assert.equal(new Set(states.values()).size, states.size, "each state has a sign and words of its own");
    await page.context().close();
  }
});

test("nothing, little and half a history are told apart from zero", async () => {
  await broker.client.createStream("NEW", ["new.>"]);
  const small = await Service.start(broker, "NEW", CONFIG);
  const few = new Center(broker.client, "NEW", ["only"]);
  try {
    const page = await open(`${small.origin}/?window=1h`);
    const state = (kpi) => page.locator(`.tile[data-kpi="${kpi}"]`).first().getAttribute("data-state");
    await until("no data", async () => (await state("aht")) === "none");
    assert.match(await page.locator('.tile[data-kpi="aht"]').innerText(), /no data/);
    assert.equal(await page.locator('.tile[data-kpi="aht"] .number').innerText(), "–");
    for (let one = 0; one < 20; one += 1) few.contact(Date.now() - 1000);
    await until("too few answers", async () => (await state("aht")) === "few");
    assert.match(await page.locator('.tile[data-kpi="aht"]').innerText(), /too few answers/);
    assert.equal(await page.locator('.tile[data-kpi="aht"] .history-mark').isVisible(), true);
    for (let one = 0; one < 60; one += 1) few.contact(Date.now() - 1000);
    // Nobody gave up on purpose: a real zero has a value.
    await until("a judgement", async () => ["good", "near", "bad"].includes(await state("abandonment")));
    assert.match(await page.locator('.tile[data-kpi="aht"]').innerText(), /history incomplete/);
    await accessible(page, "little data");
    nothingWrong(page);
    await page.context().close();
  } finally {
    await small.kill();
  }
});

test("hostile names are text; 500 queues are no burden", async () => {
  await broker.client.createStream("BIG", ["big.>"]);
  const queues = [...HOSTILE, ...Array.from({ length: 500 - HOSTILE.length }, (_, place) => `queue ${place}`)];
  const crowd = new Center(broker.client, "BIG", queues);
  const now = Date.now();
  for (let round = 0; round < 16; round += 1) {
    for (const queue of queues) crowd.contact(now - 50 * MINUTE + round * 3 * MINUTE, queue);
    await crowd.client.flush();
  }
  const big = await Service.start(broker, "BIG", CONFIG);
  const flow = crowd.live(40);
  try {
    const page = await open(`${big.origin}/?window=1h`);
    await page.waitForFunction(() => /of 500$/.test(document.querySelector("#page-note").textContent));
    const tasks = await cpuOfTasks(page, 8_000);
    assert.ok(tasks.length > 20, `${tasks.length} tasks`);
    const longest = Math.max(...tasks);
    console.log(`500 queues: ${tasks.length} tasks of over 1 ms, the longest ${longest.toFixed(1)} ms`);
    assert.ok(longest < 50, `a task of ${longest} ms`);
    const nodes = () => page.evaluate(() => document.querySelectorAll("*").length);
    const first = await nodes();
    assert.ok(first < 1500, `${first} elements`);
    await page.getByRole("button", { name: "Next" }).click();
    assert.equal(await nodes(), first);

    for (const name of HOSTILE) {
      await page.getByLabel("Find").fill(name);
      const found = page.locator("#rows .queue bdi").first();
      await until(`the queue ${name.slice(0, 20)}`, async () => (await found.textContent()) === name);
      await found.click();
      await page.waitForFunction((queue) => {
        return document.querySelector("#scope bdi")?.textContent === queue;
      }, name);
      await live(page);
      assert.notEqual(await page.locator('.tile[data-kpi="aht"]').getAttribute("data-value"), "");
      if (name.length > 200 || name.startsWith("<img")) await accessible(page, "a hostile queue");
      await page.getByRole("button", { name: "All queues" }).click();
      await page.waitForSelector("#queues:not([hidden])");
    }
    assert.equal(await page.locator("img, #rows script, bdi script").count(), 0);
    assert.equal(await page.title(), "cxpulse");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 1920);
    nothingWrong(page);
    await page.context().close();
  } finally {
    flow.stop();
    await big.kill();
  }
});

/** Processor time of the tasks of the page's main thread, milliseconds; those of over 1 ms. */
async function cpuOfTasks(page, durationMs) {
  const session = await page.context().newCDPSession(page);
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  const categories = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"];
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: categories },
  });
  await page.waitForTimeout(durationMs);
  await session.send("Tracing.end");
  await complete;
  const named = (name) => events.filter((event) => event.name === name);
  const busiest = new Map();
  const threads = new Set(named("thread_name")
    .filter((event) => event.args.name === "CrRendererMain")
    .map((event) => `${event.pid} ${event.tid}`));
  for (const event of events) {
    const thread = `${event.pid} ${event.tid}`;
    if (event.ph !== "X" || !threads.has(thread) || !/RunTask$/.test(event.name)) continue;
    const spent = (event.tdur ?? event.dur ?? 0) / 1000;
    if (spent > 1) busiest.set(thread, [...(busiest.get(thread) ?? []), spent]);
  }
  const sum = (times) => times.reduce((total, time) => total + time, 0);
  return [...busiest.values()].sort((left, right) => sum(right) - sum(left))[0] ?? [];
}

test("a token is asked for, sent, and taken out of the address", async () => {
  await broker.client.createStream("SAFE", ["safe.>"]);
  const safe = await Service.start(broker, "SAFE", `auth = { bearer_token = "s3cret" }\n${CONFIG}`);
  try {
    const page = await open(safe.origin, {}, { quiet: true });
    await page.waitForSelector("#entry:not([hidden])");
    await accessible(page, "the question for a token");
    await page.getByRole("textbox", { name: "Token" }).fill("wrong");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /did not take/.test(document.querySelector("#entry-note").textContent));
    await page.getByRole("textbox", { name: "Token" }).fill("s3cret");
    await page.keyboard.press("Enter");
    await live(page);
    const other = page.wrong.filter((text) => !text.includes("401"));
    assert.deepEqual(other, []);
    await page.context().close();

    const wall = await open(`${safe.origin}/?kiosk#token=s3cret`);
    assert.equal(await wall.evaluate(() => location.hash), "");
    nothingWrong(wall);
    await wall.context().close();
  } finally {
    await safe.kill();
  }
});

test("screenshots are complete", { skip: !SHOTS }, () => {
  const names = ["overview", "queue", "incident", "stale", "dark", "phone", "kiosk"];
  for (const name of names) assert.ok(fs.statSync(`${SHOTS}/${name}.png`).size > 10_000, name);
});
