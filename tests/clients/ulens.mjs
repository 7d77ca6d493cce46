// A page of Ulens: connects, subscribes on every connect, prints what happens, and emits what it is told.
// node ulens.mjs <url> <options as JSON>
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, options] = process.argv.slice(2);
const say = (event, rest = {}) => console.log(JSON.stringify({ event, ...rest }));
const socket = io(url, JSON.parse(options));

socket.on("connect", () => {
	const { engine } = socket.io;
	say("connect", { id: socket.id, transport: engine.transport.name });
	engine.on("upgrade", (transport) => say("upgrade", { transport: transport.name }));
	socket.emit("SUBSCRIBE_NOTIFICATIONS", (answer) => say("subscribed", { answer }));
});
socket.on("disconnect", (reason) => say("disconnect", { reason, active: socket.active }));
socket.on("connect_error", (error) => say("connect_error", { message: error.message, active: socket.active }));
socket.onAny((name, ...args) => say(name, { args }));

createInterface({ input: process.stdin }).on("line", (line) => {
	const { emit, args = [], close } = JSON.parse(line);
	if (close) {
		socket.disconnect();
	} else {
		socket.emit(emit, ...args, (answer) => say("ack", { of: emit, answer }));
	}
});
