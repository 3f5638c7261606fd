import { connect } from "/perigee.js";

window.frames = [];

class Recorder extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => window.frames.push(JSON.parse(data)));
  }
}

window.server = connect({ WebSocket: Recorder });
window.server.on("ConnectionEstablished", ({ connection }) => (window.me = connection));
window.names = () => window.frames.map(({ name }) => name).join(" ");
