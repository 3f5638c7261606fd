// The connection to the server: opens it, sends and receives messages, and opens it again where that makes sense.

const CONNECT_TIMEOUT = 10_000; // ms

// The server is beside this page, wherever a proxy has put the two.
export function serverURL(page) {
  const url = new URL(".", page);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

// How long to wait, in ms, before connecting again after a close with this code; null where the server, or the user,
// meant it. Random, so that a restarted server does not meet all its clients at once.
function retryDelay(code, attempt, random = Math.random) {
  switch (code) {
    case 1001: // server shutting down
    case 1012: // server restarting
      return 1000 + random() * 4000;
    case 1006: // no answer, or the network went away
    case 1011: // internal error
    case 1013: // server is full
    case 4408: // too slow
      return Math.min(30_000, 1000 * 2 ** attempt) * (0.5 + random() / 2);
    case 4429: // too many messages
      return 30_000 + random() * 5000;
    default:
      return null;
  }
}

export class Socket {
  #url;
  #onState;
  #onMessage;
  #socket = null;
  #timer = 0;
  #attempt = 0;
  #sent = 0;

  // onState is called with {state, code, reason, until}: "connecting", "open", "waiting" (until: when it tries again, in
  // ms since 1970) or "closed"; onMessage with each message.
  constructor(url, { onState, onMessage }) {
    this.#url = url;
    this.#onState = onState;
    this.#onMessage = onMessage;
  }

  connect() {
    this.#drop();
    this.#onState({ state: "connecting" });
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#closed(socket, 1006, ""), CONNECT_TIMEOUT);
    socket.onopen = () => clearTimeout(this.#timer);
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = (event) => this.#closed(socket, event.code, event.reason);
  }

  disconnect() {
    this.#drop();
    this.#attempt = 0;
    this.#onState({ state: "closed", code: 1000, reason: "" });
  }

  // Returns whether it could be sent.
  send(name, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      return false;
    }
    this.#sent += 1;
    this.#socket.send(JSON.stringify({ ...fields, id: String(this.#sent), name }));
    return true;
  }

  #received(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof message?.name !== "string") {
      return;
    }
    if (message.name === "ConnectionEstablished") {
      this.#attempt = 0;
      this.#onState({ state: "open" });
    }
    this.#onMessage(message);
  }

  #closed(socket, code, reason) {
    if (socket !== this.#socket) {
      return;
    }
    this.#drop();
    const delay = retryDelay(code, this.#attempt);
    if (delay === null) {
      this.#onState({ state: "closed", code, reason });
      return;
    }
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.connect(), delay);
    this.#onState({ state: "waiting", code, reason, until: Date.now() + delay });
  }

  // Lets go of the present socket: nothing of it is heard any more.
  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    }
  }
}
