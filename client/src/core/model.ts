import type { Events, Item, State } from '../types.js';
import { Items, type Mark } from './items.js';
import { Overlay } from './overlay.js';
import { Seen } from './seen.js';
import { Unread } from './unread.js';
import { cursorOf, type Frame, parseItem, position } from './wire.js';

/** All that another tab needs to go on from here. */
export interface Snapshot<Data = unknown> {
  readonly items: readonly Item<Data>[];
  readonly more: boolean;
  readonly list: State['list'];
  readonly cursor: string | undefined;
  readonly count: number | undefined;
  readonly version: number | undefined;
}

/** An event that is to be told once the state shows it. */
export type Told<Data> = {
  [Name in keyof Events<Data>]: readonly [name: Name, event: Events<Data>[Name]];
}[keyof Events<Data>];

/** One page as it was asked for, and what happened while it was on its way. */
export interface Loading {
  readonly before: ReadonlySet<string>;
  readonly marks: Mark[];
}

/** What one tab knows, told by frames. No IO, no clock of its own. */
export class Model<Data> {
  readonly items: Items<Data>;
  readonly overlay = new Overlay<Data>();
  readonly unread = new Unread();
  readonly #seen = new Seen();
  list: State['list'] = 'loading';
  /** A reload was begun and has not come to its end. */
  stale = false;
  /** Where the log goes on for this browser. */
  cursor: string | undefined;
  /** Frames still to come that are replays. */
  #missed = 0;
  readonly #loading = new Set<Loading>();

  constructor(
    keep: number,
    private readonly now: () => number,
    private readonly tell: (...told: Told<Data>) => void,
  ) {
    this.items = new Items(keep);
  }

  /** Returns what has to be done now: `reload` the list, or reload it because something is `lost`. */
  frame({ type, data }: Frame): 'reload' | 'lost' | undefined {
    switch (type) {
      case 'notification':
        this.#notification(data);
        break;
      case 'notification_update':
        this.#update(data);
        break;
      case 'unread_count':
        this.#count(data);
        break;
      case 'connected':
        return this.#connected(data);
    }
    return undefined;
  }

  /** A page is asked for. */
  load(): Loading {
    const loading = { before: new Set(this.items.all.map(({ id }) => id)), marks: [] };
    this.#loading.add(loading);
    return loading;
  }

  /** It has come, or will not. */
  loaded(loading: Loading): void {
    this.#loading.delete(loading);
    // The page may be from before these.
    for (const mark of loading.marks) this.items.mark(mark);
  }

  /** Entries of a page, newest first. */
  parse(page: unknown): Item<Data>[] {
    if (!Array.isArray(page)) return [];
    const items = page.map((fields) => parseItem<Data>(fields, this.now()));
    return items.filter((item) => item !== undefined);
  }

  mark(mark: Mark): void {
    this.items.mark(mark);
    for (const { marks } of this.#loading) marks.push(mark);
  }

  snapshot(): Snapshot<Data> {
    const { items, list, cursor, unread } = this;
    return { items: items.all, more: items.more, list, cursor, ...unread };
  }

  /** Takes over what another tab knows; what it was told meanwhile, this one is told now. */
  adopt({ items, more, list, cursor, count, version }: Snapshot<Data>): void {
    const late = this.cursor !== undefined;
    for (const item of [...items].reverse()) {
      const isNew = this.#seen.add(item.id);
      if (late && isNew && position(item.cursor) > position(this.cursor)) {
        this.tell('notification', { item, missed: true });
      }
    }
    this.items.adopt(items, more);
    this.list = list;
    this.cursor = cursor ?? this.cursor;
    if (this.unread.set(count, version, true)) this.#tellCount();
  }

  #connected(data: Frame['data']): 'reload' | 'lost' | undefined {
    const whole = data.recovered === true;
    const cursor = cursorOf(data.cursor);
    const known = this.unread.version === data.version;
    if (this.unread.set(data.unread_count, data.version, !whole)) this.#tellCount();
    this.#missed = Number(data.replayed) || 0;
    if (cursor === undefined) {
      // This gateway keeps no inbox: what is live is all there is.
      this.list = 'ready';
      return undefined;
    }
    if (whole) this.#advance(cursor);
    else this.cursor = cursor;
    if (data.recovered === false) {
      // It may be another log, whose places begin anew.
      this.items.newest = -1;
      return 'lost';
    }
    return this.list !== 'ready' || this.stale || !known ? 'reload' : undefined;
  }

  #notification(data: Frame['data']): void {
    const missed = this.#missed > 0;
    if (missed) this.#missed--;
    const item = parseItem<Data>(data, this.now());
    if (!item) return;
    this.#advance(item.cursor);
    if (this.#seen.add(item.id)) {
      this.items.add(item);
      this.tell('notification', { item, missed });
    } else if (this.items.has(item.id)) {
      this.items.add(item);
    }
  }

  #update(data: Frame['data']): void {
    const id = typeof data.notification_id === 'string' ? data.notification_id : undefined;
    const { status } = data;
    if (status !== 'read' && status !== 'deleted' && status !== 'all_read') return;
    if (id === undefined && status !== 'all_read') return;
    this.mark({ id: status === 'all_read' ? undefined : id, status });
    this.tell('update', { id, status });
  }

  #count(data: Frame['data']): void {
    this.#advance(cursorOf(data.cursor));
    if (this.unread.set(data.count, data.version)) this.#tellCount();
  }

  #tellCount(): void {
    this.tell('unread', { count: this.unread.count ?? 0 });
  }

  #advance(cursor: string | undefined): void {
    if (position(cursor) > position(this.cursor)) this.cursor = cursor;
  }
}
