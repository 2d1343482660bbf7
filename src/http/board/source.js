// The event stream, read with fetch so that a token can be sent, and made anew for as long as the
// page is open. No figures are kept here.

/** Without a byte for so long the connection is taken for dead. */
const SILENCE_MS = 5000;
/** Longest pause before another try. */
const LONGEST_PAUSE_MS = 3000;

const TOKEN = "cxpulse-token";

/** The token: what stands behind # in the address once, then what this browser keeps. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    keepToken(given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return read(TOKEN);
}

export function keepToken(token) {
  keep(TOKEN, token);
}

/** What this browser keeps; nothing where it may keep nothing. */
export function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A browser that keeps nothing asks again after a reload.
  }
}

function headers() {
  const token = read(TOKEN);
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** A JSON document of the API; throws an error with `status` when it is refused. */
export async function get(path) {
  const response = await fetch(path, { headers: headers(), cache: "no-store" });
  if (!response.ok) throw refused(response.status);
  return response.json();
}

function refused(status) {
  return Object.assign(new Error(`the server answered ${status}`), { status });
}

/**
 * Reads `path` until `stop()` is called on what it returns. `events` has a function per event name,
 * which gets the parsed data; `connected()` and `lost(error)` tell of the connection.
 */
export function follow(path, events, silenceMs = SILENCE_MS) {
  let stopped = false;
  let current = null;
  let failures = 0;

  async function once() {
    current = new AbortController();
    let watchdog = 0;
    const heard = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => current.abort(), silenceMs);
    };
    try {
      heard();
      const options = { headers: headers(), cache: "no-store", signal: current.signal };
      const response = await fetch(path, options);
      if (!response.ok) throw refused(response.status);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      await readAll(reader, heard);
      throw new Error("the server ended the stream");
    } finally {
      clearTimeout(watchdog);
      current.abort();
    }
  }

  async function readAll(reader, heard) {
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || stopped) return;
      heard();
      const from = Math.max(0, text.length - 1);
      text += value;
      let start = 0;
      let end = text.indexOf("\n\n", from);
      while (end >= 0) {
        if (failures !== 0) failures = 0;
        await dispatch(text.slice(start, end));
        start = end + 2;
        end = text.indexOf("\n\n", start);
      }
      if (start > 0) text = text.slice(start);
    }
  }

  async function dispatch(event) {
    let name = "message";
    const data = [];
    for (const line of event.split("\n")) {
      if (line.startsWith("data: ")) data.push(line.slice(6));
      else if (line.startsWith("event: ")) name = line.slice(7);
    }
    const handle = events[name];
    if (!handle || data.length === 0) return;
    const parsed = JSON.parse(data.join("\n"));
    // What is shown is worked on apart from what is read, so that neither holds the page up.
    await breathe();
    if (!stopped) await handle(parsed);
  }

  async function run() {
    while (!stopped) {
      try {
        await once();
      } catch (error) {
        if (stopped) return;
        failures += 1;
        events.lost(error);
      }
      const pause = Math.min(LONGEST_PAUSE_MS, 250 * 2 ** Math.min(failures, 4));
      await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
    }
  }

  run();
  return {
    stop() {
      stopped = true;
      current?.abort();
    },
  };
}

/** Lets the browser paint and answer before going on. */
export function breathe() {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(null);
  });
}
