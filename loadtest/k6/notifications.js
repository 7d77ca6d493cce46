// The same kind of load for people who have k6 (https://k6.io): sockets of distinct users, notifications
// published over HTTP, and the time from publish to arrival. campanile-loadtest goes further (open loop,
// CPU, floors); this one fits into what you have.
//
//   k6 run -e GATEWAY=127.0.0.1:8080 -e JWT_SECRET=… -e PUBLISH_KEY=… -e USERS=500 -e RATE=100 notifications.js
//
// A target that is not this machine's loopback asks for -e I_OWN_THIS_SERVER=yes.
import crypto from "k6/crypto";
import encoding from "k6/encoding";
import exec from "k6/execution";
import http from "k6/http";
import { check, fail } from "k6";
import { Counter, Trend } from "k6/metrics";
import { WebSocket } from "k6/websockets";

const { GATEWAY = "127.0.0.1:8080", JWT_SECRET, PUBLISH_KEY } = __ENV;
const USERS = Number(__ENV.USERS || 100);
const RATE = Number(__ENV.RATE || 50);
const SECONDS = Number(__ENV.SECONDS || 30);
/** Until all sockets are open. */
const RAMP = 5;

const latency = new Trend("publish_to_arrival", true);
const received = new Counter("notifications_received");
const published = new Counter("notifications_published");

export const options = {
	scenarios: {
		sockets: {
			executor: "per-vu-iterations",
			exec: "listen",
			vus: USERS,
			iterations: 1,
			maxDuration: `${SECONDS + RAMP + 30}s`,
		},
		publishing: {
			executor: "constant-arrival-rate",
			exec: "publish",
			rate: RATE,
			startTime: `${RAMP}s`,
			duration: `${SECONDS}s`,
			preAllocatedVUs: 20,
		},
	},
	thresholds: { checks: ["rate==1"], publish_to_arrival: ["p(99)<1000"] },
};

export function setup() {
	if (!JWT_SECRET || !PUBLISH_KEY) {
		exec.test.abort("give -e JWT_SECRET=… and -e PUBLISH_KEY=…");
	}
	const host = GATEWAY.replace(/:\d+$/, "");
	const loopback = host === "localhost" || host === "[::1]" || host.startsWith("127.");
	if (!loopback && __ENV.I_OWN_THIS_SERVER !== "yes") {
		exec.test.abort(`${host} is not loopback: add -e I_OWN_THIS_SERVER=yes if it may be loaded`);
	}
}

function token(user) {
	const part = (value) => encoding.b64encode(JSON.stringify(value), "rawurl");
	const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({
		sub: user,
		exp: Math.floor(Date.now() / 1000) + 3600,
	})}`;
	return `${body}.${crypto.hmac("sha256", JWT_SECRET, body, "base64rawurl")}`;
}

const user = (index) => `k6-${index}`;

export function listen() {
	const own = user(exec.scenario.iterationInTest);
	const socket = new WebSocket(`ws://${GATEWAY}/api/ws`, null, {
		headers: { Authorization: `Bearer ${token(own)}` },
	});
	socket.onmessage = ({ data }) => {
		const { sent } = JSON.parse(data).data || {};
		if (sent) {
			latency.add(Date.now() - sent);
			received.add(1);
		}
	};
	socket.onerror = ({ error }) => fail(`${own}: ${error}`);
	socket.onopen = () => setTimeout(() => socket.close(), (SECONDS + RAMP) * 1000);
}

export function publish() {
	const turn = exec.scenario.iterationInTest;
	const body = { user_id: user(turn % USERS), type: "info", title: "k6", data: { sent: Date.now() } };
	const answer = http.post(`http://${GATEWAY}/api/publish`, JSON.stringify(body), {
		headers: { Authorization: `Bearer ${PUBLISH_KEY}`, "Content-Type": "application/json" },
	});
	check(answer, { "the publish is accepted": ({ status }) => status === 200 });
	published.add(1);
}
