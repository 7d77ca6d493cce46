import type { Item } from '../types.js';
import { CHECK, CROSS, type Kind, type Kinds, KINDS, kindOf } from './kinds.js';
import { adopt, attribute, h, icon, iconButton, name, text } from './dom.js';
import { formatOf } from './format.js';
import { english } from './messages/en.js';
import type { Messages } from './messages/table.js';
import { ITEM } from './styles/item.js';
import { TOKENS } from './styles/tokens.js';
import { Base } from './base.js';

/** What an item asks its surroundings for. */
export type ItemAction = 'read' | 'remove';

/**
 * One notification. Events: `campanile-open` (cancelable; bubbles out of every shadow), and then `campanile-read`, or
 * `campanile-remove`, each with the item as `detail.item`. It changes nothing itself.
 */
export class CampanileItem extends Base {
  readonly #row: HTMLElement;
  readonly #kind = h('span', { class: 'kind', part: 'icon', 'aria-hidden': 'true' });
  readonly #unread = h('span', { class: 'hidden' });
  readonly #title = h('span', { class: 'title', part: 'title', dir: 'auto' });
  readonly #message = h('span', { class: 'message', part: 'message', dir: 'auto' });
  readonly #time = h('time', { part: 'time' });
  readonly #open: HTMLButtonElement;
  readonly #read = iconButton('read', CHECK, () => this.ask('read'));
  readonly #remove = iconButton('remove', CROSS, () => this.ask('remove'));
  #item: Item | undefined;
  #messages: Messages = english;
  #kinds: Kinds = KINDS;
  #shown: Kind | undefined;

  constructor() {
    super();
    const parts = [this.#unread, this.#title, this.#message, this.#time];
    const keys = { 'aria-keyshortcuts': 'R Delete' };
    const click = () => this.open();
    this.#open = h('button', { type: 'button', class: 'open', part: 'open', ...keys, click }, ...parts);
    const actions = h('span', { class: 'actions', part: 'actions' }, this.#read, this.#remove);
    this.#row = h('div', { part: 'item' }, this.#kind, this.#open, actions);
    const root = this.attachShadow({ mode: 'open' });
    adopt(root, TOKENS, ITEM);
    root.append(this.#row);
  }

  get item(): Item | undefined {
    return this.#item;
  }

  set item(item: Item | undefined) {
    if (item === this.#item) return;
    if (item?.id !== this.#item?.id) this.#row.classList.remove('full');
    this.#item = item;
    this.#render();
  }

  /** Both at once: each has every item drawn anew. */
  dress(messages: Messages, kinds: Kinds): void {
    if (messages === this.#messages && kinds === this.#kinds) return;
    this.#messages = messages;
    this.#kinds = kinds;
    this.#render();
  }

  get messages(): Messages {
    return this.#messages;
  }

  set messages(messages: Messages) {
    this.dress(messages, this.#kinds);
  }

  get types(): Kinds {
    return this.#kinds;
  }

  set types(types: Kinds) {
    this.dress(this.#messages, { ...KINDS, ...types });
  }

  /** Whether the Tab key comes here; in a list it does for one item only. */
  set tabbable(is: boolean) {
    for (const button of [this.#open, this.#read, this.#remove]) button.tabIndex = is ? 0 : -1;
  }

  override focus(options?: FocusOptions): void {
    this.#open.focus(options);
  }

  /** As if it had been clicked. */
  open(): void {
    this.#row.classList.add('full');
    const { item } = this;
    const options = { detail: { item }, bubbles: true, composed: true, cancelable: true };
    if (this.dispatchEvent(new CustomEvent('campanile-open', options))) this.ask('read');
  }

  /** Brings the age up to date. */
  tick(now: number): void {
    if (this.#item) text(this.#time, formatOf(this.#messages).age(this.#item.time, now));
  }

  /** As if its button had been clicked; `campanile-read` or `campanile-remove` follows. */
  ask(action: ItemAction): void {
    const { item } = this;
    this.dispatchEvent(new CustomEvent(`campanile-${action}`, { detail: { item }, bubbles: true }));
  }

  #render(): void {
    const item = this.#item;
    if (!item) return;
    const messages = this.#messages;
    const kind = kindOf(this.#kinds, item.type);
    if (kind !== this.#shown) {
      this.#shown = kind;
      this.style.setProperty('--_kind', kind.color);
      this.#kind.replaceChildren(typeof kind.icon === 'string' ? icon(kind.icon) : kind.icon());
    }
    attribute(this.#row, 'part', item.read ? 'item' : 'item unread');
    this.#row.classList.add('row');
    this.#row.classList.toggle('unread', !item.read);
    text(this.#unread, item.read ? '' : `${messages.unreadItem}. `);
    text(this.#title, item.title || item.type);
    text(this.#message, item.message);
    attribute(this.#time, 'datetime', new Date(item.time).toISOString());
    attribute(this.#time, 'title', formatOf(messages).exact(item.time));
    name(this.#read, messages.markRead);
    name(this.#remove, messages.remove);
    this.#read.hidden = item.read;
    this.tick(Date.now());
  }
}
