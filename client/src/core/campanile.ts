import type { Acting, Events, Failure, State, Store } from '../types.js';
import { Backoff } from './backoff.js';
import { Batch } from './batch.js';
import { Emitter } from './emitter.js';
import { endpoints } from './endpoints.js';
import { CampanileError, failureOf } from './failure.js';
import { type Answer, Api } from './http.js';
import type { Mark } from './items.js';
import { Line, type Listener } from './line.js';
import { Model, type Told } from './model.js';
import { browser, type Keeper, type Platform } from './platform.js';
import type { Status, Surrounded } from './session.js';
import { onAbort, within } from './signals.js';
import { Tokens, type TokenSource } from './tokens.js';
import type { Command } from './wire.js';

export interface Options {
  /** The gateway's address, such as `https://notify.example.com`; or relative to the page, such as `/`. */
  readonly url: string;
  /** A token of the user, or how to get one; a function is asked before each attempt and when a token expires. */
  readonly token: TokenSource;
  /** Notifications to hold unless older ones are loaded: 50; at most 200. */
  readonly keep?: number | undefined;
  /** One socket for all tabs of this browser with the same user, where that can be had: true. */
  readonly shared?: boolean | undefined;
  /** Where the cursor is kept over reloads, `localStorage` unless given; `false`: nowhere. */
  readonly storage?: Keeper | false | undefined;
  /** `auto`: a WebSocket, and server-sent events where those do not get through. */
  readonly transport?: 'auto' | 'socket' | 'stream' | undefined;
  /** Replaces parts of what the browser gives, for tests and other runtimes. */
  readonly platform?: Partial<Platform> | undefined;
}

/** The most that one page of the gateway holds. */
const MAX_PAGE = 200;
/** Events that wait for a flush; with more of them there is one at once. */
const MAX_TOLD = 500;
const IDLE: Status = { connection: 'idle', retryAt: undefined, error: undefined };

/** The notifications of one user, kept up to date. Nothing happens before `connect`. */
export class Campanile<Data = unknown> implements Store<Data> {
  readonly #options: Options;
  readonly #keep: number;
  readonly #emitter = new Emitter<Events<Data>>();
  readonly #listeners = new Emitter<{ state: State<Data> }>();
  readonly #around: Surrounded & { readonly batch: Batch };
  #user: string | undefined;
  #model: Model<Data>;
  #line: Line | undefined;
  /** From `connect` to `disconnect`. */
  #life = new AbortController();
  #status = IDLE;
  #leads = false;
  /** Of the list; a connection's own is in its status. */
  #trouble: Failure | undefined;
  #told: Told<Data>[] = [];
  #more: Promise<void> | undefined;
  #reloading: AbortController | undefined;
  /** Something cannot be replayed; told once the list is anew. */
  #lost = false;
  #state: State<Data>;

