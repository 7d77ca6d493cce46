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
  /** As many as a page has to bring to replace what is shown. */
  room: number;
  /** Whether the gateway has older ones than the list. */
  more = false;
  /** The place in the log up to which the list is complete. */
  newest = -1;

  constructor(private readonly keep: number) {
    this.room = keep;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** The same array until something changes. */
  get all(): readonly Item<Data>[] {
    if (this.#fresh.length > 0) this.#set([...this.#fresh.reverse(), ...this.#items]);
    return this.#items;
  }

  /** The cursor to go back from. */
  get oldest(): string | undefined {
    return this.all.filter(({ cursor }) => cursor).at(-1)?.cursor;
  }

  /** A new one; it goes to the front, since the gateway tells in the order of its log. */
  add(item: Item<Data>): void {
    if (this.has(item.id)) return this.#replace(item);
    const place = position(item.cursor);
    // A page came first that goes further than this one; what it does not have is behind it, or deleted.
    if (place >= 0 && place < this.newest) return;
    this.newest = Math.max(this.newest, place);
    this.#ids.add(item.id);
    // Looking at the list puts them in.
    if (this.#fresh.push(item) >= 2 * this.room) void this.all;
  }

  mark({ id, status }: Mark): void {
    if (id !== undefined && !this.has(id)) return;
    const concerns = (item: Item<Data>) => id === undefined || item.id === id;
    if (status === 'deleted') {
      if (id !== undefined) this.#set(this.all.filter((item) => !concerns(item)));
    } else if (this.all.some((item) => !item.read && concerns(item))) {
      this.#set(this.all.map((item) => (!item.read && concerns(item) ? { ...item, read: true } : item)));
    }
  }

  /**
   * The newest page replaces all that was there when it was asked for, which `before` tells; what came
   * meanwhile stays, and what is in no log.
   */
  reload(page: readonly Item<Data>[], before: ReadonlySet<string>, more: boolean): void {
    const listed = new Set(page.map(({ id }) => id));
    const newest = position(page[0]?.cursor);
    const own = this.all.filter(
      ({ id, cursor }) => !listed.has(id) && (!cursor || (!before.has(id) && position(cursor) > newest)),
    );
    const merged = [...page];
    let at = 0;
    for (const item of own) {
      // Without a cursor there is only the time to tell its place.
      while (!item.cursor && (merged[at]?.time ?? 0) > item.time) at++;
      merged.splice(at++, 0, item);
    }
    this.newest = Math.max(newest, position(own[0]?.cursor));
    this.#fit(page.length);
    this.more = more;
    this.#set(merged);
  }

  /** A page of older ones, which followed `before`; returns whether it fitted. */
  append(page: readonly Item<Data>[], before: string | undefined, more: boolean): boolean {
    // The list's end was trimmed meanwhile: there would be a gap.
    if (this.oldest !== before) return false;
    const all = [...this.all, ...page.filter(({ id }) => !this.has(id))];
    this.more = more;
    this.room = Math.max(this.room, all.length);
    this.#set(all);
    return true;
  }

  /** Takes the list of another tab. */
  adopt(items: readonly Item<Data>[], more: boolean): void {
    this.newest = Math.max(-1, ...items.map(({ cursor }) => position(cursor)));
    this.#fit(items.length);
    this.more = more;
    this.#set(items);
  }

  #fit(length: number): void {
    this.room = Math.max(this.keep, length);
  }

  /** Delivered twice: the later one may know its place in the log. */
  #replace(item: Item<Data>): void {
    const known = this.all.find(({ id }) => id === item.id);
    if (!known || (known.cursor && known.read === item.read)) return;
    const next = { ...item, read: known.read || item.read };
    this.#set(this.all.map((one) => (one === known ? next : one)));
  }

  /** What does not fit is left to the gateway. */
  #set(items: readonly Item<Data>[]): void {
    this.more ||= items.slice(this.room).some(({ cursor }) => cursor);
    this.#fresh = [];
    this.#items = items.slice(0, this.room);
    this.#ids = new Set(this.#items.map(({ id }) => id));
  }
}
