// Items as elements, each kept for its notification and moved only when the order changes.

import type { Item } from '../types.js';
import { attribute, h } from './dom.js';
import { CampanileItem } from './item.js';
import type { Kinds } from './kinds.js';
import type { Messages } from './messages/table.js';

/** More at once come without movement: it would be a flicker. */
const ANIMATED = 3;

export class List {
  readonly element = h('ul.list', { role: 'list' });
  /** By notification; each in its `<li>`. */
  readonly #cards = new Map<string, CampanileItem>();
  #current: CampanileItem | undefined;

  constructor() {
    this.element.addEventListener('focusin', ({ target }) => {
      this.#current = target as CampanileItem;
      this.#rove();
    });
  }

  /** Shows `view`. Answers whether focus was on something that is gone and that nothing could take over. */
  paint(view: readonly Item[], messages: Messages, kinds: Kinds): boolean {
    const first = this.#cards.size === 0;
    const wanted = new Set(view.map(({ id }) => id));
    const { item: focused, index } = this.focused();
    const spare: CampanileItem[] = [];
    let orphan = false;
    for (const [id, card] of this.#cards) {
      if (wanted.has(id)) continue;
      this.#cards.delete(id);
      if (card !== focused) spare.push(card);
      else {
        orphan = true;
        row(card).remove();
      }
    }
    const fresh: CampanileItem[] = [];
    for (const item of view) {
      let card = this.#cards.get(item.id);
      if (!card) {
        this.#cards.set(item.id, (card = spare.pop() ?? create()));
        fresh.push(card);
      }
      card.show(item, messages, kinds);
      card.tick();
    }
    for (const card of spare) row(card).remove();
    this.#order(view);
    for (const card of this.#cards.values()) {
      row(card).classList.toggle('arrive', !first && fresh.length <= ANIMATED && fresh.includes(card));
    }
    this.#rove();
    return orphan && !this.focus(index);
  }

  /** Moves focus to the item at `index` or the nearest one; `false` if there is none. */
  focus(index: number): boolean {
    const rows = this.element.children;
    const card = rows[Math.max(0, Math.min(index, rows.length - 1))]?.firstElementChild;
    (card as CampanileItem | undefined)?.focus();
    return Boolean(card);
  }

  /** The item that has focus, and its place; -1 if none has. */
  focused(): { item: CampanileItem | undefined; index: number } {
    const { activeElement } = this.element.getRootNode() as ShadowRoot;
    const item = activeElement instanceof CampanileItem ? activeElement : undefined;
    return { item, index: item ? [...this.element.children].indexOf(row(item)) : -1 };
  }

  #order(view: readonly Item[]): void {
    let place = this.element.firstElementChild;
    for (const { id } of view) {
      const line = row(this.#cards.get(id) as CampanileItem);
      if (line === place) place = place.nextElementSibling;
      else this.element.insertBefore(line, place);
    }
  }

  /** The Tab key comes to one item, arrows go on from there. */
  #rove(): void {
    const cards = [...this.#cards.values()];
    const current =
      cards.find((card) => card === this.#current) ?? this.element.firstElementChild?.firstChild;
    for (const card of cards) card.tabbable = card === current;
  }
}

function row(card: CampanileItem): HTMLElement {
  return card.parentElement as HTMLElement;
}

function create(): CampanileItem {
  const card = new CampanileItem();
  const parts = 'item,unread,kind,open,title,message,time,actions,icon,read,remove';
  attribute(card, 'exportparts', parts);
  h('li', {}, card);
  return card;
}
