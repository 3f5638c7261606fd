// The giveaway's page: keeps what the server says in one state, shows it, and sends what the user wants.

import * as dialogs from "./dialogs.js";
import { reveal } from "./draw.js";
import { connect } from "./perigee.js";
import { find, nameOf, render, toast } from "./view.js";

const nothing = () => ({
  self: null, // this connection
  connections: [],
  people: new Map(), // the same by uuid
  prizes: null,
  notifications: [],
  uptime: { elapsed: 0, start: 0 },
});

const state = { ...nothing(), link: {}, joining: false, now: Date.now() / 1000 }; // now is in seconds, by the server's clock

let registration = null; // what this page joined with: it joins again if the connection is new
let refused = null; // the message that waits for a password
let skew = 0; // seconds that the server's clock is ahead
let drawing = 0;

// Shows the state soon: several changes at once are shown together. A timer, since hidden tabs have no frames.
function changed() {
  drawing ||= setTimeout(() => {
    drawing = 0;
    state.now = Date.now() / 1000 + skew;
    state.joining = state.link.state === "open" && state.self?.type === "anonymous" && !registration;
    render(state);
  }, 16);
}

const server = connect();

function send(name, fields) {
  if (!server.send(name, fields)) {
    toast("Not connected: nothing was sent.", "error");
  }
}

function join() {
  const name = registration.type === "spectator" ? "JoinAsSpectator" : "JoinAsPlayer";
  send(name, { registration: { name: { first: registration.name } } });
}

// Messages from the server

server.onState((link) => {
  state.link = link;
  if (link.state === "closed") {
    Object.assign(state, nothing());
    registration = refused = null;
    dialogs.close("password-dialog");
  } else if (link.state === "open" && link.complete === undefined) {
    Object.assign(state, nothing()); // the connection is new
    if (registration) {
      join();
    }
  }
  changed();
});

const handlers = {
  ConnectionEstablished({ connection }) {
    state.self = connection;
  },

  ConnectionRegistered({ connection }) {
    state.self = connection;
  },

  ConnectionAuthenticated({ connection }) {
    state.self = connection;
    const { id, name, timestamp, ...fields } = refused ?? {};
    dialogs.close("password-dialog");
    toast("You are the host now.");
    if (name) {
      send(name, fields);
    }
  },

  PromptForAuthentication({ previous }) {
    if (previous?.name === "Authenticate") {
      dialogs.refusePassword();
    } else {
      refused = previous ?? null;
      dialogs.askPassword();
    }
  },

  UpdateConnections({ connections = {} }) {
    state.connections = Object.values(connections);
    state.people = new Map(state.connections.map((connection) => [connection.uuid, connection]));
    const self = state.people.get(state.self?.uuid);
    state.self = self ? { ...state.self, ...self } : state.self;
  },

  UpdateNotifications({ notifications = {} }) {
    const known = new Set(state.notifications.map((notification) => notification.uuid));
    state.notifications = Object.values(notifications);
    for (const { uuid, sender } of state.notifications) {
      if (!known.has(uuid)) {
        toast(`${state.people.get(sender)?.name ?? "Somebody"} pinged you.`);
      }
    }
  },

  UpdatePrizes({ prizes = [] }) {
    const open = new Set(state.prizes?.filter((prize) => !prize.awarded).map((prize) => prize.uuid));
    state.prizes = Object.values(prizes);
    for (const prize of state.prizes.filter((prize) => prize.awarded && open.has(prize.uuid))) {
      show(prize);
    }
  },

  CurrentUptime({ elapsed, start }) {
    state.uptime = { elapsed, start };
  },

  MessageException({ message, exception }) {
    toast(message ?? exception, "error");
  },
};

for (const [name, handler] of Object.entries(handlers)) {
  server.on(name, handler);
}

server.on("*", ({ timestamp }) => {
  skew = timestamp - Date.now() / 1000;
  changed();
});

// Has everybody see who won a prize that was just drawn.
function show(prize) {
  const players = state.connections.filter(({ type }) => ["player", "winner", "loser"].includes(type));
  reveal({
    prize,
    winner: prize.winner_name ?? nameOf(state.people.get(prize.winner)),
    isMine: prize.winner === state.self?.uuid,
    names: players.map(nameOf),
  });
}

// What the user does

function onClick(id, action) {
  find(id).addEventListener("click", action);
}

function onConfirmed(id, question, answer, name) {
  onClick(id, () => dialogs.confirm({ question, answer }, () => send(name)));
}

onClick("reconnect", server.open);
onClick("connection-toggle", () => (server.state === "closed" ? server.open() : server.close()));

dialogs.onJoin((type, name) => {
  registration = { type, name };
  join();
});
dialogs.setupPassword(
  (password) => send("Authenticate", { password }),
  () => {
    refused = null;
  },
);
dialogs.setupPrize((prize) => send("AddPrize", { prize }));

onClick("sign-in", dialogs.askPassword);
onClick("draw-winner", () => send("PickRandomWinner"));
onConfirmed("reset-prizes", "Remove all prizes and make everybody a player again?", "Start over", "ResetPrizes");
onConfirmed("disconnect-players", "Disconnect all players?", "Disconnect them", "DisconnectPlayers");
onConfirmed("disconnect-spectators", "Disconnect all spectators?", "Disconnect them", "DisconnectSpectators");
onConfirmed("disconnect-all", "Disconnect everybody, this page too?", "Disconnect everybody", "DisconnectAll");

onClick("restart-server", async () => {
  try {
    const { supervisor } = await server.ask("AskSupervisor");
    dialogs.confirm(supervisor ? restart(supervisor) : STOP, () => send("StopServer"));
  } catch (error) {
    toast(error.message, "error");
  }
});

const restart = (supervisor) => ({
  question: "Restart the server?",
  detail: `It stops, and ${supervisor} starts it again. Everybody comes back without doing anything.`,
  answer: "Restart it",
});

const STOP = {
  question: "Stop the server?",
  detail: "No supervisor was recognized that would start it again: it stays off until somebody starts it by hand.",
  answer: "Stop it",
};

find("people").addEventListener("click", (event) => {
  const receiver = event.target.closest("[data-ping]")?.dataset.ping;
  if (receiver) {
    send("NotifyConnection", { receiver });
  }
});
onClick("dismiss", () => send("DismissNotifications", { connection: state.self.uuid }));

setInterval(changed, 1000); // times and countdowns
