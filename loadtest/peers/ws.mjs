// `ws` and `ioredis` as one would write it in an afternoon: JWT in the query, one Redis subscription per
// user while the user has sockets, and the payload handed on as it is.
import { createServer } from "node:http";
import { Redis } from "ioredis";
import jwt from "jsonwebtoken";
import { WebSocketServer } from "ws";

const { PORT, REDIS_URL, JWT_SECRET } = process.env;
const EVERYONE = "broadcast:notifications";

const redis = new Redis(REDIS_URL);
const sockets = new Map(); // channel → sockets of its user

const server = createServer((request, response) => {
	response.writeHead(request.url === "/readyz" ? 200 : 404).end();
});
const wss = new WebSocketServer({ noServer: true });

server.on("upgrade", async (request, socket, head) => {
	let user;
	try {
		const token = new URL(request.url, "http://localhost").searchParams.get("token");
		user = jwt.verify(token, JWT_SECRET, { algorithms: ["HS256"] }).sub;
	} catch {
		socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
		return;
	}
	const channel = `user:${user}:notifications`;
	if (!sockets.has(channel)) {
		sockets.set(channel, new Set());
	}
	// The socket is subscribed before it is open, so that nothing is missed.
	await redis.subscribe(channel);
	wss.handleUpgrade(request, socket, head, (ws) => join(channel, ws));
});

function join(channel, ws) {
	let own = sockets.get(channel);
	if (!own) {
		sockets.set(channel, (own = new Set()));
		redis.subscribe(channel);
	}
	own.add(ws);
	ws.alive = true;
	ws.on("pong", () => (ws.alive = true));
	ws.on("error", () => ws.terminate());
	ws.on("close", () => {
		own.delete(ws);
		if (own.size === 0 && sockets.get(channel) === own) {
			sockets.delete(channel);
			redis.unsubscribe(channel);
		}
	});
}

redis.on("message", (channel, payload) => {
	const receivers = channel === EVERYONE ? wss.clients : (sockets.get(channel) ?? []);
	for (const ws of receivers) {
		ws.send(payload);
	}
});
await redis.subscribe(EVERYONE);

setInterval(() => {
	for (const ws of wss.clients) {
		if (!ws.alive) {
			ws.terminate();
			continue;
		}
		ws.alive = false;
		ws.ping();
	}
}, 54_000);

server.listen({ host: "127.0.0.1", port: Number(PORT), backlog: 4096 });
