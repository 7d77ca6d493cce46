import type { Item } from '../types.js';
import { Base } from './base.js';
import { attribute, fire, h, icon, iconButton, label, shade, text } from './dom.js';
import { formatOf } from './format.js';
import { CHECK, CROSS, type Kind, type Kinds, KINDS, kindOf } from './kinds.js';
import { english } from './messages/en.js';
import type { Messages } from './messages/table.js';
import { ITEM } from './styles/item.js';
import { TOKENS } from './styles/tokens.js';

/**
 * One notification. Events: `campanile-open` (cancelable; bubbles out of every shadow) and unless that was cancelled
 * `campanile-read`, or `campanile-remove`, each with the item as `detail.item`. It changes nothing itself.
 */
export class CampanileItem extends Base {
  readonly #icon = h('span.kind', { 'aria-hidden': 'true' });
  readonly #unread = h('span.hidden');
  readonly #title = h('span.title', { dir: 'auto' });
  readonly #message = h('span.message', { dir: 'auto' });
  readonly #time = h('time.time');
  readonly #open = h(
    'button.open',
    { 'aria-keyshortcuts': 'R Delete', click: () => this.open() },
    this.#unread,
    this.#title,
    this.#message,
    this.#time,
  );
  readonly #read = iconButton('read', CHECK, () => this.ask('read'));
  readonly #remove = iconButton('remove', CROSS, () => this.ask('remove'));
  readonly #row = h(
    'div.item',
    {},
    this.#icon,
    this.#open,
    h('span.actions', {}, this.#read, this.#remove),
  );
  #item: Item | undefined;
  #messages: Messages = english;
  #kinds: Kinds = KINDS;
  #kind: Kind | undefined;

  constructor() {
    super();
    shade(this, this.#row, TOKENS, ITEM);
  }

  get item(): Item | undefined {
    return this.#item;
  }

  set item(item: Item | undefined) {
    this.show(item, this.#messages, this.#kinds);
  }

  /** Whether the Tab key comes here; in a list it does for one item only. */
  set tabbable(is: boolean) {
    const tabindex = is ? '0' : '-1';
    for (const button of [this.#open, this.#read, this.#remove]) attribute(button, 'tabindex', tabindex);
  }

  override focus(options?: FocusOptions): void {
    this.#open.focus(options);
  }

  /** As if it had been clicked. */
  open(): void {
    this.#row.classList.add('full');
    if (fire(this, 'open', { item: this.#item }, true)) this.ask('read');
  }

  /** As if its button had been clicked. */
  ask(action: 'read' | 'remove'): void {
    fire(this, action, { item: this.#item });
  }

  /** In another language, or with other looks; the same once more brings its age up to date. */
  show(item: Item | undefined, messages: Messages, kinds: Kinds): void {
    const isOld = item === this.#item && messages === this.#messages && kinds === this.#kinds;
    if (item?.id !== this.#item?.id) this.#row.classList.remove('full');
    this.#item = item;
    this.#messages = messages;
    this.#kinds = kinds;
    if (!item) return;
    if (!isOld) this.#draw(item);
    text(this.#time, formatOf(messages).age(item.time));
  }

  #draw(item: Item): void {
    const messages = this.#messages;
    const kind = kindOf(this.#kinds, item.type);
    if (kind !== this.#kind) {
      this.#kind = kind;
      this.#icon.style.setProperty('--_kind', kind.color);
      this.#icon.replaceChildren(typeof kind.icon === 'string' ? icon(kind.icon) : kind.icon());
    }
    attribute(this.#row, 'part', item.read ? 'item' : 'item unread');
    this.#row.classList.toggle('unread', !item.read);
    text(this.#unread, item.read ? '' : `${messages.unreadItem}. `);
    text(this.#title, item.title || item.type);
    text(this.#message, item.message);
    attribute(this.#time, 'datetime', new Date(item.time).toISOString());
    attribute(this.#time, 'title', formatOf(messages).exact(item.time));
    label(this.#read, messages.markRead);
    label(this.#remove, messages.remove);
    this.#read.hidden = item.read;
  }
}
