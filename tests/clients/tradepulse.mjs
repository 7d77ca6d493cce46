// A client as TradePulse's pages have it, with its wsClient and its notificationStore:
// node tradepulse.mjs ws://…/api/ws token [reconnect after ms] [origin]
import { createInterface } from "node:readline";
import WebSocket from "ws";

const [url, token, interval = "5000", origin] = process.argv.slice(2);
const say = (value) => console.log(JSON.stringify(value));

const store = {
  notifications: [],
  connected: false,
  add(notification) {
    this.notifications = [{ ...notification, read: false }, ...this.notifications].slice(0, 50);
  },
  markAsRead(id) {
    for (const one of this.notifications) if (one.id === id) one.read = true;
  },
  get unreadCount() {
    return this.notifications.filter((one) => !one.read).length;
  },
};

const wsClient = {
  shouldReconnect: true,
  connect() {
    this.socket = new WebSocket(`${url}?token=${token}`, { origin });
    this.socket.onopen = () => {
      store.connected = true;
      say({ event: "open" });
    };
    this.socket.onmessage = ({ data }) => {
      store.add(JSON.parse(data));
      say({ event: "notification", text: data });
    };
    this.socket.on("unexpected-response", (request, response) => {
      say({ event: "refused", status: response.statusCode });
      request.destroy();
      this.socket.onclose({ code: 1006 });
    });
    this.socket.on("ping", () => say({ event: "ping" }));
    this.socket.onerror = () => {};
    this.socket.onclose = ({ code }) => {
      store.connected = false;
      say({ event: "closed", code });
      if (this.shouldReconnect) setTimeout(() => this.connect(), Number(interval));
    };
  },
};

wsClient.connect();
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  if ("send" in order) wsClient.socket.send(order.send);
  if ("markAsRead" in order) store.markAsRead(order.markAsRead);
  if ("disconnect" in order) {
    wsClient.shouldReconnect = false;
    wsClient.socket.close();
  }
  if ("state" in order) {
    const [newest] = store.notifications;
    say({
      event: "state",
      connected: store.connected,
      stored: store.notifications.length,
      unread: store.unreadCount,
      newest: newest?.id,
    });
  }
}
