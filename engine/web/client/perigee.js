// The client of a Perigee server. perigee.d.ts describes it.

const FINAL = [1000, 1002, 1003, 1007, 1008, 1009, 1010];

export class AskError extends Error {
  constructor(exception, message = exception, code) {
    super(message);
    Object.assign(this, { name: "AskError", exception, code });
  }
}

export function retryDelay(code, failures) {
  const random = Math.random();
  if (code === 1001 || code === 1012) return 1000 + 4000 * random;
  if (code === 4429) return 30_000 + 5000 * random;
  if (FINAL.includes(code) || (code >= 3000 && code !== 4408)) return undefined;
  return Math.min(30_000, 1000 * 2 ** failures) * (0.5 + random / 2);
}

function call(functions, argument) {
  for (const fn of [...(functions ?? [])]) {
    try {
      fn(argument);
    } catch (error) {
      setTimeout(() => {
        throw error;
      });
    }
  }
}

export function connect({
  url = ".",
  protocols = [],
  resume = true,
  queue = 64,
  timeout: patience = 10_000,
  retry = retryDelay,
  WebSocket = globalThis.WebSocket,
} = {}) {
  const address = new URL(url, globalThis.location?.href);
  address.protocol = address.protocol.replace("http", "ws");
  const page = Math.random().toString(36).slice(2, 10); // ids differ after F5
  const handlers = new Map(); // by name; of states: undefined
  const asks = new Map();
  const subscriptions = new Set();
  let link = { state: "closed" };
  let socket, timer;
  let failures = 0;
  let count = 0;
  let waiting = []; // messages to send
  let sent = []; // messages that may not be handled yet
  let before = 0; // number of messages before sent
  let token;
  let received; // number of messages; "-" after another page
  let resumable = false; // the server is
  let plain = false; // this attempt does not offer to resume
  let held = false; // a new connection waits for its first message

  // Takes the token of the page before, or of one that the browser has gone back from.
  function takeToken() {
    try {
      const other = sessionStorage[address];
      delete sessionStorage[address];
      if (!other || other === token) return;
      token = other;
      received = "-";
      sent = [];
    } catch {} // there is none
  }

  function on(name, fn) {
    const functions = handlers.get(name) ?? new Set();
    handlers.set(name, functions.add(fn));
    return () => functions.delete(fn);
  }

  function change(to) {
    link = to;
    call(handlers.get(), link);
  }

  const tooMany = (list) => list.length > queue || list.map(({ text }) => text).join("").length > 2 ** 18;

  const topics = () => new Set(Array.from(subscriptions, ({ topic }) => topic));

  function compose(name, fields, topic) {
    if (fields?.id ?? fields?.name) throw new TypeError("a message has its own id and name");
    const id = `${page}-${++count}`;
    return { id, topic, text: JSON.stringify({ ...fields, id, name }) };
  }

  function write(message) {
    sent.push(message);
    while (tooMany(sent)) {
      sent.shift();
      before++;
    }
    socket.send(message.text);
  }

  function flush() {
    clearTimeout(timer);
    held = false;
    while (waiting.length) write(waiting.shift());
  }

  function submit(message) {
    if (link.state === "closed") return false;
    if (link.state === "open" && !held) write(message);
    else if (tooMany([...waiting, message])) return false;
    else waiting.push(message);
    return true;
  }

  function lose(exception) {
    for (const { message, reject } of asks.values()) {
      if (!waiting.includes(message)) reject(new AskError(exception));
    }
  }

  function ask(name, fields, { timeout = patience, signal } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const message = compose(name, fields);
      if (!submit(message)) throw new AskError("NotSent");
      const end = (settle) => (value) => {
        clearTimeout(late);
        signal?.removeEventListener("abort", abort);
        asks.delete(message.id);
        waiting = waiting.filter((other) => other !== message);
        settle(value);
      };
      const asked = { message, resolve: end(resolve), reject: end(reject) };
      const abort = () => asked.reject(signal.reason);
      const late = timeout && setTimeout(() => asked.reject(new AskError("Timeout")), timeout);
      signal?.addEventListener("abort", abort);
      asks.set(message.id, asked);
    });
  }

  function heard({ data }) {
    const message = JSON.parse(data);
    const { name, previous } = message;
    const failed = name === "MessageException";
    if (link.state === "connecting" && !failed) {
      opened(message.token && message);
      if (message.token) return;
    }
    if (link.state === "open") received++;
    if (!failed) failures = 0;
    const prompt = name === "PromptForAuthentication";
    const asked = asks.get(previous?.id ?? previous);
    if (asked) {
      if (prompt || failed) asked.reject(new AskError(message.exception ?? name, message.message, message.code));
      else asked.resolve(message);
      if (!prompt) return; // a page asks for it in one place
    }
    held = false;
    call(handlers.get(name), message);
    call(handlers.get("*"), message);
    if (link.state === "open") flush();
  }

  function opened({ token: next, from, taken = 0, complete } = {}) {
    const back = from >= 0;
    token = next;
    received = back ? from : 1;
    resumable ||= !!token;
    if (back) {
      waiting.unshift(...sent.slice(Math.max(0, taken - before)));
    } else {
      waiting = waiting.filter(({ topic }) => !topic);
      for (const topic of topics()) waiting.unshift(compose("Subscribe", { topic }, topic));
    }
    sent = [];
    before = taken;
    if (!complete) lose("Lost");
    if (back) flush();
    change({ state: "open", complete, resumable: !!token });
    held = !back;
    if (held) timer = setTimeout(flush, 1000);
  }

  function drop(code = 1000) {
    clearTimeout(timer);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close(code);
  }

  function end(code, reason) {
    drop();
    token = undefined;
    waiting = [];
    lose("Closed");
    change({ state: "closed", code, reason });
  }

  function closed({ code = 1006, reason = "" } = {}) {
    // Browsers refuse servers that ignore the offer: one attempt goes without.
    plain = resume && !resumable && !plain && code === 1006;
    if (plain) return begin();
    const delay = retry(code, failures++);
    if (delay === undefined) return end(code, reason);
    drop();
    if (!token) lose("Lost");
    timer = setTimeout(begin, delay);
    change({ state: "waiting", code, reason, retryAt: Date.now() + delay });
  }

  function begin() {
    drop();
    takeToken();
    const offer = resume && !plain ? ["perigee.v1"] : [];
    if (offer[0] && token) offer.push(`perigee.resume.${token}.${received}`);
    socket = new WebSocket(address, [...offer, ...protocols]);
    timer = setTimeout(closed, 10_000);
    socket.onopen = () => {
      clearTimeout(timer);
      if (socket.protocol !== offer[0]) opened();
    };
    socket.onmessage = heard;
    socket.onerror = socket.onclose = closed; // Node 20 has no second one
    change({ state: "connecting" });
  }

  const hasten = () => link.state === "waiting" && link.code !== 4429 && begin();
  const listen = (event, fn) => globalThis.addEventListener?.(event, fn);
  listen("online", hasten);
  listen("visibilitychange", () => document.hidden || hasten());
  listen("pagehide", ({ persisted }) => {
    if (!token) return;
    try {
      sessionStorage[address] = token;
    } catch {}
    if (persisted) drop(4410); // browsers say less
  });
  listen("pageshow", ({ persisted }) => persisted && token && closed());
  begin();

  return {
    get state() {
      return link.state;
    },
    send: (name, fields) => submit(compose(name, fields)),
    ask,
    on,
    onState(fn) {
      call([fn], link);
      return on(undefined, fn);
    },
    subscribe(topic) {
      const mine = { topic };
      if (!topics().has(topic)) submit(compose("Subscribe", mine, topic));
      subscriptions.add(mine);
      return () => subscriptions.delete(mine) && !topics().has(topic) && submit(compose("Unsubscribe", mine, topic));
    },
    open: () => (link.state === "waiting" || link.state === "closed") && begin(),
    close: () => link.state === "closed" || end(1000, ""),
  };
}
