/** The part of WebSocket that is used. */
export interface Socket {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** The part of BroadcastChannel that is used. */
export interface Channel {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** The part of Web Locks that is used. */
export interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean },
    held: () => Promise<void>,
  ): Promise<unknown>;
}

export interface Keeper {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** What happens around the page. */
export interface Surroundings {
  online(): void;
  offline(): void;
  visible(): void;
  /** The page may be gone in a moment. */
  hidden(): void;
}

/** All that the library takes from where it runs; `Options.platform` replaces parts. */
export interface Platform {
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 up to 1. */
  random(): number;
  /** Runs once after `ms` milliseconds; returns how to call that off. */
  after(ms: number, run: () => void): () => void;
  readonly socket: new (url: string, protocols: string[]) => Socket;
  readonly fetch: typeof fetch;
  readonly locks: Locks | undefined;
  readonly channel: (new (name: string) => Channel) | undefined;
  /** What relative addresses are relative to. */
  readonly base: string | undefined;
  isOnline(): boolean;
  isVisible(): boolean;
  /** Returns how to stop. */
  watch(surroundings: Surroundings): () => void;
}

/** The browser's; nothing is touched before this is called, so that the library can be imported anywhere. */
export function browser(): Platform {
  const { document, navigator } = globalThis as Partial<typeof globalThis>;
  return {
    now: Date.now,
    random: Math.random,
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    socket: globalThis.WebSocket as unknown as Platform['socket'],
    fetch: (...given) => fetch(...given),
    locks: navigator?.locks as unknown as Locks | undefined,
    channel: globalThis.BroadcastChannel as unknown as Platform['channel'],
    base: document?.baseURI,
    isOnline: () => navigator?.onLine !== false,
    isVisible: () => !document?.hidden,
    watch,
  };
}

function watch({ online, offline, visible, hidden }: Surroundings): () => void {
  const { document, addEventListener } = globalThis as Partial<typeof globalThis>;
  const over = new AbortController();
  const seen = () => (document?.hidden ? hidden() : visible());
  const listeners = { online, offline, pagehide: hidden, pageshow: seen, visibilitychange: seen };
  for (const [name, listener] of Object.entries(listeners)) {
    addEventListener?.(name, listener, { signal: over.signal });
  }
  return () => over.abort();
}
