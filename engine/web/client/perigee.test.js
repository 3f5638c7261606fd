// Tests of the client with a WebSocket that the tests play, and a clock that they move: node --test

import assert from "node:assert/strict";
import { beforeEach, describe, it, mock } from "node:test";
import { AskError, connect, retryDelay } from "./perigee.js";

const TOKEN = "t".repeat(43);
let sockets; // all that were opened
let page; // what window tells its listeners
let storage;

class FakeSocket {
  constructor(url, offer) {
    Object.assign(this, { url: String(url), offer, sent: [], protocol: "" });
    sockets.push(this);
  }
  send(text) {
    assert.ok(this.isOpen, "sent on a socket that is not open");
    this.sent.push(JSON.parse(text));
  }
  close(code) {
    this.closedWith ??= code;
  }
  // The rest is what the server does.
  open(protocol = "") {
    Object.assign(this, { isOpen: true, protocol });
    this.onopen?.();
  }
  hello(token = TOKEN) {
    this.open("perigee.v1");
    this.says("ConnectionResumable", { token, window: 60 });
  }
  resumable(token) {
    this.hello(token);
    this.says("ConnectionEstablished");
  }
  resumed(fields) {
    this.open("perigee.v1");
    this.says("ConnectionResumed", { token: TOKEN, window: 60, ...fields });
  }
  says(name, fields) {
    this.onmessage?.({ data: JSON.stringify({ ...fields, id: "an id", name, timestamp: 1 }) });
  }
  ends(code, reason = "") {
    this.isOpen = false;
    this.onclose?.({ code, reason });
  }
}

const last = () => sockets.at(-1);
const names = (socket) => socket.sent.map(({ name }) => name);

// Connects with the fake, and opens its first socket.
function opened(options) {
  const server = connect({ url: "ws://server/", WebSocket: FakeSocket, ...options });
  last().resumable();
  return server;
}

// Has the server go on where the last socket stopped.
function comesBack(fields, after = 5000) {
  last().ends(1006);
  mock.timers.tick(after);
  last().resumed({ complete: true, from: 1, taken: 0, ...fields });
}

const rejection = (promise) => promise.then(assert.fail, (error) => error);

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  sockets = [];
  storage = {};
  page = new EventTarget();
  globalThis.sessionStorage = storage;
  globalThis.document = { hidden: false };
  globalThis.addEventListener = page.addEventListener.bind(page);
  delete globalThis.location;
});

describe("the address", () => {
  it("is beside the page", () => {
    globalThis.location = new URL("https://example.com/live/page.html?a#b");
    connect({ WebSocket: FakeSocket });
    connect({ url: "/ws", WebSocket: FakeSocket });
    connect({ url: "http://127.0.0.1:8080/", WebSocket: FakeSocket });
    assert.deepEqual(
      sockets.map(({ url }) => url),
      ["wss://example.com/live/", "wss://example.com/ws", "ws://127.0.0.1:8080/"],
    );
  });
});

