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
export class Items<Data> {
  #items: readonly Item<Data>[] = [];
  /** Oldest first, not in the list yet. */
  #fresh: Item<Data>[] = [];
  #ids = new Set<string>();
  #room: number;
  /** Whether the gateway has older ones than the list. */
  more = false;
  /** The place in the log up to which the list is complete. */
  newest = -1;

  constructor(private readonly keep: number) {
    this.#room = keep;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** As many as a page has to bring to replace what is shown. */
  get room(): number {
    return this.#room;
  }

  /** The same array until something changes. */
  get all(): readonly Item<Data>[] {
    this.#settle();
    return this.#items;
  }

  /** The cursor to go back from. */
  get oldest(): string | undefined {
    const { all } = this;
    for (let at = all.length - 1; at >= 0; at--) if (all[at]?.cursor !== undefined) return all[at]?.cursor;
    return undefined;
  }

  /** A new one; it goes to the front, since the gateway tells in the order of its log. */
  add(item: Item<Data>): void {
    if (this.#ids.has(item.id)) return this.#replace(item);
    const place = position(item.cursor);
    // A page came first that goes further than this one; what it does not have is behind it, or deleted.
    if (place >= 0 && place < this.newest) return;
    this.newest = Math.max(this.newest, place);
    this.#ids.add(item.id);
    this.#fresh.push(item);
    if (this.#fresh.length >= 2 * this.#room) this.#settle();
  }

  mark({ id, status }: Mark): void {
    if (id !== undefined && !this.#ids.has(id)) return;
    if (status === 'deleted') {
      if (id === undefined) return;
      this.#set(this.all.filter((item) => item.id !== id));
      this.#ids.delete(id);
    } else {
      const concerns = (item: Item<Data>) => !item.read && (id === undefined || item.id === id);
      if (!this.all.some(concerns)) return;
      this.#set(this.all.map((item) => (concerns(item) ? { ...item, read: true } : item)));
    }
  }

  /**
   * The newest page replaces all that was there when it was asked for, which `before` tells; what came
   * meanwhile stays, and what is in no log.
   */
  reload(page: readonly Item<Data>[], before: ReadonlySet<string>, more: boolean): void {
    const listed = new Set(page.map((item) => item.id));
    const newest = position(page[0]?.cursor);
    const own = this.all.filter(
      ({ id, cursor }) =>
        !listed.has(id) &&
        (cursor === undefined || (!before.has(id) && position(cursor) > newest)),
    );
    const merged: Item<Data>[] = [];
    let at = 0;
    for (const item of own) {
      // Without a cursor there is only the time to tell its place.
      for (let next = page[at]; next && item.cursor === undefined && next.time > item.time; next = page[++at]) {
        merged.push(next);
      }
      merged.push(item);
    }
    this.more = more;
    this.newest = Math.max(newest, position(own[0]?.cursor));
    this.#room = Math.max(this.keep, page.length);
    this.#set([...merged, ...page.slice(at)]);
  }

  /** A page of older ones, which followed `before`; returns whether it fitted. */
  append(page: readonly Item<Data>[], before: string | undefined, more: boolean): boolean {
    // The list's end was trimmed meanwhile: there would be a gap.
    if (this.oldest !== before) return false;
    const older = page.filter((item) => !this.#ids.has(item.id));
    this.more = more;
    this.#room = Math.max(this.#room, this.#items.length + older.length);
    this.#set([...this.#items, ...older]);
    return true;
  }

  /** Takes the list of another tab. */
  adopt(items: readonly Item<Data>[], more: boolean): void {
    this.#fresh = [];
    this.more = more;
    this.newest = Math.max(...items.map(({ cursor }) => position(cursor)), -1);
    this.#room = Math.max(this.keep, items.length);
    this.#set(items);
  }

  /** Delivered twice: the later one may know its place in the log. */
  #replace(item: Item<Data>): void {
    const known = this.all.find(({ id }) => id === item.id);
    if (!known || (known.cursor !== undefined && known.read === item.read)) return;
    const next = { ...item, read: known.read || item.read };
    this.#set(this.all.map((one) => (one === known ? next : one)));
  }

  #settle(): void {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh.reverse();
    this.#fresh = [];
    this.#set([...fresh, ...this.#items]);
  }

  #set(items: readonly Item<Data>[]): void {
    this.#items = items;
    this.#ids = new Set(items.map((item) => item.id));
    this.#trim();
  }

  #trim(): void {
    if (this.#items.length <= this.#room) return;
    for (const { id, cursor } of this.#items.slice(this.#room)) {
      this.#ids.delete(id);
      this.more ||= cursor !== undefined;
    }
    this.#items = this.#items.slice(0, this.#room);
  }
}