  constructor(options: Options) {
    if (!options?.url || !options.token) throw new TypeError('new Campanile({ url, token }) needs both');
    this.#options = options;
    const { url, token, transport = 'auto' } = options;
    const platform = { ...browser(), ...options.platform };
    const gateway = endpoints(url, platform);
    const tokens = new Tokens(token, platform);
    const api = new Api(platform, gateway, tokens);
    const batch = new Batch(platform, () => this.#flush());
    this.#around = { platform, endpoints: gateway, tokens, api, transport, batch };
    this.#keep = Math.max(1, Math.min(MAX_PAGE, Math.floor(options.keep ?? 50)));
    this.#model = this.#blank();
    this.#state = this.#draw();
  }

  getState(): State<Data> {
    return this.#state;
  }

  subscribe(listener: (state: State<Data>) => void): () => void {
    return this.#listeners.on('state', listener);
  }

  on<Name extends keyof Events<Data>>(
    name: Name,
    listener: (event: Events<Data>[Name]) => void,
    options?: { readonly signal?: AbortSignal | undefined },
  ): () => void {
    return this.#emitter.on(name, listener, options?.signal);
  }

  /** @throws TypeError when `url` is none */
  connect(): void {
    if (this.#line) {
      this.#line.connect();
      if (this.#model.list === 'failed') void this.#reload();
      return;
    }
    const around = this.#around;
    // A bad address throws here, where the page can see it.
    void around.endpoints.base;
    const { storage = around.platform.storage, shared = true } = this.#options;
    this.#life = new AbortController();
    this.#line = new Line(around, this.#listener(), shared, storage || undefined);
  }

  disconnect(): void {
    this.#life.abort();
    this.#reloading?.abort();
    this.#line?.stop();
    this.#line = undefined;
    this.#leads = false;
    this.#setStatus(IDLE);
    this.#around.batch.now();
  }

  async markRead(id: string, { signal }: Acting = {}): Promise<void> {
    const item = this.#model.items.all.find((one) => one.id === id);
    if (item?.read) return;
    const mark: Mark = { id, status: 'read' };
    await this.#act(mark, [id], { type: 'mark_read', notification_id: id }, signal);
  }

  async markAllRead({ signal }: Acting = {}): Promise<void> {
    const ids = this.#model.items.all.map(({ id }) => id);
    await this.#act({ id: undefined, status: 'all_read' }, ids, { type: 'mark_all_read' }, signal);
  }

  async remove(id: string, { signal }: Acting = {}): Promise<void> {
    await this.#act({ id, status: 'deleted' }, [id], { type: 'delete', notification_id: id }, signal);
  }

  async clear(options: Acting = {}): Promise<void> {
    const removals = this.#model.items.all.map(({ id }) => this.remove(id, options));
    const failed = (await Promise.allSettled(removals)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  loadMore({ signal }: Acting = {}): Promise<void> {
    if (!this.#model.items.more) return Promise.resolve();
    this.#more ??= this.#loadMore().finally(() => {
      this.#more = undefined;
      this.#around.batch.now();
    });
    this.#change();
    return within(this.#more, signal);
  }

  /** Shows it early, has it done, and takes the early sight back: by then it is so, or is not going to be. */
  async #act(mark: Mark, ids: string[], command: Command, signal: AbortSignal | undefined): Promise<void> {
    const model = this.#model;
    signal?.throwIfAborted();
    const early = model.overlay.put(mark.status === 'deleted' ? 'deleted' : 'read', ids);
    this.#around.batch.now();
    try {
      await this.#request(command, signal).catch((thrown: unknown) => {
        if (!this.#isDone(mark, failureOf(thrown).code)) throw thrown;
      });
      if (mark.status === 'all_read') {
        for (const id of ids) model.mark({ id, status: 'read' });
      } else {
        model.mark(mark);
      }
    } finally {
      model.overlay.take(early);
      // Who waited for this sees it.
      this.#around.batch.now();
    }
  }

  /** Whether a refusal means that there is nothing left to do. */
  #isDone({ id, status }: Mark, code: string): boolean {
    // What the gateway does not keep is read and dismissed here alone.
    const kept = this.#model.items.all.some((item) => item.cursor !== undefined && (!id || item.id === id));
    if (code === 'inbox_disabled') return true;
    return code === 'not_found' && (status === 'deleted' || !kept);
  }

  async #loadMore(): Promise<void> {
    const model = this.#model;
    const before = model.items.oldest;
    const loading = model.load();
    try {
      const limit = Math.min(MAX_PAGE, this.#keep);
      const command: Command = { type: 'list', limit, ...(before !== undefined && { before }) };
      const page = await this.#request(command, this.#life.signal);
      model.items.append(model.parse(page.items), before, typeof page.next === 'string');
    } finally {
      model.loaded(loading);
    }
  }

  /** The first page, as it is now. */
  async #reload(backoff = new Backoff(this.#around.platform.random)): Promise<void> {
    const model = this.#model;
    this.#reloading?.abort();
    const { signal } = (this.#reloading = new AbortController());
    const loading = model.load();
    model.stale = true;
    if (model.list === 'failed') model.list = 'loading';
    this.#change();
    try {
      const limit = Math.min(MAX_PAGE, model.items.room);
      const page = await this.#request({ type: 'list', limit }, signal);
      model.items.reload(model.parse(page.items), loading.before, typeof page.next === 'string');
      model.list = 'ready';
      model.stale = false;
      this.#trouble = undefined;
      if (this.#lost) this.#told.push(['lost', {}]);
      this.#lost = false;
    } catch (thrown) {
      if (signal.aborted) return;
      this.#fail(failureOf(thrown));
      if (model.list === 'loading') model.list = 'failed';
      // A connection that is gone comes back with a greeting, which leads here again.
      const { platform } = this.#around;
      platform.after(backoff.next(), () => {
        if (!signal.aborted && this.#status.connection === 'open') void this.#reload(backoff);
      });
    } finally {
      model.loaded(loading);
      this.#change();
    }
  }

  async #request(command: Command, signal: AbortSignal | undefined): Promise<Answer> {
    const line = this.#line;
    if (!line) throw new CampanileError('idle', 'not connected: call connect() first');
    const both = new AbortController();
    const offs = [signal, this.#life.signal].map((one) => onAbort(one, () => both.abort(one?.reason)));
    try {
      return await within(line.request(command, both.signal), both.signal);
    } finally {
      for (const off of offs) off();
    }
  }

  /** What comes from the gateway, and of the way to it. */
  #listener(): Listener {
    return {
      cursor: () => this.#model.cursor,
      snapshot: () => this.#model.snapshot() as never,
      user: (user) => {
        // Somebody else has signed in between `disconnect` and `connect`.
        if (this.#user !== undefined && user !== this.#user) this.#model = this.#blank();
        this.#user = user;
      },
      leads: (leads) => {
        this.#leads = leads;
        this.#change();
      },
      adopt: (snapshot) => {
        this.#model.adopt(snapshot);
        if (this.#model.list !== 'ready') void this.#reload();
        this.#change();
      },
      frame: (frame) => {
        const { type, data } = frame;
        if (type === 'status') return this.#setStatus(data as unknown as Status);
        if (type === 'error') this.#told.push(['error', data as unknown as Failure]);
        const next = this.#model.frame(frame);
        this.#lost ||= next === 'lost';
        if (next) void this.#reload();
        if (this.#told.length > MAX_TOLD) this.#around.batch.now();
        else this.#change();
      },
    };
  }

  #setStatus(status: Status): void {
    const { connection } = status;
    if (connection !== this.#status.connection) this.#told.push(['connection', { connection }]);
    this.#status = status;
    this.#change();
  }

  #fail(failure: Failure): void {
    this.#trouble = failure;
    this.#told.push(['error', failure]);
  }

  #blank(): Model<Data> {
    return new Model<Data>(
      this.#keep,
      () => this.#around.platform.now(),
      (...told) => void this.#told.push(told),
    );
  }

  #change(): void {
    this.#around.batch.later();
  }

  #flush(): void {
    this.#line?.flush();
    const state = this.#draw();
    const before = this.#state;
    const isNew = (Object.keys(state) as (keyof State)[]).some((key) => state[key] !== before[key]);
    const told = this.#told;
    this.#told = [];
    if (isNew) {
      this.#state = state;
      this.#listeners.emit('state', state);
    }
    for (const [name, event] of told) this.#emitter.emit(name, event as never);
  }

  #draw(): State<Data> {
    const { items, overlay, unread, list } = this.#model;
    const { connection, retryAt, error } = this.#status;
    return {
      items: overlay.over(items.all),
      unread: unread.count,
      connection,
      retryAt,
      list,
      loadingMore: this.#more !== undefined,
      hasMore: items.more,
      error: error ?? this.#trouble,
      leads: this.#leads,
    };
  }
}