describe("messages", () => {
  it("are sent in order, also those that waited for the connection", () => {
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket });
    assert.equal(server.send("A", { a: 1 }), true);
    server.send("B");
    last().resumable();
    server.send("C");
    assert.deepEqual(names(last()), ["A", "B", "C"]);
    assert.equal(last().sent[0].a, 1);
    assert.equal(new Set(last().sent.map(({ id }) => id)).size, 3);
  });

  it("wait until the page has said to a new connection who it is", () => {
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket });
    server.onState(({ state, complete }) => state === "open" && complete === undefined && server.send("First"));
    server.on("ConnectionEstablished", () => server.send("Second"));
    for (const ends of [() => {}, () => last().ends(1006)]) {
      ends();
      server.send("A");
      server.subscribe("news");
      mock.timers.tick(1000);
      last().hello();
      server.send("B");
      assert.deepEqual(names(last()), ["First"]);
      last().says("ConnectionEstablished");
      server.send("C");
      assert.deepEqual(names(last()), ["First", "Second", "Subscribe", "A", "B", "C"]);
    }
  });

  it("wait at most a second for a new connection on which nothing is said", () => {
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket });
    server.send("A");
    last().hello();
    mock.timers.tick(999);
    assert.deepEqual(names(last()), []);
    mock.timers.tick(1);
    server.send("B");
    assert.deepEqual(names(last()), ["A", "B"]);
  });

  it("wait up to a limit of number and size", () => {
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket, queue: 2 });
    assert.deepEqual([server.send("A"), server.send("B"), server.send("C")], [true, true, false]);
    const other = connect({ url: "ws://server/", WebSocket: FakeSocket });
    assert.equal(other.send("A", { text: "x".repeat(2 ** 18) }), false);
  });

  it("cannot have fields that the envelope would replace", () => {
    const server = opened();
    assert.throws(() => server.send("A", { name: "Mug" }), TypeError);
    assert.throws(() => server.send("A", { id: 7 }), TypeError);
    assert.equal(server.send("A", { id: undefined }), true);
  });

  it("reach the functions of their name, and those of every name, until these are taken away", () => {
    const server = opened();
    const heard = [];
    const off = server.on("A", ({ n }) => heard.push(`A${n}`));
    server.on("*", ({ name, n }) => heard.push(`*${name}${n}`));
    last().says("A", { n: 1 });
    off();
    last().says("A", { n: 2 });
    last().says("B", { n: 3 });
    assert.deepEqual(heard, ["A1", "*A1", "*A2", "*B3"]);
  });

  it("reach the other functions if one fails, and the error is reported", () => {
    const server = opened();
    const heard = [];
    server.on("A", () => {
      throw new Error("mine");
    });
    server.on("A", () => heard.push("A"));
    last().says("A");
    assert.deepEqual(heard, ["A"]);
    assert.throws(() => mock.timers.tick(1), /mine/);
  });
});

describe("ask", () => {
  it("returns the answer to its own message, which others do not hear", async () => {
    const server = opened();
    const heard = [];
    server.on("*", ({ name }) => heard.push(name));
    const first = server.ask("Ask", { n: 1 });
    const second = server.ask("Ask", { n: 2 });
    const [one, two] = last().sent;
    last().says("Answer", { n: 2, previous: two.id });
    last().says("Answer", { n: 0, previous: "another" });
    last().says("Answer", { n: 1, previous: one.id });
    assert.equal((await first).n, 1);
    assert.equal((await second).n, 2);
    assert.deepEqual(heard, ["Answer"]);
  });

  it("is rejected by an exception, and by a prompt, of which others hear too", async () => {
    const server = opened();
    const heard = [];
    server.on("*", ({ name }) => heard.push(name));
    const failed = rejection(server.ask("Ask"));
    const refused = rejection(server.ask("Admin"));
    const [one, two] = last().sent;
    last().says("MessageException", { exception: "NoItem", message: "None.", code: 404, previous: one.id });
    last().says("PromptForAuthentication", { message: "Who?", code: 401, previous: two });
    assert.deepEqual({ ...(await failed) }, { name: "AskError", exception: "NoItem", code: 404 });
    assert.equal((await failed).message, "None.");
    assert.ok((await failed) instanceof AskError);
    assert.equal((await refused).exception, "PromptForAuthentication");
    assert.equal((await refused).code, 401);
    assert.deepEqual(heard, ["PromptForAuthentication"]);
  });

  it("gives up after its time, and is not sent after that", async () => {
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket, timeout: 100 });
    const late = rejection(server.ask("Late"));
    const patient = server.ask("Patient", {}, { timeout: 0 });
    mock.timers.tick(100);
    assert.equal((await late).exception, "Timeout");
    last().resumable();
    assert.deepEqual(names(last()), ["Patient"]);
    last().says("Answer", { previous: last().sent[0].id });
    assert.equal((await patient).name, "Answer");
  });

  it("gives up when it is aborted", async () => {
    const server = opened();
    const controller = new AbortController();
    const aborted = rejection(server.ask("Ask", {}, { signal: controller.signal }));
    controller.abort(new Error("enough"));
    assert.equal((await aborted).message, "enough");
    assert.equal((await rejection(server.ask("Again", {}, { signal: controller.signal }))).message, "enough");
    assert.deepEqual(names(last()), ["Ask"]);
  });

  it("is rejected if its message cannot even wait", async () => {
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket, queue: 0 });
    assert.equal((await rejection(server.ask("Ask"))).exception, "NotSent");
  });

  it("is lost with a connection that cannot be resumed, unless its message still waits", async () => {
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket, resume: false });
    last().open();
    last().says("ConnectionEstablished");
    const lost = rejection(server.ask("Lost"));
    last().ends(1006);
    const waits = server.ask("Waits");
    assert.equal((await lost).exception, "Lost");
    mock.timers.tick(5000);
    last().open();
    last().says("ConnectionEstablished");
    assert.deepEqual(names(last()), ["Waits"]);
    last().says("Answer", { previous: last().sent[0].id });
    assert.equal((await waits).name, "Answer");
  });
});

