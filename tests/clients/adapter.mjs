// A Socket.IO server with the Redis adapter: node adapter.mjs redis://… classic|sharded [static]
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { obey, say } from "./emit.mjs";

const [url, kind, mode = "dynamic"] = process.argv.slice(2);
const publishing = createClient({ url });
const listening = publishing.duplicate();
await Promise.all([publishing.connect(), listening.connect()]);
const adapter =
  kind === "sharded"
    ? createShardedAdapter(publishing, listening, { subscriptionMode: mode })
    : createAdapter(publishing, listening);
const io = new Server({ adapter });
io.of("/ws");
await listening.ping();
say({ event: "ready" });
// The sharded adapter publishes a moment after `emit` returns.
const emitted = async () => {
  await new Promise((resolve) => setImmediate(resolve));
  await publishing.ping();
};
await obey((name) => io.of(name), emitted);
await Promise.all([publishing.close(), listening.close()]);
