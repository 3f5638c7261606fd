// Runs the exercise under Node, and prints the cookie that the server has got: node --experimental-websocket node.mjs LIBRARY SOCKET
import { exercise } from "./echo/public/exercise.js";

const [library, url] = process.argv.slice(2);
const { connect } = await import(library);
class Signed extends WebSocket {
  constructor(address, protocols) {
    super(address, { protocols, headers: { cookie: "session=abc" } });
  }
}
const server = connect({ url, WebSocket: Signed });
console.log(await exercise(server));
console.log((await server.ask("Cookie")).value);
server.close();
