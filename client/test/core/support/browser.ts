// A browser with tabs and a gateway, both of paper.
import type { Channel, Keeper, Locks, Platform, Socket, Surroundings } from '../../../src/index.js';
import { Clock } from './clock.js';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Not signed; the client does not look. */
export const tokenOf = (user: string, mark = '') => `e30.${encode({ sub: user, mark })}.x`;

export class FakeSocket implements Socket {
  readyState = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: Record<string, unknown>[] = [];
  closedByClient = false;

  constructor(
    readonly url: string,
    readonly tab: Tab,
  ) {
    tab.browser.sockets.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closedByClient = true;
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.(undefined as never);
  }

  say(type: string, data: object = {}, ref?: unknown): void {
    this.onmessage?.({ data: JSON.stringify({ type, data, ...(ref !== undefined && { ref }) }) });
  }

  greet(data: object = {}): void {
    this.open();
    const greeting = { cursor: '0-1', unread_count: 0, version: 1, recovered: null, replayed: 0 };
    this.say('connected', { ping_interval: 54, ...greeting, ...data });
  }

  notify(place: number, more: object = {}): void {
    this.say('notification', { notification_id: `n${place}`, user_id: 'u', title: `${place}`, cursor: `${place}-1`, ...more });
  }

  end(code: number, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  /** Answers the newest command of this kind. */
  answer(command: string, type: string, data: object): void {
    const last = this.sent.findLast((frame) => frame.type === command);
    if (!last) throw new Error(`nobody asked to ${command}`);
    this.say(type, data, last.ref);
  }

  page(items: object[] = [], next: string | null = null): void {
    this.answer('list', 'notifications', { items, next });
  }

  asked(command: string): number {
    return this.sent.filter((frame) => frame.type === command).length;
  }
}

interface Request {
  readonly tab: Tab;
  readonly held: () => Promise<void>;
  readonly reject: (reason: unknown) => void;
  readonly resolve: (value: unknown) => void;
}

class FakeLocks {
  readonly #holders = new Map<string, Request>();
  readonly #waiting = new Map<string, Request[]>();

  of(tab: Tab): Locks {
    return {
      request: (name, { signal, steal }, held) =>
        new Promise((resolve, reject) => {
          const request: Request = { tab, held, resolve, reject };
          const line = this.#waiting.get(name) ?? [];
          this.#waiting.set(name, line);
          const aborted = () => new DOMException('aborted', 'AbortError');
          signal?.addEventListener('abort', () => {
            const at = line.indexOf(request);
            if (at >= 0) line.splice(at, 1);
            reject(aborted());
          });
          if (steal) {
            const robbed = this.#holders.get(name);
            this.#holders.delete(name);
            // A frozen page learns of it when it thaws.
            robbed?.tab.deliver(() => robbed.reject(aborted()));
            line.unshift(request);
          } else {
            line.push(request);
          }
          this.#next(name);
        }),
    };
  }

  /** A tab is gone, and what it held is free. */
  bury(tab: Tab): void {
    for (const [name, line] of this.#waiting) {
      line.splice(0, line.length, ...line.filter((one) => one.tab !== tab));
      if (this.#holders.get(name)?.tab === tab) this.#holders.delete(name);
      this.#next(name);
    }
  }

  #next(name: string): void {
    queueMicrotask(() => {
      const line = this.#waiting.get(name) ?? [];
      if (this.#holders.has(name)) return;
      const request = line.shift();
      if (!request) return;
      this.#holders.set(name, request);
      request.tab.deliver(() => {
        void request.held().then(() => {
          if (this.#holders.get(name) === request) this.#holders.delete(name);
          request.resolve(undefined);
          this.#next(name);
        });
      });
    });
  }
}

export class Browser {
  readonly clock = new Clock();
  readonly sockets: FakeSocket[] = [];
  readonly tabs: Tab[] = [];
  readonly locks = new FakeLocks();
  readonly kept = new Map<string, string>();
  readonly storage: Keeper = {
    getItem: (key) => this.kept.get(key) ?? null,
    setItem: (key, value) => void this.kept.set(key, value),
  };
  online = true;
  chance = 0.5;

  tab(): Tab {
    const tab = new Tab(this);
    this.tabs.push(tab);
    return tab;
  }

  /** The newest connection. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('nobody has connected');
    return socket;
  }
}

export class Tab {
  surroundings: Surroundings | undefined;
  readonly channels = new Set<Channel & { readonly name: string }>();
  #frozen = false;
  #dead = false;
  #queue: (() => void)[] = [];

  readonly platform: Partial<Platform>;

  constructor(readonly browser: Browser) {
    this.platform = this.#platform();
  }

  /** Nothing runs here until `thaw`. */
  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const run of this.#queue.splice(0)) run();
  }

  /** Closed, or crashed: it does nothing any more. */
  kill(): void {
    this.#dead = true;
    this.channels.clear();
    this.browser.locks.bury(this);
  }

  deliver(run: () => void): void {
    if (this.#dead) return;
    if (this.#frozen) this.#queue.push(run);
    else run();
  }

  #platform(): Partial<Platform> {
    const tab = this;
    const { browser } = this;
    class TabSocket extends FakeSocket {
      constructor(url: string) {
        super(url, tab);
      }
    }
    class TabChannel implements Channel {
      onmessage: ((event: { data: unknown }) => void) | null = null;
      constructor(readonly name: string) {
        tab.channels.add(this);
      }
      postMessage(message: unknown): void {
        if (tab.#dead) return;
        const text = structuredClone(message);
        for (const other of browser.tabs) {
          for (const channel of other.channels) {
            if (channel === this || channel.name !== this.name) continue;
            setImmediate(() => other.deliver(() => channel.onmessage?.({ data: text })));
          }
        }
      }
      close(): void {
        tab.channels.delete(this);
      }
    }
    return {
      now: browser.clock.now,
      after: (ms, run) => browser.clock.after(ms, () => this.deliver(run)),
      // Tabs must differ in something, or they would have one name.
      random: () => browser.chance + browser.tabs.indexOf(this) * 1e-6,
      socket: TabSocket,
      fetch: () => Promise.reject(new Error('no HTTP on paper')),
      locks: browser.locks.of(this),
      channel: TabChannel,
      base: 'https://page.example/',
      isOnline: () => browser.online,
      isVisible: () => true,
      watch: (surroundings) => {
        this.surroundings = surroundings;
        return () => (this.surroundings = undefined);
      },
    };
  }
}