describe("a lost connection", () => {
  it("comes back after codes that are not final", () => {
    for (const code of [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000, 4401, 4403, 4404, 4409]) {
      assert.equal(retryDelay(code, 0), undefined, String(code));
    }
    for (const [code, failures, least, most] of [
      [1001, 0, 1000, 5000],
      [1012, 9, 1000, 5000],
      [1006, 0, 500, 1000],
      [1005, 1, 1000, 2000],
      [1011, 2, 2000, 4000],
      [1013, 3, 4000, 8000],
      [4408, 99, 15_000, 30_000],
      [4429, 0, 30_000, 35_000],
    ]) {
      for (let i = 0; i < 20; i++) {
        const delay = retryDelay(code, failures);
        assert.ok(delay >= least && delay <= most, `${code}: ${delay}`);
      }
    }
  });

  it("tells its states, and when it tries again", () => {
    const states = [];
    const server = opened({ retry: (code, failures) => (code === 1006 ? 1000 * (failures + 1) : undefined) });
    const off = server.onState((link) => states.push(link));
    last().ends(1006, "why");
    assert.equal(server.state, "waiting");
    mock.timers.tick(1000);
    last().ends(1006);
    mock.timers.tick(1999);
    assert.equal(sockets.length, 2);
    mock.timers.tick(1);
    assert.equal(sockets.length, 3);
    last().ends(1008, "bad request");
    const due = states[1].retryAt - Date.now();
    assert.ok(due <= 1000, `retryAt is in ${due} ms`);
    delete states[1].retryAt;
    delete states[3].retryAt;
    assert.deepEqual(states, [
      { state: "open", complete: undefined, resumable: true },
      { state: "waiting", code: 1006, reason: "why" },
      { state: "connecting" },
      { state: "waiting", code: 1006, reason: "" },
      { state: "connecting" },
      { state: "closed", code: 1008, reason: "bad request" },
    ]);
    off();
    server.open();
    assert.equal(states.length, 6);
    assert.equal(server.state, "connecting");
  });

  it("stays closed if the application refuses it as soon as it opens, and tries again if the server is busy", () => {
    const states = [];
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket });
    server.onState(({ state, code, reason }) => states.push([state, code, reason].filter(Boolean).join(" ")));
    last().open("perigee.v1");
    last().ends(1013, "busy");
    mock.timers.tick(1000);
    last().open("perigee.v1");
    last().ends(4403, "closed today");
    mock.timers.tick(60_000);
    assert.deepEqual(states, ["connecting", "waiting 1013 busy", "connecting", "closed 4403 closed today"]);
    assert.equal(sockets.length, 2);
  });

  it("waits longer after each failure, until the server has said something else than that it failed", () => {
    const failures = [];
    const server = connect({
      url: "ws://server/",
      WebSocket: FakeSocket,
      retry(code, count) {
        failures.push(count);
        return 1;
      },
    });
    for (const hello of ["MessageException", "MessageException", "Welcome"]) {
      last().hello();
      last().says(hello);
      last().ends(1013);
      mock.timers.tick(1);
    }
    assert.deepEqual(failures, [0, 1, 0]);
    server.close();
  });

  it("comes back if the program only tells of an error, and once if it tells of the close too", () => {
    opened();
    const [first] = sockets;
    first.onerror();
    first.ends(1006);
    mock.timers.tick(1000);
    assert.equal(sockets.length, 2);
  });

  it("is given up if it takes ten seconds", () => {
    opened();
    last().ends(1006);
    mock.timers.tick(1000);
    mock.timers.tick(10_000);
    assert.equal(sockets[1].closedWith, 1000);
    mock.timers.tick(2000);
    assert.equal(sockets.length, 3);
  });

  it("comes back at once when the network or the page does, except if it sent too much", () => {
    for (const event of ["online", "visibilitychange"]) {
      opened();
      const before = sockets.length;
      last().ends(1006);
      page.dispatchEvent(new Event(event));
      page.dispatchEvent(new Event(event));
      assert.equal(sockets.length, before + 1, event);
      last().resumable();
      last().ends(4429);
      page.dispatchEvent(new Event(event));
      assert.equal(sockets.length, before + 1, event);
      page = new EventTarget();
      globalThis.addEventListener = page.addEventListener.bind(page);
    }
    opened();
    last().ends(1006);
    document.hidden = true;
    const before = sockets.length;
    page.dispatchEvent(new Event("visibilitychange"));
    assert.equal(sockets.length, before);
  });

  it("stays closed after close, until open", async () => {
    const server = opened();
    const asked = rejection(server.ask("Ask"));
    server.close();
    server.close();
    assert.equal(last().closedWith, 1000);
    assert.equal((await asked).exception, "Closed");
    assert.equal(server.send("A"), false);
    mock.timers.tick(60_000);
    assert.equal(sockets.length, 1);
    server.open();
    assert.deepEqual(last().offer, ["perigee.v1"]);
    last().resumable();
    assert.deepEqual(names(last()), []);
    server.open();
    assert.equal(sockets.length, 2);
  });
});

