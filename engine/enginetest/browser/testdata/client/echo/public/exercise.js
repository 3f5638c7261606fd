// Asks the server everything once and returns what came of it as text.
export async function exercise(server) {
  const outcome = (promise) => promise.then(
    ({ name, value }) => `${name} ${value}`,
    ({ exception, message, code }) => `${exception} ${code} ${message}`,
  );
  return (await Promise.all([
    outcome(server.ask("Echo", { value: "äöü" })),
    outcome(server.ask("Fail")),
    outcome(server.ask("Rule")),
    outcome(server.ask("Ignore", {}, { timeout: 1 })),
  ])).join("; ");
}
