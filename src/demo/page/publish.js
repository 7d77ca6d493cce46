// The form that plays the backend, and how long what it published takes to each bell.

import { clone, milliseconds } from '/demo/dom.js';

/** What the form suggests for each type: title and message. */
const KINDS = {
  success: ['Payment received', 'Invoice 2041 has been paid in full.'],
  info: ['New message', 'Lunch at one? The usual place.'],
  error: ['Backup failed', 'The disk is full. Nothing is lost so far.'],
  'trade.created': ['Trade filled', 'Bought 25 ACME at 84.20.'],
};
/** What has not arrived after this will most likely never. */
const PATIENCE_MS = 10_000;
const EVERYONE = '*';

export class Publisher {
  #form = document.getElementById('publish');
  #output = document.getElementById('trip');
  #panels;
  #key;
  #published = 0;
  /** Trips under way, by notification id. */
  #trips = new Map();
  /** The one that the line under the button tells of. */
  #shown = null;

  /** `key()` gives the publish key; `changed(notification)` is called when the form changes. */
  constructor(panels, key, changed) {
    this.#panels = panels;
    this.#key = key;
    const people = panels.map(({ user }) => [user.id, user.name]);
    choices('recipients', 'recipient', [...people, [EVERYONE, 'Both']]);
    choices('kinds', 'kind', Object.keys(KINDS).map((kind) => [kind, kind]));
    this.#suggest();
    this.#form.addEventListener('input', ({ target }) => {
      if (target.name === 'kind') this.#suggest();
      this.#label();
      changed();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.publish(this.notification());
    });
    this.#label();
  }

  /** What the form says, as the body of `POST /api/publish`. */
  notification() {
    const { recipient, kind, title, message } = this.#form.elements;
    const target = recipient.value === EVERYONE ? { broadcast: true } : { user_id: recipient.value };
    return { ...target, type: kind.value, title: title.value, message: message.value };
  }

  async publish(notification) {
    const id = `demo-${Date.now().toString(36)}-${(this.#published += 1)}`;
    const targets = this.#panels
      .filter(({ user }) => notification.broadcast || user.id === notification.user_id)
      .map(({ user, connected }) => ({ user, connected, took: null }));
    const trip = { targets, kept: !notification.broadcast, started: performance.now(), over: false };
    this.#trips.set(id, trip);
    this.#shown = trip;
    this.#report(trip);
    setTimeout(() => {
      this.#trips.delete(id);
      trip.over = true;
      this.#report(trip);
    }, PATIENCE_MS);
    try {
      const response = await fetch('/api/publish', {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#key()}`, 'content-type': 'application/json' },
        body: JSON.stringify({ id, ...notification }),
      });
      if (!response.ok) throw new Error((await response.json()).error.message);
    } catch (error) {
      trip.failure = error instanceof TypeError ? 'the gateway is away' : error.message;
      this.#report(trip);
    }
  }

  /** How long `id` took to `user`, in ms; `undefined` for what was published elsewhere. */
  arrived(user, id) {
    const trip = this.#trips.get(id);
    const target = trip?.targets.find((target) => target.user.id === user.id);
    if (!target) return undefined;
    // Of somebody who was away it would measure how long that was.
    if (!target.connected) target.late = true;
    else target.took = performance.now() - trip.started;
    this.#report(trip);
    return target.took ?? undefined;
  }

  #report(trip) {
    if (trip !== this.#shown) return;
    this.#output.classList.toggle('failed', Boolean(trip.failure));
    this.#output.textContent = trip.failure
      ? `Not published: ${trip.failure}.`
      : `${trip.targets.map((target) => fate(target, trip)).join(', ')}.`;
  }

  #suggest() {
    const { kind, title, message } = this.#form.elements;
    [title.value, message.value] = KINDS[kind.value];
  }

  #label() {
    const { recipient } = this.#form.elements;
    const name = this.#panels.find(({ user }) => user.id === recipient.value)?.user.name;
    this.#form.querySelector('.primary').textContent = name
      ? `Ring ${name}’s bell`
      : 'Ring both bells';
  }
}

function fate({ user, connected, took, late }, { over, kept }) {
  if (took !== null) return `${user.name}’s bell rang after ${milliseconds(took)}`;
  if (late) return `${user.name} got it on coming back`;
  if (!connected) {
    return kept ? `${user.name} is away and gets it on coming back` : `${user.name} is away, and what is for both is not kept`;
  }
  return over ? `${user.name}’s bell did not ring` : `on its way to ${user.name}`;
}

/** Radio buttons, the first one chosen. */
function choices(id, name, options) {
  const elements = options.map(([value, text], index) => {
    const choice = clone('choice');
    Object.assign(choice.querySelector('input'), { name, value, checked: index === 0 });
    choice.querySelector('span').textContent = text;
    choice.dataset.value = value;
    return choice;
  });
  document.getElementById(id).replaceChildren(...elements);
}
