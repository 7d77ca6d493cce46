// One user's window: the bell, what arrived, and the connection.

import { Bell } from '/demo/bell.js';
import { Connection } from '/demo/connection.js';
import { ago, clone, spell } from '/demo/dom.js';

const KEPT = 30;

/** Event: `connected`. */
export class Panel extends EventTarget {
  /** `arrived(user, notification)` returns what to say about the trip of a notification, or ''. */
  constructor(user, token, arrived) {
    super();
    this.element = clone('panel');
    this.user = user;
    this.connected = false;
    this.state = { name: 'offline' };
    const find = (selector) => this.element.querySelector(selector);

    const heading = find('h2');
    heading.textContent = user.name;
    heading.id = `panel-${user.id}`;
    this.element.setAttribute('aria-labelledby', heading.id);
    this.element.dataset.user = user.id;
    find('.avatar').textContent = user.name.slice(0, 1);

    this.list = find('.notifications');
    this.empty = find('.empty');
    this.announcement = find('.announcement');
    this.stateLine = find('.state');
    this.bell = new Bell(find('.bell'), () => this.connection.readAll());

    this.switch = find('.switch');
    this.switch.ariaLabel = `${user.name}'s connection`;
    this.switch.addEventListener('click', () => {
      if (this.switch.ariaChecked === 'true') this.connection.close();
      else this.connection.open();
    });

    this.connection = new Connection(token);
    this.connection.addEventListener('state', ({ detail }) => this.#state(detail));
    this.connection.addEventListener('notification', ({ detail }) => {
      this.#add(detail, arrived(user, detail));
    });
    this.connection.addEventListener('count', ({ detail }) => (this.bell.unread = detail));
    this.connection.addEventListener('read', () => this.#read());
  }

  /** Called about once a second: brings the times and the countdown up to date. */
  tick() {
    for (const time of this.list.querySelectorAll('time')) {
      time.textContent = ago(Date.parse(time.dateTime));
    }
    if (this.state.name === 'waiting') this.#sayState();
  }

  #state(state) {
    this.state = state;
    this.connected = state.name === 'connected';
    this.element.dataset.state = state.name;
    this.switch.ariaChecked = String(state.name !== 'offline');
    this.#sayState();
    // The countdown is for the eye only; a change of state is said once.
    if (state.name !== 'connecting') this.#announce(this.stateLine.textContent);
    if (this.connected) this.dispatchEvent(new Event('connected'));
  }

  #sayState() {
    const { name, reason, until, missing } = this.state;
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    this.stateLine.textContent = {
      connecting: 'connecting',
      connected: missing ? 'connected; some are gone for good' : 'connected',
      offline: reason ? `offline: ${reason}` : 'offline',
      waiting: `reconnecting in ${seconds} s`,
    }[name];
  }

  #add(notification, trip) {
    const item = clone('notification');
    const kind = String(notification.notification_type ?? 'info');
    const title = spell(notification.title) || kind;
    const known = ['info', 'success', 'error'].includes(kind) ? kind : 'info';
    const icon = kind.startsWith('trade.') ? 'trade' : known;
    item.dataset.kind = icon;
    item.classList.add('unread');
    item.querySelector('use').setAttribute('href', `#icon-${icon}`);
    item.querySelector('h3').textContent = title;
    item.querySelector('p').textContent = spell(notification.message);
    item.querySelector('small').textContent = [kind, trip].filter(Boolean).join(' · ');
    const time = item.querySelector('time');
    const at = Date.parse(notification.timestamp) || Date.now();
    time.dateTime = new Date(at).toISOString();
    time.textContent = ago(at);

    this.list.prepend(item);
    this.list.children[KEPT]?.remove();
    this.empty.hidden = true;
    this.#announce(`${title}. ${spell(notification.message)}`);
    this.bell.ring();
  }

  #announce(text) {
    this.announcement.textContent = `${this.user.name}: ${text}`;
  }

  #read() {
    for (const item of this.list.querySelectorAll('.unread')) item.classList.remove('unread');
  }
}
