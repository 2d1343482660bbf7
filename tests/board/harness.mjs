// What the browser tests run against: a real NATS server, the real binary, and a contact center
// whose traffic is made here. Everything listens on free ports of this machine and ends with it.

import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const required = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run this by: cargo test --test servers wallboard`);
  return value;
};

const tools = createRequire(path.join(required("CXPULSE_NODE_MODULES"), "x.js"));
export const { chromium } = tools("playwright-core");
export const AXE = fs.readFileSync(tools.resolve("axe-core/axe.min.js"), "utf8");

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** Waits until `wanted` gives something true, and gives that. */
export async function until(what, wanted, withinMs = 60_000) {
  const end = performance.now() + withinMs;
  let problem = "";
  while (performance.now() < end) {
    try {
      const found = await wanted();
      if (found) return found;
    } catch (error) {
      problem = `: ${error.message}`;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no ${what} within ${withinMs / 1000} s${problem}`);
}

/** A port that nobody listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export function folder() {
  return fs.mkdtempSync(path.join(os.tmpdir(), "cxpulse-board-"));
}

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

function start(name, program, args, log) {
  const out = fs.openSync(log, "a");
  const child = spawn(program, args, { stdio: ["ignore", out, out] });
  children.add(child);
  child.ended = new Promise((resolve) => child.on("exit", (code, signal) => {
    children.delete(child);
    resolve(code ?? signal);
  }));
  return child;
}

/** A real nats-server with JetStream. */
export class Broker {
  static async start() {
    const broker = new Broker();
    broker.port = await freePort();
    broker.folder = folder();
    await broker.again();
    return broker;
  }

  get url() {
    return `nats://127.0.0.1:${this.port}`;
  }

  async again() {
    const args = ["-a", "127.0.0.1", "-p", String(this.port), "-js", "-sd", this.folder];
    this.child = start("nats", required("CXPULSE_NATS_SERVER"), args, `${this.folder}/log`);
    this.client = await until("answer of nats-server", () => Client.connect(this.port));
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.child.ended;
  }
}

/** A client that can publish and ask, no more. */
class Client {
  static connect(port) {
    return new Promise((resolve, reject) => {
      const client = new Client();
      client.socket = net.connect(port, "127.0.0.1");
      client.socket.on("error", reject);
      client.socket.on("data", (data) => client.read(data));
      client.text = "";
      client.pongs = [];
      client.answers = [];
      client.socket.write('CONNECT {"verbose":false,"pedantic":false,"lang":"test"}\r\nSUB _INBOX.test 1\r\n');
      client.flush().then(() => resolve(client), reject);
    });
  }

  read(data) {
    this.text += data.toString("latin1");
    if (this.text.includes("PING\r\n")) this.socket.write("PONG\r\n");
    for (const _ of this.text.matchAll(/^PONG\r\n/gm)) this.pongs.shift()?.();
    for (const found of this.text.matchAll(/^MSG _INBOX\.test 1 \d+\r\n(.*)\r\n/gm)) {
      this.answers.shift()?.(JSON.parse(found[1]));
    }
    this.text = this.text.endsWith("\r\n") ? "" : this.text;
  }

  flush() {
    return new Promise((resolve) => {
      this.pongs.push(resolve);
      this.socket.write("PING\r\n");
    });
  }

  publish(subject, payload) {
    const bytes = Buffer.from(payload);
    this.socket.write(`PUB ${subject} ${bytes.length}\r\n`);
    this.socket.write(bytes);
    this.socket.write("\r\n");
  }

  ask(subject, payload) {
    return new Promise((resolve) => {
      this.answers.push(resolve);
      const bytes = Buffer.from(payload);
      this.socket.write(`PUB ${subject} _INBOX.test ${bytes.length}\r\n${payload}\r\n`);
    });
  }

  createStream(name, subjects) {
    const config = { name, subjects, storage: "file", retention: "limits" };
    return this.ask(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(config));
  }
}

