// Items as elements, each kept for its notification and moved only when the order changes.

import type { Item } from '../types.js';
import { attribute, h } from './dom.js';
import { CampanileItem } from './item.js';
import type { Kinds } from './kinds.js';
import type { Messages } from './messages/table.js';

/** More at once come without movement: it would be a flicker. */
const ANIMATED = 3;

export interface List {
  readonly element: HTMLElement;
  /** Shows `view`. Answers whether focus was on something that is gone and that nothing could take over. */
  paint(view: readonly Item[], messages: Messages, kinds: Kinds): boolean;
  /** Moves focus to the item at `index` or the nearest one; `false` if there is none. */
  focus(index: number): boolean;
  /** The item that has focus, and its place; -1 if none has. */
  focused(): { item: CampanileItem | undefined; index: number };
}

export function createList(): List {
  /** By notification; each in its `<li>`. */
  const cards = new Map<string, CampanileItem>();
  let current: CampanileItem | undefined;
  const element = h('ul.list', {
    role: 'list',
    focusin({ target }: FocusEvent) {
      current = target as CampanileItem;
      rove();
    },
  });

  /** The Tab key comes to one item, arrows go on from there. */
  const rove = () => {
    const all = [...cards.values()];
    const one = all.find((card) => card === current) ?? element.firstElementChild?.firstChild;
    for (const card of all) card.tabbable = card === one;
  };

  const focus = (index: number) => {
    const rows = [...element.children];
    const card = (rows[Math.max(0, index)] ?? rows.at(-1))?.firstChild;
    (card as CampanileItem | undefined)?.focus();
    return !!card;
  };

  const focused = () => {
    const { activeElement } = element.getRootNode() as ShadowRoot;
    const item = activeElement instanceof CampanileItem ? activeElement : undefined;
    return { item, index: item ? [...element.children].indexOf(row(item)) : -1 };
  };

  return {
    element,
    focus,
    focused,
    paint(view, messages, kinds) {
      const isFirst = cards.size === 0;
      const { item: active, index } = focused();
      const ids = new Set(view.map(({ id }) => id));
      const spare: CampanileItem[] = [];
      for (const [id, card] of cards) {
        if (ids.has(id)) continue;
        cards.delete(id);
        row(card).remove();
        if (card !== active) spare.push(card);
      }
      const fresh = new Set<CampanileItem>();
      let place = element.firstElementChild;
      for (const item of view) {
        let card = cards.get(item.id);
        if (!card) {
          cards.set(item.id, (card = spare.pop() ?? create()));
          fresh.add(card);
        }
        card.show(item, messages, kinds);
        if (row(card) === place) place = place.nextElementSibling;
        else element.insertBefore(row(card), place);
      }
      const moves = !isFirst && fresh.size <= ANIMATED;
      for (const card of cards.values()) row(card).classList.toggle('arrive', moves && fresh.has(card));
      rove();
      return !!active && !active.isConnected && !focus(index);
    },
  };
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
