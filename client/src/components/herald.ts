// Tells of what arrived: to a screen reader, and if wanted with a sound and by the operating system.

import type { Events, Item, Store } from '../types.js';
import { alert, ring, watchVisibility } from './alerts.js';
import { attend, speaks } from './attend.js';
import { h, text } from './dom.js';
import { formatOf } from './format.js';
import type { Messages } from './messages/table.js';

/** A first word comes soon, the next ones at this distance: a voice takes its time. */
const SOON_MS = 300;
const APART_MS = 4000;
/** What was missed longer ago than this is in the list, but no news. */
const NEWS_MS = 5 * 60_000;

export interface Teller {
  readonly messages: Messages;
  /** Opens an item, as if it had been clicked. */
  openItem(item: Item): void;
}

export class Herald {
  /** To be put where it is never hidden. */
  readonly element = h('div', { class: 'hidden', role: 'status' });
  readonly #teller: Teller;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #spoke = -APART_MS;
  #said = '';
  #store: Store | undefined;
  #count = 0;
  #last: Item | undefined;

  constructor(teller: Teller) {
    this.#teller = teller;
  }

  attach(store: Store): (() => void)[] {
    watchVisibility();
    this.#store = store;
    return [
      attend(store, this),
      store.on('notification', (event) => speaks(store, this) && this.#heard(event)),
      () => {
        clearTimeout(this.#timer);
        this.#timer = this.#last = undefined;
        this.#count = 0;
      },
    ];
  }

  /** Has `words` read aloud, soon. */
  say(words: string): void {
    this.#said = words;
    this.#plan();
  }

  #heard({ item, missed }: Events['notification']): void {
    if (item.read || (missed && Date.now() - item.time > NEWS_MS)) return;
    this.#count += 1;
    this.#last = item;
    this.#plan();
  }

  #plan(): void {
    if (this.#timer !== undefined) return;
    const wait = Math.max(SOON_MS, this.#spoke + APART_MS - performance.now());
    this.#timer = setTimeout(() => this.#speak(), wait);
    // The same words again are news only after silence.
    text(this.element, '');
  }

  #speak(): void {
    const { messages } = this.#teller;
    const words = [this.#said];
    if (this.#last && this.#count > 0) {
      const item = this.#last;
      const arrived = formatOf(messages).plural(messages.arrived, this.#count);
      words.push(this.#count > 1 ? arrived : `${arrived}: ${item.title}`);
      if (this.#store) {
        ring(this.#store);
        const title = this.#count > 1 ? arrived : item.title;
        void alert(this.#store, title, item, () => this.#teller.openItem(item));
      }
    }
    text(this.element, words.filter(Boolean).join('. '));
    this.#timer = undefined;
    this.#spoke = performance.now();
    this.#said = '';
    this.#count = 0;
    this.#last = undefined;
  }
}
