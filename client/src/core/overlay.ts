import type { Item } from '../types.js';

/**
 * What the page has asked for, over what the gateway has told. Taking one back leaves all others, and whatever
 * the gateway has told since; a copy of the list from before would not.
 */
export interface Overlay<Data> {
  /** Shows `ids` as read, or not at all, until the returned function is called: it was confirmed or refused. */
  put(ids: Iterable<string>, deleted: boolean): () => void;
  /** The list as it is shown; the same array for the same list while nothing changes. */
  over(items: readonly Item<Data>[]): readonly Item<Data>[];
}

export function createOverlay<Data>(): Overlay<Data> {
  const all = new Set<{ readonly ids: ReadonlySet<string>; readonly deleted: boolean }>();
  /** Always the same object for an item, for lists that draw what has changed. */
  const copies = new WeakMap<Item<Data>, Item<Data>>();
  let from: readonly Item<Data>[] | undefined;
  let shown: readonly Item<Data>[] = [];

  const show = (item: Item<Data>): Item<Data>[] => {
    const early = [...all].filter(({ ids }) => ids.has(item.id));
    if (early.some(({ deleted }) => deleted)) return [];
    if (item.read || early.length === 0) return [item];
    const copy = copies.get(item) ?? { ...item, read: true };
    copies.set(item, copy);
    return [copy];
  };

  return {
    put(ids, deleted) {
      const early = { ids: new Set(ids), deleted };
      all.add(early);
      from = undefined;
      return () => {
        all.delete(early);
        from = undefined;
      };
    },
    over(items) {
      if (items !== from) shown = all.size > 0 ? items.flatMap(show) : items;
      from = items;
      return shown;
    },
  };
}
