// What editors and compilers make of the types: .ci/lint compiles it.
import { AskError, connect, retryDelay, type Connection, type Link } from "./perigee.js";

type Incoming = { Clicked: { total: number } };
type Outgoing = { Click: { times?: number }; Cheer: Record<string, unknown> };

const server: Connection<Incoming, Outgoing> = connect<Incoming, Outgoing>({ url: "http://127.0.0.1:8080/", resume: false });
const sent: boolean = server.send("Click", { times: 2 });
const off: () => void = server.on("Clicked", ({ total, timestamp }) => (total + timestamp).toFixed(sent ? 1 : 0));
const answer = await server.ask<"Cheer", { claps: number }>("Cheer", {}, { timeout: 5, signal: AbortSignal.timeout(5) });
answer.claps.toFixed();
server.on("*", ({ name }) => name.trim());
server.onState(({ state, retryAt }: Link) => state === "waiting" && retryAt);
server.subscribe("tea")();
const plain = connect({ retry: (code, failures) => (code === 1006 ? retryDelay(code, failures) : undefined) });
plain.on("Anything", ({ field }) => field);
plain.send("Anything", { field: 1 });
const failed = new AskError("NoItem", "None.", 404);
failed.exception.trim();
off();

// @ts-expect-error: there is no such message
server.send("Clack");
// @ts-expect-error: a wrong field
server.send("Click", { times: "two" });
// @ts-expect-error: there is no such message
server.on("Clack", () => {});
