// The giveaway's page: keeps what the server says in one state, shows it, and sends what the user wants.

import * as dialogs from "./dialogs.js";
import { Socket, serverURL } from "./socket.js";
import { find, render, toast } from "./view.js";

const nothing = () => ({
  self: null, // this connection
  connections: [],
  people: new Map(), // the same by uuid
  prizes: [],
  notifications: [],
  uptime: { elapsed: 0, start: 0 },
});

const state = {
  ...nothing(),
  link: { state: "connecting" },
  joining: false, // whether the form to join is wanted
  now: Date.now() / 1000, // by the server's clock, in seconds
};

let registration = null; // what this page joined with: joins again after an interruption
let refused = null; // the message that waits for a password
let skew = 0; // seconds that the server's clock is ahead
let drawing = 0;

// Shows the state soon: several changes at once are shown together. A timer, since hidden tabs have no frames.
function changed() {
  drawing ||= setTimeout(() => {
    drawing = 0;
    state.now = Date.now() / 1000 + skew;
    render(state);
  }, 16);
}

const socket = new Socket(serverURL(location.href), { onState: linkChanged, onMessage: received });

function send(name, fields) {
  if (!socket.send(name, fields)) {
    toast("Not connected: nothing was sent.", "error");
  }
}

function join() {
  const name = registration.type === "spectator" ? "JoinAsSpectator" : "JoinAsPlayer";
  send(name, { registration: registration.fields });
}

// Messages from the server

function linkChanged(link) {
  state.link = link;
  if (link.state !== "open") {
    Object.assign(state, nothing());
    refused = null;
    dialogs.close("password-dialog");
  }
  if (link.state === "closed") {
    registration = null;
  }
  changed();
}

const handlers = new Map(
  Object.entries({
    ConnectionEstablished({ connection }) {
      state.self = connection;
      state.joining = registration === null;
      if (registration) {
        join();
      }
    },

    ConnectionRegistered({ connection }) {
      state.self = connection;
      state.joining = false;
    },

    ConnectionAuthenticated({ connection }) {
      state.self = connection;
      const { id, timestamp, ...again } = refused ?? {};
      dialogs.close("password-dialog");
      toast("You are an admin now.");
      if (again.name) {
        send(again.name, again);
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
      state.prizes = Object.values(prizes);
    },

    AwardWinner({ prize = {} }) {
      dialogs.congratulate(prize);
    },

    CurrentUptime({ elapsed, start }) {
      state.uptime = { elapsed, start };
    },

    MessageException({ message, exception }) {
      toast(message ?? exception, "error");
    },
  }),
);

function received(message) {
  if (typeof message.timestamp === "number") {
    skew = message.timestamp - Date.now() / 1000;
  }
  handlers.get(message.name)?.(message);
  changed();
}

// What the user does

function onClick(id, action) {
  find(id).addEventListener("click", action);
}

function onConfirmed(id, question, name) {
  onClick(id, () => dialogs.confirm(question, () => send(name)));
}

onClick("reconnect", () => socket.connect());
onClick("connection-toggle", () => {
  const live = state.link.state === "open" || state.link.state === "connecting";
  if (live) {
    socket.disconnect();
  } else {
    socket.connect();
  }
});
addEventListener("online", () => state.link.state === "waiting" && socket.connect());

dialogs.onJoin((type, fields) => {
  registration = { type, fields };
  join();
});
dialogs.setupPassword(
  (password) => send("Authenticate", { password }),
  () => {
    refused = null;
  },
);
dialogs.setupPrize((prize) => send("AddPrize", { prize }));

onClick("draw-winner", () => send("PickRandomWinner"));
onConfirmed("reset-prizes", "Remove all prizes and make everybody a player again?", "ResetPrizes");
onConfirmed("disconnect-players", "Disconnect all players?", "DisconnectPlayers");
onConfirmed("disconnect-spectators", "Disconnect all spectators?", "DisconnectSpectators");
onConfirmed("disconnect-all", "Disconnect everybody, this page too?", "DisconnectAll");
onConfirmed("restart-server", "Restart the server?", "StopServer");

find("roster-rows").addEventListener("click", (event) => {
  const receiver = event.target.closest("[data-ping]")?.dataset.ping;
  if (receiver) {
    send("NotifyConnection", { sender: state.self.uuid, receiver });
  }
});
onClick("dismiss", () => send("DismissNotifications", { connection: state.self.uuid }));

setInterval(changed, 1000); // times and countdowns
socket.connect();
