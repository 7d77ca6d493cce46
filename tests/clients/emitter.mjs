// A backend without sockets that uses @socket.io/redis-emitter: node emitter.mjs redis://…
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { obey, say } from "./emit.mjs";

const client = createClient({ url: process.argv[2] });
await client.connect();
const emitter = new Emitter(client);
say({ event: "ready" });
// On one connection a PING is answered after the PUBLISH before it.
await obey((name) => (name === "/" ? emitter : emitter.of(name)), () => client.ping());
await client.close();
