// The messaging app's client, for Node: the token in the query, the unread count asked for on open, a ping now
// and then, up to five attempts to come back after growing pauses, none after a close with 1000.
//
//   node messaging_app.mjs ws://host:port token [ping every ms] [first pause ms]
//
// Prints one JSON value per line: {"event": "open" | "notification" | "unread_count" | "notification_update" |
// "pong" | "close" | "attempt" | "gave_up" | "unknown", …}. Reads {"do": "mark_read", "id"} and
// {"do": "disconnect"}.
import { createInterface } from "node:readline";
import WebSocket from "ws";

const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

class NotificationClient {
  attempts = 0;
  maxAttempts = 5;
  socket = null;
  heartbeat = null;

  constructor(base, token, pingEvery, pause) {
    Object.assign(this, { base: base.replace("http", "ws"), token, pingEvery, pause });
  }

  connect() {
    this.socket = new WebSocket(`${this.base}/ws/notifications?token=${this.token}`);
    this.socket.onopen = () => {
      say("open", { after: this.attempts });
      this.attempts = 0;
      this.send({ type: "get_unread_count" });
      this.heartbeat = setInterval(() => this.send({ type: "ping" }), this.pingEvery);
    };
    this.socket.onmessage = ({ data }) => this.handle(JSON.parse(data));
    this.socket.onclose = ({ code, reason }) => {
      clearInterval(this.heartbeat);
      say("close", { code, reason });
      if (code !== 1000) this.comeBack();
    };
    // The close that follows says all.
    this.socket.onerror = () => {};
  }

  handle({ type, data }) {
    switch (type) {
      case "notification":
        return say(type, { notification: data });
      case "unread_count":
        return say(type, { count: data.count });
      case "notification_update":
        return say(type, data);
      case "pong":
        return say(type);
      default:
        return say("unknown", { type });
    }
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  markAsRead(id) {
    this.send({ type: "mark_read", notification_id: id });
  }

  comeBack() {
    if (this.attempts >= this.maxAttempts) return say("gave_up");
    this.attempts += 1;
    say("attempt", { number: this.attempts });
    setTimeout(() => this.connect(), this.pause * this.attempts);
  }

  disconnect() {
    clearInterval(this.heartbeat);
    this.socket?.close(1000, "Client disconnecting");
  }
}

const [base, token, pingEvery = "30000", pause = "1000"] = process.argv.slice(2);
const client = new NotificationClient(base, token, Number(pingEvery), Number(pause));
client.connect();
for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, id } = JSON.parse(line);
  if (what === "mark_read") client.markAsRead(id);
  if (what === "disconnect") client.disconnect();
}
