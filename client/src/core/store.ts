import type { Events, Failure, Item, State, Store } from '../types.js';
import { backoff } from './backoff.js';
import { createBatch } from './batch.js';
import type { Options } from './campanile.js';
import { createEmitter } from './emitter.js';
import { endpoints } from './endpoints.js';
import { CampanileError, failureOf } from './failure.js';
import type { Mark } from './items.js';
import { KEEP, MAX_PAGE, MAX_TOLD } from './limits.js';
import type { Answer } from './link.js';
import { createLine, type Line, type Listener } from './line.js';
import { createModel, type Told } from './model.js';
import { browser } from './platform.js';
import type { Status } from './session.js';
import { onAbort, within } from './signals.js';
import { createTokens } from './tokens.js';
import type { Command } from './wire.js';

const IDLE: Status = { connection: 'idle', retryAt: undefined, error: undefined };

export function createStore<Data>(options: Options): Store<Data> {
  const { url, token, storage, transport = 'auto', shared = true } = options;
  const platform = { ...browser(), ...options.platform };
  const around = {
    platform,
    endpoints: endpoints(url, platform.base),
    tokens: createTokens(token, platform),
    transport,
  };
  const keep = Math.max(1, Math.min(MAX_PAGE, Math.floor(options.keep ?? KEEP)));
  const emitter = createEmitter<Events<Data> & { state: State<Data> }>();
  let user: string | undefined;
  let line: Line | undefined;
  /** From `connect` to `disconnect`. */
  let life = new AbortController();
  let status = IDLE;
  let leads = false;
  /** Of the list; a connection's own is in its status. */
  let trouble: Failure | undefined;
  let told: Told<Data>[] = [];
  let more: Promise<void> | undefined;
  let reloading: AbortController | undefined;
  /** Something cannot be replayed; told once the list is anew. */
  let lost = false;

  const blank = () =>
    createModel<Data>(
      keep,
      () => platform.now(),
      (...event) => void told.push(event),
    );
  let model = blank();

  const draw = (): State<Data> => ({
    items: model.overlay.over(model.items.all()),
    unread: model.unread,
    list: model.list,
    loadingMore: !!more,
    hasMore: model.items.more(),
    leads,
    ...status,
    error: status.error ?? trouble,
  });
  let state = draw();

  const flush = () => {
    line?.flush();
    const next = draw();
    const isNew = (Object.keys(next) as (keyof State)[]).some((key) => next[key] !== state[key]);
    const events = told;
    told = [];
    if (isNew) emitter.emit('state', (state = next) as never);
    for (const [name, event] of events) emitter.emit(name, event as never);
  };
  const { later: change, now: show } = createBatch(platform, flush);

  const setStatus = (next: Status) => {
    const { connection } = next;
    if (connection !== status.connection) told.push(['connection', { connection }]);
    status = next;
    change();
  };

  const request = async (command: Command, signal?: AbortSignal): Promise<Answer> => {
    if (!line) throw new CampanileError('idle', 'not connected: call connect() first');
    const both = new AbortController();
    const offs = [signal, life.signal].map((one) => onAbort(one, () => both.abort(one?.reason)));
    try {
      return await within(line.request(command, both.signal), both.signal);
    } finally {
      for (const off of offs) off();
    }
  };

  /** A page of the inbox; what happens meanwhile is not undone by it. */
  const list = async (
    limit: number,
    before: string | undefined,
    signal: AbortSignal,
    show: (page: Item<Data>[], older: boolean, known: ReadonlySet<string>) => void,
  ) => {
    const { load, parse } = model;
    const loading = load();
    try {
      const wanted = { limit: Math.min(MAX_PAGE, limit), ...(before && { before }) };
      const page = await request({ type: 'list', ...wanted }, signal);
      show(parse(page.items), typeof page.next === 'string', loading.before);
    } finally {
      loading.over();
    }
  };

  /** The first page, as it is now; tried again until it is there. */
  const reload = async (failures = 0): Promise<void> => {
    const { items } = model;
    const current = model;
    reloading?.abort();
    const { signal } = (reloading = new AbortController());
    current.stale = true;
    if (current.list === 'failed') current.list = 'loading';
    change();
    try {
      await list(items.room(), undefined, signal, (page, older, known) => {
        items.reload(page, known, older);
      });
      current.list = 'ready';
      current.stale = false;
      trouble = undefined;
      if (lost) told.push(['lost', {}]);
      lost = false;
    } catch (thrown) {
      if (signal.aborted) return;
      trouble = failureOf(thrown);
      told.push(['error', trouble]);
      if (current.list === 'loading') current.list = 'failed';
      // A connection that is gone comes back with a greeting, which leads here again.
      platform.after(backoff(failures, platform.random), () => {
        if (!signal.aborted && status.connection === 'open') void reload(failures + 1);
      });
    } finally {
      change();
    }
  };

  /** Whether a refusal means that there is nothing left to do. */
  const isDone = ({ id, status }: Mark, code: string) => {
    // What the gateway does not keep is read and dismissed here alone.
    const kept = model.items.all().some((item) => item.cursor && (!id || item.id === id));
    return code === 'inbox_disabled' || (code === 'not_found' && (status === 'deleted' || !kept));
  };

  /** Shows it early, has it done, and takes the early sight back: by then it is so, or is not going to be. */
  const act = async (mark: Mark, ids: string[], command: Command, signal: AbortSignal | undefined) => {
    const { overlay, mark: set } = model;
    signal?.throwIfAborted();
    const takeBack = overlay.put(ids, mark.status === 'deleted');
    show();
    try {
      await request(command, signal).catch((thrown: unknown) => {
        if (!isDone(mark, failureOf(thrown).code)) throw thrown;
      });
      for (const id of ids) set({ ...mark, id });
    } finally {
      takeBack();
      // Who waited for this sees it.
      show();
    }
  };

  /** What comes from the gateway, and of the way to it. */
  const listener: Listener = {
    cursor: () => model.cursor,
    snapshot: () => model.snapshot() as never,
    user(name) {
      // Somebody else has signed in between `disconnect` and `connect`.
      if (user !== undefined && name !== user) model = blank();
      user = name;
    },
    leads(now) {
      leads = now;
      change();
    },
    adopt(snapshot) {
      model.adopt(snapshot);
      if (model.list !== 'ready') void reload();
      change();
    },
    frame(frame) {
      if (frame.type === 'status') return setStatus(frame.data as unknown as Status);
      if (frame.type === 'error') told.push(['error', frame.data as unknown as Failure]);
      const next = model.frame(frame);
      lost ||= next === 'lost';
      if (next) void reload();
      if (told.length > MAX_TOLD) show();
      else change();
    },
  };

  const ids = () => model.items.all().map(({ id }) => id);

  const store: Store<Data> = {
    getState: () => state,
    subscribe: (listener) => emitter.on('state', listener as never),
    on: (name, listener, options) => emitter.on(name, listener as never, options?.signal),
    connect() {
      if (line) {
        line.connect();
        if (model.list === 'failed') void reload();
        return;
      }
      // A bad address throws here, where the page can see it.
      around.endpoints.base();
      life = new AbortController();
      line = createLine(around, listener, shared, storage);
    },
    disconnect() {
      life.abort();
      reloading?.abort();
      line?.stop();
      line = undefined;
      leads = false;
      setStatus(IDLE);
      show();
    },
    async markRead(id, { signal } = {}) {
      if (model.items.all().some((item) => item.id === id && item.read)) return;
      await act({ id, status: 'read' }, [id], { type: 'mark_read', notification_id: id }, signal);
    },
    markAllRead: ({ signal } = {}) =>
      act({ id: undefined, status: 'read' }, ids(), { type: 'mark_all_read' }, signal),
    remove: (id, { signal } = {}) =>
      act({ id, status: 'deleted' }, [id], { type: 'delete', notification_id: id }, signal),
    async clear(options) {
      const removals = await Promise.allSettled(ids().map((id) => store.remove(id, options)));
      for (const removal of removals) if (removal.status === 'rejected') throw removal.reason;
    },
    async loadMore({ signal } = {}) {
      const { items } = model;
      if (!items.more()) return;
      const before = items.oldest();
      more ??= list(keep, before, life.signal, (page, older) => {
        items.append(page, before, older);
      }).finally(() => {
        more = undefined;
        show();
      });
      change();
      await within(more, signal);
    },
  };
  return store;
}
