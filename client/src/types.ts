/** One notification as the page sees it. */
export interface Item<Data = unknown> {
  /** Always text, also where it was published as a number. */
  readonly id: string;
  /** Such as `trade.created`; `info` where the publisher gave none. */
  readonly type: string;
  readonly title: string;
  readonly message: string;
  /** When it was published, in milliseconds since 1970. */
  readonly time: number;
  readonly data: Data | undefined;
  /** Always true for what is for everybody: no inbox holds it, and no count has it. */
  readonly read: boolean;
  /** Its place in the inbox; `undefined` for what the gateway does not keep. */
  readonly cursor: string | undefined;
  /** Every field as it was published. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * - `idle`: never connected, or disconnected by the page
 * - `connecting`: an attempt is under way
 * - `open`: subscribed; what is published arrives
 * - `waiting`: the next attempt has a time, see `State.retryAt`
 * - `offline`: the browser says that there is no network
 * - `closed`: the gateway will not have this client as it is; see `State.error`
 */
export type Connection = 'idle' | 'connecting' | 'open' | 'waiting' | 'offline' | 'closed';

/** What went wrong last, in a form that a page can act on. */
export interface Failure {
  /** The gateway's code such as `token_expired`, or `network`, `timeout`, `token`. */
  readonly code: string;
  readonly message: string;
}

/** An immutable picture; a new one for every change. */
export interface State<Data = unknown> {
  /** Newest first; at most `Options.keep` until older ones are loaded. */
  readonly items: readonly Item<Data>[];
  /** From the gateway only; `undefined` until it has told. */
  readonly unread: number | undefined;
  readonly connection: Connection;
  /** When the next attempt begins, in milliseconds since 1970, while `waiting`. */
  readonly retryAt: number | undefined;
  /** The first page of the inbox. */
  readonly list: 'loading' | 'ready' | 'failed';
  /** Older ones are being fetched. */
  readonly loadingMore: boolean;
  /** There are older ones. */
  readonly hasMore: boolean;
  /** The last problem; `undefined` again once things go well. */
  readonly error: Failure | undefined;
  /** Whether this tab holds the socket of this browser; `false`: another tab does. */
  readonly leads: boolean;
}

export interface Acting {
  /** Gives up waiting for the gateway's word; what was shown early is taken back. */
  readonly signal?: AbortSignal;
}

/** What bindings and components need; `Campanile` is one. */
export interface Store<Data = unknown> {
  /** The same object until something changes. */
  getState(): State<Data>;
  /** Calls `listener` after every change; returns how to stop that. */
  subscribe(listener: (state: State<Data>) => void): () => void;
  /** Shown at once, and taken back if the gateway refuses or cannot be reached: then it rejects. */
  markRead(id: string, options?: Acting): Promise<void>;
  markAllRead(options?: Acting): Promise<void>;
  /** Deletes it from the inbox. */
  remove(id: string, options?: Acting): Promise<void>;
  /** Deletes everything that is loaded. */
  clear(options?: Acting): Promise<void>;
  /** Fetches a page of older ones. */
  loadMore(options?: Acting): Promise<void>;
  /** Connects, or tries again at once. */
  connect(): void;
  disconnect(): void;
  on<Name extends keyof Events<Data>>(
    name: Name,
    listener: (event: Events<Data>[Name]) => void,
    options?: { readonly signal?: AbortSignal },
  ): () => void;
}

/** What `on` can listen to. */
export interface Events<Data = unknown> {
  /** Live or missed, once per id, oldest first. Not told for those of a page of history. */
  notification: { readonly item: Item<Data>; readonly missed: boolean };
  /** One was read or deleted, here or elsewhere. */
  update: { readonly id: string | undefined; readonly status: 'read' | 'deleted' | 'all_read' };
  unread: { readonly count: number };
  connection: { readonly connection: Connection };
  /** Some notifications cannot be replayed any more; the list was loaded anew. */
  lost: Record<never, never>;
  error: Failure;
}