/** The built `cxpulse run`. */
export class Service {
  static async start(broker, stream, more) {
    const service = new Service();
    service.folder = folder();
    service.port = await freePort();
    const config = `[nats]
url = "${broker.url}"
[source]
stream = "${stream}"
subjects = ["${stream.toLowerCase()}.>"]
[events]
interaction_subject = "${stream.toLowerCase()}.i"
survey_subject = "${stream.toLowerCase()}.s"
[dead_letter]
subject = "rejected.${stream.toLowerCase()}"
create = true
[checkpoint]
dir = "${service.folder}/state"
[sinks.nats]
enabled = false
[http]
listen = "127.0.0.1:${service.port}"
${more}`;
    fs.writeFileSync(`${service.folder}/cxpulse.toml`, config);
    await service.again();
    return service;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  async again() {
    const args = ["run", "--config", `${this.folder}/cxpulse.toml`];
    this.child = start("cxpulse", required("CXPULSE_BINARY"), args, `${this.folder}/log`);
    const { child } = this;
    const ready = () => {
      if (child.exitCode !== null) return "ended";
      return this.status("/readyz").then((code) => code === 200 && "ready");
    };
    const outcome = await until("cxpulse that is ready", ready, 120_000).catch(String);
    if (outcome !== "ready") {
      throw new Error(`cxpulse: ${outcome}\n${fs.readFileSync(`${this.folder}/log`, "utf8")}`);
    }
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.child.ended;
  }

  status(path) {
    return new Promise((resolve, reject) => {
      http.get(`${this.origin}${path}`, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      }).on("error", reject);
    });
  }

  async get(path) {
    const answer = await fetch(this.origin + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
}

/** Chromium without any wish of its own for the network. */
export function browser() {
  return chromium.launch({
    executablePath: required("CXPULSE_CHROMIUM"),
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
      "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    ],
  });
}

/** Numbers that look random and are the same in each run. */
export function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The traffic of a contact center on one stream. */
export class Center {
  constructor(client, stream, queues, seed = 7) {
    this.client = client;
    this.subject = stream.toLowerCase();
    this.queues = queues;
    this.random = dice(seed);
    this.number = 0;
    this.slow = new Set();
    this.start = Date.now();
  }

  /** A contact that ended at `at`, and now and then what its customer said of it. */
  contact(at, queue = this.queues[Math.floor(this.random() * this.queues.length)]) {
    const { random } = this;
    this.number += 1;
    const id = `${this.subject}-${this.number}`;
    // Demand swings within hours, so that there is something to see in the lines; counted from the
    // start, so that what a test sees does not depend on the time of day at which it runs.
    const hours = (at - this.start) / HOUR;
    const swing = Math.sin(hours / 1.7) * 0.5 + Math.sin(hours / 0.6) * 0.3;
    const slow = this.slow.has(queue) ? 2.4 : 1;
    const channel = random() < 0.6 ? "voice" : random() < 0.6 ? "chat" : "email";
    const place = Math.max(0, this.queues.indexOf(queue));
    const wait = Math.max(0, random() * (18 + place % 4 * 5 + swing * 9)) * slow * (channel === "chat" ? 0.8 : 1);
    const abandoned = random() < 0.03 + Math.max(0, swing) * 0.05;
    const talk = (180 + (place * 37) % 160 + swing * 40) * (0.5 + random()) * slow;
    this.client.publish(`${this.subject}.i`, JSON.stringify({
      interaction_id: id,
      customer_id: `c${Math.floor(random() * 4000)}`,
      queue,
      channel,
      ended_at: Math.floor(at),
      wait_seconds: wait,
      abandoned,
      ...(abandoned ? {} : { talk_seconds: talk, wrap_seconds: 25, resolved: random() < 0.8 }),
    }));
    if (!abandoned && random() < 0.3) {
      const mood = random() - swing * 0.1 - (slow > 1 ? 0.3 : 0);
      this.client.publish(`${this.subject}.s`, JSON.stringify({
        survey_id: `s${id}`,
        interaction_id: id,
        submitted_at: Math.floor(at),
        csat: Math.min(5, Math.max(1, Math.round(2.6 + mood * 3.6))),
        nps: Math.min(10, Math.max(0, Math.round(4 + mood * 8))),
      }));
    }
  }

  /** Contacts at even distances from `from` to `to`. */
  async past(from, to, everyMs) {
    for (let at = from; at < to; at += everyMs) {
      this.contact(at);
      if (this.number % 500 === 0) await this.client.flush();
    }
    await this.client.flush();
  }

  /** Contacts as they come, until `stop()`. */
  live(perSecond) {
    const timer = setInterval(() => {
      const now = Date.now();
      for (let one = 0; one < perSecond / 5; one += 1) this.contact(now - 5);
    }, 200);
    return { stop: () => clearInterval(timer) };
  }
}
