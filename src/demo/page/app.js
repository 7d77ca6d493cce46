// Puts the page together: two users, the form, the commands and the figures.

import { arabic, english, german } from '/demo/campanile.js';
import { showCommands } from '/demo/commands.js';
import { milliseconds } from '/demo/dom.js';
import { Panel } from '/demo/panel.js';
import { Publisher } from '/demo/publish.js';

const STATS_MS = 2000;
/** The last ones, of which the median is shown. */
const TRIPS = 100;
/** Time to look at the page before it rings. */
const GREETING_MS = 600;

let session = await load();
const trips = [];
let deliveries = 0;

// Asked for before each connection: a demo that was started again signs with another secret.
async function token(id) {
  session = await load();
  showCommands(session, publisher.notification());
  return session.users.find((user) => user.id === id)?.token;
}

async function load() {
  const response = await fetch('/demo/session.json');
  if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
  return response.json();
}

/** Called for each delivery. */
function arrived(user, notification) {
  deliveries += 1;
  show('deliveries', deliveries);
  const took = publisher.arrived(user, notification.id);
  if (took === undefined) return;
  trips.push(took);
  if (trips.length > TRIPS) trips.shift();
  const sorted = [...trips].sort((a, b) => a - b);
  show('trip', milliseconds(sorted[sorted.length >> 1]));
}

/** As an operator would: the gateway closes all sockets of the user, and the page comes back by itself. */
async function drop(user) {
  const headers = {
    authorization: `Bearer ${session.publish_key}`,
    'content-type': 'application/json',
  };
  const body = JSON.stringify({ user_id: user.id });
  await fetch('/api/disconnect', { method: 'POST', headers, body }).catch(() => {});
}

async function stats() {
  if (document.hidden) return;
  try {
    const headers = { authorization: `Bearer ${session.users[0].token}` };
    const response = await fetch('/api/notifications/stats', { headers });
    const { data } = await response.json();
    show('connections', data.total_clients);
    show('users', data.total_users);
  } catch {
    show('connections', '–');
    show('users', '–');
  }
}

function show(figure, value) {
  document.getElementById(`figure-${figure}`).textContent = value;
}

const does = { arrived, drop };
const panels = session.users.map((user) => new Panel(user, () => token(user.id), does));
document.getElementById('panels').append(...panels.map((panel) => panel.element));
const publisher = new Publisher(
  panels,
  () => session.publish_key,
  () => showCommands(session, publisher.notification()),
);
showCommands(session, publisher.notification());
document.getElementById('metrics').href =
  `${location.protocol}//${location.hostname}:${session.ops_port}/metrics`;

// Nobody should have to press a button to see what this is about.
let greeted = false;
function greet() {
  if (greeted || !panels.every(({ connected }) => connected)) return;
  greeted = true;
  const greeting = {
    broadcast: true,
    type: 'success',
    title: 'You are connected',
    message: 'This one went to everybody. Now ring a single bell.',
  };
  setTimeout(() => publisher.publish(greeting), GREETING_MS);
}

for (const panel of panels) {
  panel.addEventListener('open', stats);
  panel.addEventListener('open', greet);
  panel.store.connect();
}

document.getElementById('language').addEventListener('change', ({ target }) => {
  const texts = { ar: arabic, de: german, en: english }[target.value];
  for (const panel of panels) panel.speak(texts);
});
document.getElementById('theme').addEventListener('change', ({ target }) => {
  document.documentElement.dataset.theme = target.value;
});

setInterval(stats, STATS_MS);
