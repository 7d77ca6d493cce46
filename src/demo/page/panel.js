// One user's window: a page with a bell in its head, and the same list laid open.

import { Campanile } from '/demo/campanile.js';
import { clone } from '/demo/dom.js';

const WORDS = {
  idle: 'offline',
  connecting: 'connecting',
  open: 'connected',
  waiting: 'reconnecting',
  offline: 'no network',
  closed: 'refused',
};

/** Event: `open`, when what is published arrives. */
export class Panel extends EventTarget {
  /**
   * `token()` resolves to a token. `arrived(user, notification)` is called for each delivery, `drop(user)` has the
   * gateway close the user's sockets.
   */
  constructor(user, token, { arrived, drop }) {
    super();
    this.user = user;
    this.element = clone('panel');
    this.store = new Campanile({ url: location.origin, token });
    const find = (selector) => this.element.querySelector(selector);

    const heading = find('h2');
    heading.textContent = user.name;
    heading.id = `panel-${user.id}`;
    this.element.setAttribute('aria-labelledby', heading.id);
    this.element.dataset.user = user.id;
    find('.avatar').textContent = user.name.slice(0, 1);

    this.shown = [find('campanile-bell'), find('campanile-panel')];
    for (const element of this.shown) element.store = this.store;

    this.switch = find('.switch');
    this.switch.ariaLabel = `${user.name}'s connection`;
    this.switch.addEventListener('click', () => {
      if (this.switch.ariaChecked === 'true') this.store.disconnect();
      else this.store.connect();
    });
    this.drop = find('.drop');
    this.drop.ariaLabel = `Drop ${user.name}'s connection`;
    this.drop.addEventListener('click', () => drop(user));

    this.stateLine = find('.state');
    this.store.subscribe((state) => this.#state(state));
    this.store.on('notification', ({ item }) => arrived(user, item));
    this.#state(this.store.getState());
  }

  get connected() {
    return this.store.getState().connection === 'open';
  }

  /** `texts` is a table of the library. */
  speak(texts) {
    for (const element of this.shown) element.messages = texts;
  }

  #state({ connection }) {
    if (this.element.dataset.state === connection) return;
    this.element.dataset.state = connection;
    this.stateLine.textContent = WORDS[connection];
    this.switch.ariaChecked = String(connection !== 'idle');
    this.drop.disabled = connection !== 'open';
    if (connection === 'open') this.dispatchEvent(new Event('open'));
  }
}
