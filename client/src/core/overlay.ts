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
export class Overlay<Data> {
  readonly #early = new Set<Early>();
  #from: readonly Item<Data>[] = [];
  #shown: readonly Item<Data>[] = [];
  #stale = true;

  put(status: Early['status'], ids: Iterable<string>): Early {
    const early = { status, ids: new Set(ids) };
    this.#early.add(early);
    this.#stale = true;
    return early;
  }

  /** It was confirmed or refused. */
  take(early: Early): void {
    this.#early.delete(early);
    this.#stale = true;
  }

  /** The list as it is shown; the same array for the same list while nothing changes. */
  over(items: readonly Item<Data>[]): readonly Item<Data>[] {
    if (!this.#stale && items === this.#from) return this.#shown;
    this.#from = items;
    this.#stale = false;
    const read = this.#ids('read');
    const deleted = this.#ids('deleted');
    if (read.size + deleted.size === 0) return (this.#shown = items);
    const before = new Map(this.#shown.map((item) => [item.id, item]));
    this.#shown = items
      .filter(({ id }) => !deleted.has(id))
      .map((item) => {
        if (item.read || !read.has(item.id)) return item;
        const shown = before.get(item.id);
        // The same object as last time, for lists that draw what has changed.
        return shown?.read && shown.fields === item.fields ? shown : { ...item, read: true };
      });
    return this.#shown;
  }

  #ids(status: Early['status']): Set<string> {
    const ids = new Set<string>();
    for (const early of this.#early) {
      if (early.status === status) for (const id of early.ids) ids.add(id);
    }
    return ids;
  }
}
