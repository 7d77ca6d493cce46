import type { Failure } from '../types.js';
import { failureOf } from './failure.js';
import type { Answer } from './http.js';
import type { Snapshot } from './model.js';
import type { Keeper } from './platform.js';
import { type Owner, Session, type Status, type Surrounded } from './session.js';
import { Place } from './storage.js';
import { type Tab, Tabs } from './tabs.js';
import type { Command, Frame } from './wire.js';

/** What one tab tells another that has just come. */
interface Picture {
  readonly snapshot: Snapshot<never>;
  readonly status: Status;
}

/** Whom a line serves. */
export interface Listener extends Omit<Owner, 'admit'> {
  /** Whom the token names, before anything is heard. */
  user(user: string | undefined): void;
  /** Whether the socket is this tab's. */
  leads(leads: boolean): void;
  snapshot(): Snapshot<never>;
  adopt(snapshot: Snapshot<never>): void;
}

const OTHER_USER: Failure = {
  code: 'other_user',
  message: 'the new token names another user; disconnect first',
};

/** The way to the gateway from this tab: its own session, or that of the tab which leads. */
export class Line implements Owner, Tab<Picture> {
  readonly #around: Surrounded;
  readonly #listener: Listener;
  /** Where the cursor is kept. */
  readonly #storage: Keeper | undefined;
  readonly #session: Session;
  readonly #unwatch: () => void;
  #status: Status = { connection: 'connecting', retryAt: undefined, error: undefined };
  /** Unknown until the first token is there. */
  #user: { readonly name: string | undefined } | undefined;
  #leads = false;
  #shared: boolean;
  #tabs: Tabs<Picture> | undefined;
  #place: Place | undefined;

  constructor(around: Surrounded, listener: Listener, shared: boolean, storage: Keeper | undefined) {
    this.#around = around;
    this.#listener = listener;
    this.#shared = shared;
    this.#storage = storage;
    this.#session = new Session(around, this);
    const nudge = () => {
      this.#session.nudge();
      this.#tabs?.check();
    };
    this.#unwatch = around.platform.watch({
      online: nudge,
      visible: nudge,
      offline: () => this.#session.offline(),
      hidden: () => this.#place?.flush(),
    });
    this.#session.start();
  }

  stop(): void {
    this.#unwatch();
    this.#place?.flush();
    this.#session.stop();
    this.#tabs?.leave();
  }

  /** Tries now, whatever there was before. */
  connect(): void {
    if (this.#leads || !this.#tabs) this.#session.start();
    // The leader's token may be what is wrong; ours may be better.
    else if (this.#status.connection === 'closed') this.#tabs.seize();
    else this.#tabs.connect();
  }

  /** Through the leader where that is another; what it does not do is done over HTTP. */
  async request(command: Command, signal: AbortSignal): Promise<Answer> {
    if (this.#leads || !this.#tabs) return this.#session.request(command, signal);
    try {
      return await this.#tabs.ask(command);
    } catch (thrown) {
      const { code } = failureOf(thrown);
      if (signal.aborted || (code !== 'timeout' && code !== 'network')) throw thrown;
      return this.#around.api.ask(command, signal);
    }
  }

  /** Sends to the other tabs what was heard. */
  flush(): void {
    this.#tabs?.flush();
  }

  // Of the session.

  cursor(): string | undefined {
    return this.#listener.cursor() ?? this.#place?.read();
  }

  /** Whom the token names decides with which tabs this one shares. */
  admit(name: string | undefined): boolean | Failure {
    if (this.#user) return name === this.#user.name ? this.#leads : OTHER_USER;
    this.#user = { name };
    this.#listener.user(name);
    // Without a name there is nothing to tell the users of this browser apart.
    if (name !== undefined) {
      const { platform, endpoints } = this.#around;
      const key = `campanile:${endpoints.base}:${name}`;
      this.#place = new Place(platform, this.#storage, key);
      if (this.#shared && platform.locks && platform.channel) {
        this.#tabs = new Tabs(platform, key, this);
        return false;
      }
    }
    this.#listener.leads((this.#leads = true));
    return true;
  }

  frame(frame: Frame): void {
    this.frames([frame]);
    this.#place?.keep(this.#listener.cursor());
    this.#tabs?.publish(frame);
  }

  // Of the tabs.

  lead(): void {
    this.#listener.leads((this.#leads = true));
    this.#session.start();
  }

  resign(): void {
    this.#session.stop();
    this.#listener.leads((this.#leads = false));
  }

  picture(): Picture {
    return { snapshot: this.#listener.snapshot(), status: this.#status };
  }

  follow({ snapshot, status }: Picture): void {
    this.#listener.adopt(snapshot);
    this.frames([{ type: 'status', data: { ...status } }]);
  }

  frames(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (frame.type === 'status') this.#status = frame.data as unknown as Status;
      this.#listener.frame(frame);
    }
  }

  perform(command: Command, signal: AbortSignal): Promise<Answer> {
    return this.#session.request(command, signal);
  }
}
