import type { Failure } from '../types.js';
import { Backoff } from './backoff.js';
import { failureOf } from './failure.js';
import type { Answer } from './http.js';
import type { Snapshot } from './model.js';
import type { Keeper } from './platform.js';
import { type Owner, Session, type Status, type Surrounded } from './session.js';
import { Place } from './storage.js';
import { type Tab, Tabs } from './tabs.js';
import { type Command, type Frame, userOf } from './wire.js';

/** What one tab tells another that has just come. */
interface Picture {
  readonly snapshot: Snapshot<never>;
  readonly status: Status;
}

/** Whom a line serves. */
export interface Listener extends Owner {
  /** Whom the token names, before anything is heard. */
  user(user: string | undefined): void;
  /** Whether the socket is this tab's. */
  leads(leads: boolean): void;
  snapshot(): Snapshot<never>;
  adopt(snapshot: Snapshot<never>): void;
}

/** The way to the gateway from this tab: its own session, or that of the tab which leads. */
export class Line implements Owner, Tab<Picture> {
  readonly #over = new AbortController();
  #status: Status = { connection: 'connecting', retryAt: undefined, error: undefined };
  #user: string | undefined;
  #session: Session | undefined;
  #tabs: Tabs<Picture> | undefined;
  #place: Place | undefined;
  /** Cuts short the wait for the first token. */
  #hurry: (() => void) | undefined;

  constructor(
    private readonly around: Surrounded,
    private readonly listener: Listener,
    private readonly shared: boolean,
    private readonly storage: Keeper | undefined,
  ) {
    const nudge = () => {
      this.#hurry?.();
      this.#session?.nudge();
      this.#tabs?.check();
    };
    const unwatch = around.platform.watch({
      online: nudge,
      visible: nudge,
      offline: () => this.#session?.offline(),
      hidden: () => this.#place?.flush(),
    });
    this.#over.signal.addEventListener('abort', unwatch);
    void this.#begin();
  }

  stop(): void {
    this.#over.abort();
    this.#place?.flush();
    this.#session?.stop();
    this.#tabs?.leave();
  }

  /** Tries now, whatever there was before. */
  connect(): void {
    this.#hurry?.();
    if (this.#session) this.#session.restart();
    // The leader's token may be what is wrong; ours may be better.
    else if (this.#status.connection === 'closed') this.#tabs?.seize();
    else this.#tabs?.connect();
  }

  /** Through the leader where there is one; what it does not do is done over HTTP. */
  async request(command: Command, signal: AbortSignal): Promise<Answer> {
    if (this.#session) return this.#session.request(command, signal);
    if (this.#tabs && !this.#tabs.leads) {
      try {
        return await this.#tabs.ask(command);
      } catch (thrown) {
        const { code } = failureOf(thrown, 'network');
        if (signal.aborted || (code !== 'timeout' && code !== 'network')) throw thrown;
      }
    }
    return this.around.api.ask(command, signal);
  }

  /** Sends to the other tabs what was heard. */
  flush(): void {
    this.#tabs?.flush();
  }

  // Of the session.

  cursor(): string | undefined {
    return this.listener.cursor() ?? this.#place?.read();
  }

  frame(frame: Frame): void {
    this.listener.frame(frame);
    this.#place?.keep(this.listener.cursor());
    this.#tabs?.publish(frame);
  }

  status(status: Status): void {
    this.#status = status;
    this.listener.status(status);
    this.#tabs?.publish({ type: 'status', data: { ...status }, ref: undefined });
  }

  error(failure: Failure): void {
    this.listener.error(failure);
    this.#tabs?.publish({ type: 'error', data: { ...failure }, ref: undefined });
  }

  // Of the tabs.

  lead(): void {
    this.listener.leads(true);
    this.#session = new Session(this.around, this, this.#user);
  }

  resign(): void {
    const session = this.#session;
    this.#session = undefined;
    // Its last words are about itself, not about the connection of this browser.
    const { listener } = this;
    session?.stop();
    listener.leads(false);
    listener.status((this.#status = { ...this.#status, connection: 'connecting', error: undefined }));
  }

  picture(): Picture {
    return { snapshot: this.listener.snapshot(), status: this.#status };
  }

  follow({ snapshot, status }: Picture): void {
    this.listener.leads(false);
    this.listener.adopt(snapshot);
    this.listener.status((this.#status = status));
  }

  frames(frames: readonly Frame[]): void {
    for (const frame of frames) {
      const { type, data } = frame;
      if (type === 'status') this.listener.status((this.#status = data as unknown as Status));
      else if (type === 'error') this.listener.error(data as unknown as Failure);
      else this.listener.frame(frame);
    }
  }

  perform(command: Command): Promise<Answer> {
    return this.request(command, this.#over.signal);
  }

  /** Whom the token names decides with which tabs this one shares. */
  async #begin(): Promise<void> {
    const { platform, tokens, endpoints } = this.around;
    const { signal } = this.#over;
    const backoff = new Backoff(platform.random);
    this.status(this.#status);
    for (;;) {
      try {
        this.#user = userOf(await tokens.ahead(signal));
        break;
      } catch (thrown) {
        if (signal.aborted) return;
        await this.#wait(backoff.next(), failureOf(thrown, 'token'));
      }
      if (signal.aborted) return;
    }
    if (signal.aborted) return;
    this.listener.user(this.#user);
    // Without a name there is nothing to tell the users of this browser apart.
    if (this.#user === undefined) return this.lead();
    const name = `campanile:${endpoints.base}:${this.#user}`;
    this.#place = new Place(platform, this.storage, name);
    const { locks, channel } = platform;
    if (!this.shared || !locks || !channel) return this.lead();
    this.#tabs = new Tabs(platform, locks, channel, name, this);
  }

  async #wait(ms: number, failure: Failure): Promise<void> {
    const { platform } = this.around;
    this.error(failure);
    this.status({ connection: 'waiting', retryAt: platform.now() + ms, error: failure });
    await new Promise<void>((resolve) => {
      const timer = platform.setTimeout(resolve, ms);
      this.#hurry = () => {
        platform.clearTimeout(timer as never);
        resolve();
      };
      this.#over.signal.addEventListener('abort', this.#hurry);
    });
    this.#hurry = undefined;
    if (!this.#over.signal.aborted) this.status({ connection: 'connecting', retryAt: undefined, error: failure });
  }
}
