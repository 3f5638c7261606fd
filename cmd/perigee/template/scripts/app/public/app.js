// Sends what the user does, and shows what the server sends.

import { connect } from "./perigee.js"; // the server has it

const find = (id) => document.getElementById(id);
const server = connect(); // it connects again by itself

let me; // this connection, as the server knows it
let nickname; // the name that the user has chosen
let refused; // the name of the message to repeat after authentication

function rename() {
  server.send("Rename", { connection: me.uuid, nickname });
}

function row({ uuid, name }) {
  const item = document.createElement("li");
  const isMe = uuid === me?.uuid;
  item.textContent = (name ?? "Somebody") + (isMe ? " (you)" : "");
  item.classList.toggle("me", isMe);
  return item;
}

server.onState(({ state, code, reason }) => {
  document.body.dataset.state = state;
  find("status").textContent = {
    connecting: "Connecting…",
    open: "Connected",
    waiting: "Not connected; trying again…",
    closed: `Not connected: ${reason || code}. Load the page to connect again.`,
  }[state];
});

server.on("ConnectionEstablished", ({ connection }) => {
  me = connection;
  if (me.name) {
    find("nickname").value = nickname = me.name; // the page was loaded again, and the server knows who it is
  } else if (nickname) {
    rename(); // the connection is new
  }
});

server.on("UpdateButton", ({ presses, by }) => {
  find("presses").value = presses;
  find("by").textContent = presses === 0 ? "Nobody has pressed it yet." : `${by ?? "Somebody"} pressed it last.`;
});

server.on("UpdateConnections", ({ connections }) => {
  find("people").replaceChildren(...Object.values(connections).map(row));
});

server.on("PromptForAuthentication", ({ previous }) => {
  const wrong = previous?.name === "Authenticate";
  if (previous && !wrong) {
    refused = previous.name;
  }
  find("wrong").hidden = !wrong;
  find("password").value = "";
  if (!find("ask").open) {
    find("ask").showModal();
  }
});

server.on("ConnectionAuthenticated", () => {
  find("ask").close();
  if (refused === "Reset") {
    server.send("Reset");
  }
  refused = undefined;
});

find("press").addEventListener("click", () => server.send("Press"));
find("reset").addEventListener("click", () => server.send("Reset"));
find("cancel").addEventListener("click", () => find("ask").close());
find("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  nickname = find("nickname").value;
  rename();
});
find("authenticate").addEventListener("submit", (event) => {
  event.preventDefault(); // the dialog closes when the password is accepted
  server.send("Authenticate", { password: find("password").value });
});
