// What the publishers have in common: they read orders such as
// {"namespace":"/ws","rooms":["a"],"except":["b"],"event":"x","args":[{"$date":"2026-…"}]},
// or with "disconnect":true or "ask":true in place of an event, and print {"event":"emitted"} for each.
import { createInterface } from "node:readline";

export const say = (value) => console.log(JSON.stringify(value));

// {"$date": …} stands for a Date, {"$buffer": …} for a Buffer.
function revive(value) {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if ("$date" in value) return new Date(value.$date);
  if ("$buffer" in value) return Buffer.from(value.$buffer);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, revive(inner)]));
}

// `namespace(name)` gives what has `to`, `except`, `emit` and `disconnectSockets`.
export async function obey(namespace, emitted = async () => {}) {
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    let to = namespace(order.namespace ?? "/ws");
    for (const room of order.rooms ?? []) to = to.to(room);
    for (const room of order.except ?? []) to = to.except(room);
    if ("ask" in order) {
      const sockets = (await to.fetchSockets()).length;
      const acknowledged = await to.timeout(5000).emitWithAck("X");
      say({ event: "asked", sockets, acknowledged });
      continue;
    }
    if ("disconnect" in order) to.disconnectSockets(order.disconnect);
    else to.emit(order.event, ...revive(order.args ?? []));
    await emitted();
    say({ event: "emitted" });
  }
}
