import { connect } from "./perigee.js";

window.server = connect();
window.states = [];
server.onState(({ state, code, reason }) => states.push([state, code, reason].filter(Boolean).join(" ")));
server.on("ConnectionEstablished", ({ connection }) => (window.user = connection.user));
