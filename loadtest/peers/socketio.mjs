// Socket.IO 4 with its Redis adapter: JWT in the handshake, a room per user, notifications published by
// any process through the adapter's channels.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import jwt from "jsonwebtoken";
import { createClient } from "redis";
import { Server } from "socket.io";

const { PORT, REDIS_URL, JWT_SECRET } = process.env;

const publisher = createClient({ url: REDIS_URL });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const server = createServer((request, response) => {
	response.writeHead(request.url === "/readyz" ? 200 : 404).end();
});
const io = new Server(server, { adapter: createAdapter(publisher, subscriber) });

const notifications = io.of("/ws");
notifications.use((socket, next) => {
	try {
		socket.data.user = jwt.verify(socket.handshake.auth.token, JWT_SECRET, { algorithms: ["HS256"] }).sub;
		next();
	} catch {
		next(new Error("Invalid token"));
	}
});
notifications.on("connection", (socket) => {
	socket.on("SUBSCRIBE_NOTIFICATIONS", async (_, answer) => {
		await socket.join(`user:${socket.data.user}:notifications`);
		answer?.({ ok: true });
	});
});

server.listen({ host: "127.0.0.1", port: Number(PORT), backlog: 4096 });