describe("resuming", () => {
  it("offers the token and the number of messages that were received", () => {
    const server = opened({ protocols: ["chat"] });
    assert.deepEqual(last().offer, ["perigee.v1", "chat"]);
    last().says("News");
    comesBack({ token: "u", from: 3 });
    assert.deepEqual(last().offer, ["perigee.v1", `perigee.resume.${TOKEN}.3`, "chat"]);
    last().says("News");
    comesBack({ from: 4 });
    assert.deepEqual(last().offer, ["perigee.v1", "perigee.resume.u.4", "chat"]);
    assert.equal(server.state, "open");
  });

  it("sends again what the server has not taken, before what waited, and nothing else", () => {
    const server = opened();
    for (const name of ["A", "B", "C"]) server.send(name);
    const before = last().sent;
    last().ends(1006);
    server.send("D");
    comesBack({ taken: 1 });
    server.send("E");
    assert.deepEqual(names(last()), ["B", "C", "D", "E"]);
    assert.deepEqual(last().sent.slice(0, 2), before.slice(1));
    comesBack({ taken: 4 }); // B, C and D are 2, 3 and 4
    assert.deepEqual(names(last()), ["E"]);
    comesBack({ taken: 5 });
    assert.deepEqual(names(last()), []);
  });

  it("remembers only the last messages", () => {
    const server = opened({ queue: 2 });
    for (const name of ["A", "B", "C"]) server.send(name);
    comesBack({ taken: 0 });
    assert.deepEqual(names(last()), ["B", "C"]);
  });

  it("keeps an ask, if nothing was missed", async () => {
    const server = opened();
    const asked = server.ask("Ask");
    const [{ id }] = last().sent;
    comesBack({ taken: 1 });
    last().says("Answer", { previous: id });
    assert.equal((await asked).name, "Answer");
  });

  it("loses an ask whose answer may have been missed, and keeps one that is sent again", async () => {
    const server = opened();
    const lost = rejection(server.ask("Taken"));
    const asked = server.ask("NotTaken");
    comesBack({ complete: false, from: 9, taken: 1 });
    assert.equal((await lost).exception, "Lost");
    last().says("Answer", { previous: last().sent[0].id });
    assert.equal((await asked).name, "Answer");
    last().says("News");
    last().ends(1006);
    mock.timers.tick(5000);
    assert.deepEqual(last().offer, ["perigee.v1", `perigee.resume.${TOKEN}.11`]);
  });

  it("sends nothing again if the connection is new, except subscriptions", async () => {
    const server = opened();
    const states = [];
    server.onState(({ state, complete }) => {
      states.push([state, complete]);
      if (state === "open" && states.length > 1) server.send("Join");
    });
    server.subscribe("tea");
    const lost = rejection(server.ask("Ask"));
    last().ends(1006);
    server.send("Waits");
    mock.timers.tick(5000);
    last().resumable();
    assert.equal((await lost).exception, "Lost");
    assert.deepEqual(names(last()), ["Join", "Subscribe", "Waits"]);
    assert.deepEqual(states.at(-1), ["open", undefined]);
  });

  it("begins with what was not taken, before a page that hears of it sends anything", () => {
    const server = opened();
    server.send("A");
    last().ends(1006);
    server.send("B");
    server.onState(({ state }) => state === "open" && server.send("C"));
    comesBack();
    assert.deepEqual(names(last()), ["A", "B", "C"]);
  });

  it("does not count what comes before the connection stands", () => {
    opened();
    last().ends(1013);
    mock.timers.tick(5000);
    last().open("perigee.v1");
    last().says("MessageException", { exception: "TooManyConnections" });
    last().ends(1013);
    mock.timers.tick(5000);
    assert.deepEqual(last().offer, ["perigee.v1", `perigee.resume.${TOKEN}.2`]);
  });

  it("hands the token to the next page, and keeps it out of the storage meanwhile", () => {
    opened();
    assert.deepEqual(storage, {});
    page.dispatchEvent(new Event("pagehide"));
    assert.deepEqual(storage, { "ws://server/": TOKEN });
    const states = [];
    const next = connect({ url: "ws://server/", WebSocket: FakeSocket });
    assert.deepEqual(storage, {});
    assert.deepEqual(last().offer, ["perigee.v1", `perigee.resume.${TOKEN}.-`]);
    next.onState(({ state, complete }) => states.push([state, complete]));
    next.subscribe("tea");
    last().resumed({ complete: false, from: 20, taken: 7 });
    assert.deepEqual(names(last()), ["Subscribe"]);
    assert.deepEqual(states, [["connecting", undefined], ["open", false]]);
    comesBack({ from: 20, taken: 7 });
    assert.deepEqual(last().offer, ["perigee.v1", `perigee.resume.${TOKEN}.20`]);
    assert.deepEqual(names(last()), ["Subscribe"]);
  });

  it("says that it leaves a page which the browser keeps, and comes back when that is shown again", () => {
    const server = opened();
    const left = last();
    page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
    assert.equal(left.closedWith, 4410);
    assert.deepEqual(storage, { "ws://server/": TOKEN });
    page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    assert.equal(server.state, "waiting");
    mock.timers.tick(1000);
    assert.deepEqual(storage, {});
    assert.deepEqual(last().offer, ["perigee.v1", `perigee.resume.${TOKEN}.2`]);
  });

  it("leaves a closed connection closed when the browser shows a page again", () => {
    const server = opened();
    server.close();
    page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
    page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    mock.timers.tick(60_000);
    assert.equal(server.state, "closed");
    assert.equal(sockets.length, 1);
    assert.deepEqual(storage, {});
  });

  it("takes the token of a later page from which the browser goes back to this one", () => {
    const server = opened();
    server.send("A");
    page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
    page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    storage["ws://server/"] = "later"; // a page may be hidden only after another is shown
    mock.timers.tick(1000);
    assert.deepEqual(storage, {});
    assert.deepEqual(last().offer, ["perigee.v1", "perigee.resume.later.-"]);
    last().resumed({ complete: false, from: 20, taken: 0 });
    assert.deepEqual(names(last()), [], "what the server has handled of two pages cannot be told apart");
  });

  it("works where nothing can be stored", () => {
    Object.defineProperty(globalThis, "sessionStorage", {
      configurable: true,
      get() {
        throw new Error("forbidden");
      },
    });
    opened();
    page.dispatchEvent(new Event("pagehide"));
    assert.equal(last().sent.length, 0);
    delete globalThis.sessionStorage;
  });

  it("is not tried again after a final close", () => {
    const server = opened();
    last().ends(4409, "taken over");
    page.dispatchEvent(new Event("pagehide"));
    assert.deepEqual(storage, {});
    server.open();
    assert.deepEqual(last().offer, ["perigee.v1"]);
  });
});

