import type { Events, Item, State } from '../types.js';
import { createItems, type Items, type Mark } from './items.js';
import { createOverlay, type Overlay } from './overlay.js';
import { createSeen } from './seen.js';
import { cursorOf, type Frame, parseItem, position } from './wire.js';

/** All that another tab needs to go on from here. */
export interface Snapshot<Data = unknown> {
  readonly items: readonly Item<Data>[];
  readonly more: boolean;
  readonly list: State['list'];
  readonly cursor: string | undefined;
  readonly unread: number | undefined;
  readonly version: unknown;
}

/** An event that is to be told once the state shows it. */
export type Told<Data> = {
  [Name in keyof Events<Data>]: readonly [name: Name, event: Events<Data>[Name]];
}[keyof Events<Data>];

/** A page that is on its way. */
export interface Loading {
  /** The ids of the list when it was asked for. */
  readonly before: ReadonlySet<string>;
  /** It has come, or will not. */
  over(): void;
}

/** What one tab knows, told by frames. No IO, no clock of its own. */
export interface Model<Data> {
  readonly items: Items<Data>;
  readonly overlay: Overlay<Data>;
  /** As the gateway tells it; it is never computed here, so it cannot drift. */
  unread: number | undefined;
  list: State['list'];
  /** A reload was begun and has not come to its end. */
  stale: boolean;
  /** Where the log goes on for this browser. */
  cursor: string | undefined;
  /** Returns what has to be done now: `reload` the list, or reload it because something is `lost`. */
  frame(frame: Frame): 'reload' | 'lost' | undefined;
  /** A page is asked for. */
  load(): Loading;
  /** Entries of a page, newest first. */
  parse(page: unknown): Item<Data>[];
  mark(mark: Mark): void;
  snapshot(): Snapshot<Data>;
  /** Takes over what another tab knows; what it was told meanwhile, this one is told now. */
  adopt(snapshot: Snapshot<Data>): void;
}

export function createModel<Data>(
  keep: number,
  now: () => number,
  tell: (...told: Told<Data>) => void,
): Model<Data> {
  const items = createItems<Data>(keep);
  const isNew = createSeen();
  /** What happened to entries while pages were on their way. */
  const loading = new Set<Mark[]>();
  /** Frames still to come that are replays. */
  let missed = 0;

  let version: unknown;

  /** A lower version is news from the past, unless the log may be `another` one. */
  const setCount = (count: unknown, now: unknown, another = false) => {
    if (typeof count !== 'number' || typeof now !== 'number') return;
    if (!another && now <= ((version as number) ?? -1)) return;
    version = now;
    if (count === model.unread) return;
    model.unread = count;
    tell('unread', { count });
  };

  const advance = (cursor: string | undefined) => {
    if (position(cursor) > position(model.cursor)) model.cursor = cursor;
  };

  const mark = (mark: Mark) => {
    items.mark(mark);
    for (const marks of loading) marks.push(mark);
  };

  const connected = (data: Frame['data']) => {
    const whole = data.recovered === true;
    const cursor = cursorOf(data.cursor);
    const known = version === data.version;
    setCount(data.unread_count, data.version, !whole);
    missed = Number(data.replayed) || 0;
    if (!cursor) {
      // This gateway keeps no inbox: what is live is all there is.
      model.list = 'ready';
      return undefined;
    }
    if (whole) advance(cursor);
    else model.cursor = cursor;
    if (data.recovered === false) {
      // It may be another log, whose places begin anew.
      items.renumber();
      return 'lost';
    }
    return model.list !== 'ready' || model.stale || !known ? 'reload' : undefined;
  };

  const arrived = (data: Frame['data']) => {
    const item = parseItem<Data>(data, now());
    const late = missed > 0;
    if (late) missed--;
    if (!item) return;
    const { id, cursor } = item;
    advance(cursor);
    const first = isNew(id);
    items.add(item, first);
    if (first) tell('notification', { item, missed: late });
  };

  const updated = ({ notification_id, status }: Frame['data']) => {
    const all = status === 'all_read';
    const id = typeof notification_id === 'string' ? notification_id : undefined;
    if (!all && (id === undefined || (status !== 'read' && status !== 'deleted'))) return;
    mark({ id: all ? undefined : id, status });
    tell('update', { id, status });
  };

  const model: Model<Data> = {
    items,
    overlay: createOverlay<Data>(),
    unread: undefined,
    list: 'loading',
    stale: false,
    cursor: undefined,
    mark,
    frame({ type, data }) {
      if (type === 'connected') return connected(data);
      if (type === 'notification') arrived(data);
      else if (type === 'notification_update') updated(data);
      else if (type === 'unread_count') {
        advance(cursorOf(data.cursor));
        setCount(data.count, data.version);
      }
      return undefined;
    },
    load() {
      const marks: Mark[] = [];
      loading.add(marks);
      return {
        before: new Set(items.all().map(({ id }) => id)),
        over() {
          loading.delete(marks);
          // The page may be from before these.
          for (const mark of marks) items.mark(mark);
        },
      };
    },
    parse(page) {
      const entries: unknown[] = Array.isArray(page) ? page : [];
      return entries.map((fields) => parseItem<Data>(fields, now())).filter((item) => item !== undefined);
    },
    snapshot() {
      const { list, cursor, unread } = model;
      return { items: items.all(), more: items.more(), list, cursor, unread, version };
    },
    adopt(other) {
      const { cursor } = model;
      for (const item of [...other.items].reverse()) {
        const late = isNew(item.id) && cursor && position(item.cursor) > position(cursor);
        if (late) tell('notification', { item, missed: true });
      }
      items.adopt(other.items, other.more);
      model.list = other.list;
      model.cursor = other.cursor ?? cursor;
      setCount(other.unread, other.version, true);
    },
  };
  return model;
}
