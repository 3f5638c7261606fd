// Runs the exercise under Node: node --experimental-websocket node.mjs LIBRARY SOCKET
import { exercise } from "./echo/public/exercise.js";

const [library, url] = process.argv.slice(2);
const { connect } = await import(library);
const server = connect({ url });
console.log(await exercise(server));
server.close();
