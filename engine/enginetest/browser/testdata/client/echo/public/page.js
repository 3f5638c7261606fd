// Leaves the connection where the tests find it.
import { connect } from "./perigee.js";
import { exercise } from "./exercise.js";

window.server = connect();
window.news = [];
window.states = [];
window.heard = [];
server.on("News", ({ value }) => news.push(value));
server.onState((link) => states.push(link));
server.on("ConnectionEstablished", ({ connection }) => (window.uuid = connection.uuid));
server.subscribe("news");
server.on("*", (message) => heard.push(message));
if (!sessionStorage.uuid) exercise(server).then((result) => (window.result = result));