describe("a server that does not resume", () => {
  it("is connected to without the offer, at once", () => {
    const states = [];
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket });
    server.onState((link) => states.push(link));
    last().ends(1006);
    assert.equal(sockets.length, 2);
    assert.deepEqual(last().offer, []);
    last().open();
    assert.deepEqual(states.at(-1), { state: "open", complete: undefined, resumable: false });
    server.send("A");
    last().says("ConnectionEstablished");
    assert.deepEqual(names(last()), ["A"]);
    last().ends(1006);
    mock.timers.tick(5000);
    assert.deepEqual(last().offer, ["perigee.v1"]);
  });

  it("may take the offer up all the same: then it says something else first", () => {
    const states = [];
    const heard = [];
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket });
    server.onState(({ state, resumable }) => states.push([state, resumable]));
    server.on("*", ({ name }) => heard.push(name));
    server.send("A");
    last().open("perigee.v1");
    last().says("ConnectionEstablished");
    assert.deepEqual(states, [["connecting", undefined], ["open", false]]);
    assert.deepEqual(heard, ["ConnectionEstablished"]);
    assert.deepEqual(names(last()), ["A"]);
  });

  it("is not suspected if it could not be reached either, or has resumed once", () => {
    connect({ url: "ws://server/", WebSocket: FakeSocket });
    last().ends(1006);
    last().ends(1006);
    assert.equal(sockets.length, 2);
    mock.timers.tick(1000);
    assert.deepEqual(last().offer, ["perigee.v1"]);
    last().resumable();
    last().ends(1006);
    mock.timers.tick(2000);
    last().ends(1006);
    assert.equal(sockets.length, 4);
  });
});

describe("subscriptions", () => {
  it("are shared, and end with the last", () => {
    const server = opened();
    const leave = [server.subscribe("tea"), server.subscribe("tea"), server.subscribe("news")];
    assert.deepEqual(names(last()), ["Subscribe", "Subscribe"]);
    leave[0]();
    leave[0]();
    assert.deepEqual(names(last()), ["Subscribe", "Subscribe"]);
    leave[1]();
    assert.equal(last().sent[2].name, "Unsubscribe");
    assert.equal(last().sent[2].topic, "tea");
  });

  it("come back once each on a new connection, as they are by then", () => {
    const server = connect({ url: "ws://server/", WebSocket: FakeSocket, resume: false });
    const leave = server.subscribe("tea");
    server.subscribe("news");
    server.subscribe("news");
    last().open();
    last().ends(1006);
    leave();
    server.subscribe("cake");
    mock.timers.tick(5000);
    last().open();
    last().says("ConnectionEstablished");
    assert.deepEqual(
      last().sent.map(({ name, topic }) => name + topic).sort(),
      ["Subscribecake", "Subscribenews"],
    );
  });
});
