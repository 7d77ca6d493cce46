// Items as elements, each kept for its notification and moved only when the order changes.

import type { Item } from '../types.js';
import { h } from './dom.js';
import { CampanileItem } from './item.js';
import type { Kinds } from './kinds.js';
import type { Messages } from './messages/table.js';

interface Card {
  readonly row: HTMLLIElement;
  readonly item: CampanileItem;
}

/** More at once come without movement: it would be a flicker. */
const ANIMATED = 3;
export const ITEM_PARTS =
  'item,unread,icon,open,title,message,time,actions,button,read,remove';

export class List {
  readonly element = h('ul', { part: 'list', role: 'list' });
  readonly #cards = new Map<string, Card>();
  #current = '';
  #ticked = 0;

  constructor() {
    this.element.addEventListener('focusin', ({ target }) => {
      if (!(target instanceof CampanileItem) || !target.item) return;
      this.#current = target.item.id;
      this.#rove();
    });
    this.element.addEventListener('animationend', ({ target }) => {
      if (target instanceof HTMLLIElement) target.className = '';
    });
  }

  /** Shows `view`. Answers whether focus was on something that is gone and that nothing could take over. */
  paint(view: readonly Item[], messages: Messages, kinds: Kinds): boolean {
    const first = this.#cards.size === 0;
    const wanted = new Set(view.map(({ id }) => id));
    const { index } = this.focused();
    const focused = this.element.children[index];
    const spare: Card[] = [];
    let orphan = false;
    for (const [id, card] of this.#cards) {
      if (wanted.has(id)) continue;
      this.#cards.delete(id);
      if (card.row !== focused) spare.push(card);
      else {
        orphan = true;
        card.row.remove();
      }
    }
    const fresh: Card[] = [];
    for (const item of view) {
      let card = this.#cards.get(item.id);
      if (!card) {
        this.#cards.set(item.id, (card = spare.pop() ?? create()));
        fresh.push(card);
      }
      card.item.dress(messages, kinds);
      card.item.item = item;
    }
    for (const { row } of spare) row.remove();
    this.#order(view);
    if (!first && fresh.length <= ANIMATED) for (const { row } of fresh) row.className = 'arrive';
    this.#rove();
    this.#tick();
    return orphan && !this.focus(index);
  }

  /** Moves focus to the item at `index` or the nearest one; `false` if there is none. */
  focus(index: number): boolean {
    const rows = this.element.children;
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
    const item = row?.firstElementChild;
    if (!(item instanceof CampanileItem)) return false;
    item.focus();
    row?.scrollIntoView({ block: 'nearest' });
    return true;
  }

  /** The item that has focus, and its place; -1 if none has. */
  focused(): { item: CampanileItem | undefined; index: number } {
    const item = (this.element.getRootNode() as ShadowRoot).activeElement;
    if (!(item instanceof CampanileItem)) return { item: undefined, index: -1 };
    return { item, index: [...this.element.children].indexOf(item.parentElement as Element) };
  }

  get size(): number {
    return this.#cards.size;
  }

  #order(view: readonly Item[]): void {
    let place = this.element.firstElementChild;
    for (const { id } of view) {
      const row = this.#cards.get(id)?.row;
      if (!row) continue;
      if (row === place) place = place.nextElementSibling;
      else this.element.insertBefore(row, place);
    }
  }

  /** The Tab key comes to one item, arrows go on from there. */
  #rove(): void {
    const current = this.#cards.get(this.#current)?.row ?? this.element.firstElementChild;
    for (const { row, item } of this.#cards.values()) item.tabbable = row === current;
  }

  #tick(): void {
    const now = Date.now();
    if (now - this.#ticked < 10_000) return;
    this.#ticked = now;
    for (const { item } of this.#cards.values()) item.tick(now);
  }
}

function create(): Card {
  const item = new CampanileItem();
  item.setAttribute('exportparts', ITEM_PARTS);
  return { row: h('li', {}, item), item };
}
