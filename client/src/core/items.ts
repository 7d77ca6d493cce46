import type { Item } from '../types.js';
import { position } from './wire.js';

/** What happened to entries of the inbox. */
export interface Mark {
  /** `undefined`: to all. */
  readonly id: string | undefined;
  readonly status: 'read' | 'deleted' | 'all_read';
}

/**
 * What the gateway has told of the newest notifications, newest first. New ones are collected and put in
 * front together, so that a notification costs the same however long the list is.
 */
export interface Items<Data> {
  /** The same array until something changes. */
  all(): readonly Item<Data>[];
  /** Whether the gateway has older ones than the list. */
  more(): boolean;
  /** As many as a page has to bring to replace what is shown. */
  room(): number;
  /** The cursor to go back from. */
  oldest(): string | undefined;
  /** A new one goes to the front, since the gateway tells in the order of its log; one that is there is completed. */
  add(item: Item<Data>, isNew?: boolean): void;
  mark(mark: Mark): void;
  /**
   * The newest page replaces all that was there when it was asked for, which `before` tells; what came
   * meanwhile stays, and what is in no log.
   */
  reload(page: readonly Item<Data>[], before: ReadonlySet<string>, more: boolean): void;
  /** A page of older ones, which followed `before`; returns whether it fitted. */
  append(page: readonly Item<Data>[], before: string | undefined, more: boolean): boolean;
  /** Takes the list of another tab. */
  adopt(items: readonly Item<Data>[], more: boolean): void;
  /** Another log: what follows has places of its own. */
  renumber(): void;
}

export function createItems<Data>(keep: number): Items<Data> {
  let items: readonly Item<Data>[] = [];
  /** Oldest first, not in the list yet. */
  let fresh: Item<Data>[] = [];
  let ids = new Set<string>();
  let room = keep;
  let more = false;
  /** The place in the log up to which the list is complete. */
  let newest = -1;

  /** What does not fit is left to the gateway. */
  const set = (next: readonly Item<Data>[]) => {
    more ||= next.slice(room).some(({ cursor }) => cursor);
    fresh = [];
    items = next.slice(0, room);
    ids = new Set(items.map(({ id }) => id));
  };

  const all = () => {
    if (fresh.length > 0) set([...fresh.reverse(), ...items]);
    return items;
  };

  const oldest = () => all().filter(({ cursor }) => cursor).at(-1)?.cursor;

  /** Changes those that `concerns` is true of. */
  const change = (concerns: (item: Item<Data>) => boolean, make: (item: Item<Data>) => Item<Data>) => {
    if (all().some(concerns)) set(items.map((item) => (concerns(item) ? make(item) : item)));
  };

  const replace = (next: readonly Item<Data>[], older: boolean, size: number) => {
    newest = Math.max(-1, ...next.map(({ cursor }) => position(cursor)));
    room = Math.max(keep, size);
    more = older;
    set(next);
  };

  return {
    all,
    more: () => more,
    room: () => room,
    oldest,
    adopt: (next, older) => replace(next, older, next.length),
    renumber() {
      newest = -1;
    },
    add(item, isNew = true) {
      const { id, cursor } = item;
      if (ids.has(id)) {
        // Delivered twice: the later one may know its place in the log.
        const lacks = (known: Item<Data>) => known.id === id && !(known.cursor && known.read === item.read);
        return change(lacks, ({ read }) => ({ ...item, read: read || item.read }));
      }
      const place = position(cursor);
      // A page came first that goes further than this one; what it does not have is behind it, or deleted.
      if (!isNew || (cursor && place < newest)) return;
      newest = Math.max(newest, place);
      ids.add(id);
      // Looking at the list puts them in.
      if (fresh.push(item) >= 2 * room) all();
    },
    mark({ id, status }) {
      if (id && !ids.has(id)) return;
      if (status === 'deleted') set(all().filter((item) => item.id !== id));
      else {
        change(
          (item) => !item.read && (!id || item.id === id),
          (item) => ({ ...item, read: true }),
        );
      }
    },
    reload(page, before, older) {
      const listed = new Set(page.map(({ id }) => id));
      const last = position(page[0]?.cursor);
      const own = all().filter(
        ({ id, cursor }) => !listed.has(id) && (!cursor || (!before.has(id) && position(cursor) > last)),
      );
      const merged = [...page];
      let at = 0;
      for (const item of own) {
        // Without a cursor there is only the time to tell its place.
        while (!item.cursor && (merged[at]?.time ?? 0) > item.time) at++;
        merged.splice(at++, 0, item);
      }
      replace(merged, older, page.length);
    },
    append(page, before, older) {
      // The list's end was trimmed meanwhile: there would be a gap.
      if (oldest() !== before) return false;
      const next = [...items, ...page.filter(({ id }) => !ids.has(id))];
      more = older;
      room = Math.max(room, next.length);
      set(next);
      return true;
    },
  };
}
