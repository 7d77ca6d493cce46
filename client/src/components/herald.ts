// Tells of what arrived: to a screen reader, and if wanted with a sound and by the operating system.

import type { Item, Store } from '../types.js';
import { attend } from './attend.js';
import { h, text } from './dom.js';
import { formatOf } from './format.js';
import type { Messages } from './messages/table.js';
import { isWanted, watchVisibility } from './wishes.js';

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

export interface Herald {
  /** To be put where it is never hidden. */
  readonly element: HTMLElement;
  attach(store: Store): (() => void)[];
  /** Has `words` read aloud, soon. */
  say(words: string): void;
}

export function createHerald(teller: Teller): Herald {
  const element = h('div', { class: 'hidden', role: 'status' });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let spoke = -APART_MS;
  let said = '';
  let store: Store | undefined;
  let count = 0;
  let last: Item | undefined;

  const forget = () => {
    timer = last = undefined;
    count = 0;
  };

  const plan = () => {
    if (timer) return;
    timer = setTimeout(speak, Math.max(SOON_MS, spoke + APART_MS - performance.now()));
    // The same words again are news only after silence.
    text(element, '');
  };

  const speak = () => {
    const { messages } = teller;
    const item = last;
    let arrived = '';
    if (item) {
      const words = formatOf(messages).plural(messages.arrived, count);
      const title = count > 1 ? words : item.title;
      arrived = count > 1 ? words : `${words}: ${title}`;
      // By the tab that holds the socket only.
      if (store?.getState().leads && (isWanted('alerts') || isWanted('sound'))) {
        import('./alerts.js').then(
          ({ alert }) => alert(title, item, () => teller.openItem(item)),
          () => {},
        );
      }
    }
    text(element, [said, arrived].filter(Boolean).join('. '));
    spoke = performance.now();
    said = '';
    forget();
  };

  const herald: Herald = {
    element,
    attach(now) {
      watchVisibility();
      store = now;
      const { speaks, leave } = attend(now, herald);
      return [
        leave,
        now.on('notification', ({ item, missed }) => {
          // What is for everybody counts as read, and is news.
          if (!speaks() || (missed && (item.read || Date.now() - item.time > NEWS_MS))) return;
          count += 1;
          last = item;
          plan();
        }),
        () => {
          clearTimeout(timer);
          forget();
        },
      ];
    },
    say(words) {
      said = words;
      plan();
    },
  };
  return herald;
}
