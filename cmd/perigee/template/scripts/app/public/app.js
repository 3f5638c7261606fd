// Says what the user wants, and shows what the server says.

const find = (id) => document.getElementById(id);

const FINAL = [1000, 1002, 1003, 1007, 1008, 1009, 4401]; // another connection would mend nothing

let socket;
let failures = 0; // connections that did not open, one after the other
let me; // the uuid of this connection
let refused; // the message that waits for the password
let nickname; // what this page has been called

function send(name, fields = {}) {
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ ...fields, name }));
  }
}

// What the server says, by the message's name; others are none of this page's business.
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
  // The server is beside this page, wherever a proxy has put the two.
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
    setTimeout(connect, (seconds + 4 * Math.random()) * 1000); // not all at the same time
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
  event.preventDefault(); // the dialog closes once the password was right
  send("Authenticate", { password: find("password").value });
});

connect();
