// Sends what the user does, and shows what the server sends.

const find = (id) => document.getElementById(id);

const FINAL = [1000, 1002, 1003, 1007, 1008, 1009, 4401]; // reconnecting would not help

let socket;
let failures = 0; // consecutive failed connections
let me; // the uuid of this connection
let refused; // the message to repeat after authentication
let nickname; // the name that the user has chosen

function send(name, fields = {}) {
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ ...fields, name }));
  }
}

// Handlers of messages by name. Other messages are ignored.
const messages = {
  ConnectionEstablished({ connection }) {
    me = connection.uuid;
    if (nickname) {
      send("Rename", { connection: me, nickname }); // a new connection has no name
    }
  },
  UpdateButton({ presses, by }) {
    find("presses").value = presses;
    find("by").textContent = presses === 0 ? "Nobody has pressed it yet." : `${by ?? "Somebody"} pressed it last.`;
  },
  UpdateConnections({ connections }) {
    const people = Object.values(connections).map(({ uuid, name }) => {
      const row = document.createElement("li");
      row.textContent = (name ?? "Somebody") + (uuid === me ? " (you)" : "");
      return row;
    });
    find("people").replaceChildren(...people);
  },
  PromptForAuthentication({ previous }) {
    const wrong = previous?.name === "Authenticate";
    if (previous && !wrong) {
      refused = previous.name;
    }
    find("wrong").hidden = !wrong;
    find("password").value = "";
    if (!find("ask").open) {
      find("ask").showModal();
    }
  },
  ConnectionAuthenticated() {
    find("ask").close();
    if (refused === "Reset") {
      send("Reset");
    }
    refused = undefined;
  },
};

function connect() {
  // The server has the same base URL as this page, also behind a proxy.
  const url = new URL(".", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(url);
  socket.onopen = () => {
    find("status").textContent = "Connected.";
    failures = 0;
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (Object.hasOwn(messages, message.name)) {
      messages[message.name](message);
    }
  };
  socket.onclose = ({ code, reason }) => {
    if (FINAL.includes(code)) {
      find("status").textContent = `Not connected: ${reason || code}. Load the page to connect again.`;
      return;
    }
    find("status").textContent = "Not connected; trying again…";
    const seconds = code === 4429 ? 30 : Math.min(2 ** failures++, 30);
    setTimeout(connect, (seconds + 4 * Math.random()) * 1000); // so that clients do not reconnect at the same time
  };
}

find("press").addEventListener("click", () => send("Press"));
find("reset").addEventListener("click", () => send("Reset"));
find("cancel").addEventListener("click", () => find("ask").close());
find("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  nickname = find("nickname").value;
  send("Rename", { connection: me, nickname });
});
find("authenticate").addEventListener("submit", (event) => {
  event.preventDefault(); // the dialog closes when the password is accepted
  send("Authenticate", { password: find("password").value });
});

connect();
