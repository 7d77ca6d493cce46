import type { Item } from '../types.js';

/** One change that is shown before the gateway has confirmed it. */
export interface Early {
  readonly status: 'read' | 'deleted';
  readonly ids: ReadonlySet<string>;
}

/**
 * What the page has asked for, over what the gateway has told. Taking one back leaves all others, and whatever
 * the gateway has told since; a copy of the list from before would not.
 */
export interface Overlay<Data> {
  put(status: Early['status'], ids: Iterable<string>): Early;
  /** It was confirmed or refused. */
  take(early: Early): void;
  /** The list as it is shown; the same array for the same list while nothing changes. */
  over(items: readonly Item<Data>[]): readonly Item<Data>[];
}

export function createOverlay<Data>(): Overlay<Data> {
  const all = new Set<Early>();
  /** Always the same object for an item, for lists that draw what has changed. */
  const copies = new WeakMap<Item<Data>, Item<Data>>();
  let from: readonly Item<Data>[] | undefined;
  let shown: readonly Item<Data>[] = [];

  const is = (wanted: Early['status'], { id }: Item<Data>) =>
    [...all].some(({ status, ids }) => status === wanted && ids.has(id));

  const read = (item: Item<Data>) => {
    const copy = copies.get(item) ?? { ...item, read: true };
    copies.set(item, copy);
    return copy;
  };

  return {
    put(status, ids) {
      const early = { status, ids: new Set(ids) };
      all.add(early);
      from = undefined;
      return early;
    },
    take(early) {
      all.delete(early);
      from = undefined;
    },
    over(items) {
      if (items === from) return shown;
      from = items;
      shown = items;
      if (all.size > 0) {
        shown = items
          .filter((item) => !is('deleted', item))
          .map((item) => (!item.read && is('read', item) ? read(item) : item));
      }
      return shown;
    },
  };
}
