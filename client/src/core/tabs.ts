import { failureOf } from './failure.js';
import type { Answer } from './http.js';
import { Pending } from './pending.js';
import type { Channel, Locks, Platform } from './platform.js';
import type { Command, Frame } from './wire.js';

/** Silence after which the leader is asked whether it is alive. */
const PING_MS = 10_000;
/** A leader that does not answer within this is frozen, and replaced. */
const ANSWER_MS = 3_000;
/** A command that the leader has not done within this is done without it. */
const ASK_MS = 5_000;

/** What the page of one tab is for the others of the same browser. */
export interface Tab<Picture> {
  /** The socket is yours now. */
  lead(): void;
  /** It is not any more. */
  resign(): void;
  /** All that a tab has to know that has just come. */
  picture(): Picture;
  /** The leader's. */
  follow(picture: Picture): void;
  /** What the leader has heard, in order. */
  frames(frames: readonly Frame[]): void;
  /** Another tab wants this done. */
  perform(command: Command): Promise<Answer>;
  /** Another tab wants to be connected now. */
  connect(): void;
}

type Message<Picture> =
  | { readonly kind: 'hello' | 'ping' | 'connect'; readonly from: string }
  | { readonly kind: 'ask'; readonly from: string; readonly ref: string; readonly command: Command }
  | { readonly kind: 'answer'; readonly frame: Frame }
  | (Leading &
      (
        | { readonly kind: 'lead' | 'pong' }
        | { readonly kind: 'picture'; readonly to: string; readonly picture: Picture }
        | { readonly kind: 'frames'; readonly frames: readonly Frame[] }
      ));

/** On everything that a leader says. */
interface Leading {
  readonly from: string;
  /** When its time began; a leader that was frozen may not know that it is over. */
  readonly since: number;
  /** Rises by one with each `frames`. */
  readonly at: number;
}

/**
 * One socket for all tabs. Who holds the lock leads; the others hear what the leader hears, and ask it. That
 * saves connections and nothing depends on it: every tab drops what it has by id, so a tab may take over at any time,
 * and two that lead for a moment do no harm.
 */
export class Tabs<Picture> {
  readonly #id: string;
  readonly #channel: Channel;
  readonly #pending: Pending;
  #waiting = new AbortController();
  #release: (() => void) | undefined;
  #leads = false;
  #over = false;
  #since = -1;
  #from = '';
  #at = 0;
  /** Whether anybody listens. */
  #heard = false;
  #frames: Frame[] = [];
  #timer: unknown;

  constructor(
    private readonly platform: Platform,
    private readonly locks: Locks,
    channel: new (name: string) => Channel,
    private readonly name: string,
    private readonly tab: Tab<Picture>,
  ) {
    this.#id = platform.random().toString(36).slice(2) + platform.now().toString(36);
    this.#pending = new Pending(platform, `${this.#id}:`);
    this.#channel = new channel(name);
    this.#channel.onmessage = ({ data }) => this.#message(data as Message<Picture>);
    this.#stand();
  }

  get leads(): boolean {
    return this.#leads;
  }

  /** Tells the others; together with what comes until `flush`. */
  publish(frame: Frame): void {
    if (this.#leads && this.#heard) this.#frames.push(frame);
  }

  flush(): void {
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#at++;
    this.#say({ kind: 'frames', frames });
  }

  /** Has the leader do it. */
  async ask(command: Command): Promise<Answer> {
    try {
      const from = this.#id;
      return await this.#pending.ask((ref) => this.#post({ kind: 'ask', from, ref, command }), ASK_MS);
    } catch (thrown) {
      if (failureOf(thrown, '').code === 'timeout') this.check();
      throw thrown;
    }
  }

  /** Has the leader try to connect. */
  connect(): void {
    this.#post({ kind: 'connect', from: this.#id });
  }

  /** Whether the leader is alive; if not, this tab leads. */
  check(): void {
    if (this.#leads || this.#over) return;
    this.#post({ kind: 'ping', from: this.#id });
    this.#later(() => this.seize(), ANSWER_MS);
  }

  /** Leads, whoever does now. */
  seize(): void {
    if (this.#leads || this.#over) return;
    this.#waiting.abort();
    this.#request({ steal: true });
  }

  leave(): void {
    this.#over = true;
    this.#leads = false;
    this.#waiting.abort();
    this.#release?.();
    this.platform.clearTimeout(this.#timer as never);
    this.#pending.drop();
    this.#channel.close();
  }

  /** Waits for its turn, and hears meanwhile. */
  #stand(): void {
    this.#waiting = new AbortController();
    this.#request({ signal: this.#waiting.signal });
    this.#post({ kind: 'hello', from: this.#id });
    // Tabs that were opened together do not all seize together.
    this.#later(() => this.seize(), ANSWER_MS * (1 + this.platform.random()));
  }

  #request(options: { signal: AbortSignal } | { steal: true }): void {
    const held = () =>
      new Promise<void>((release) => {
        if (this.#over) return release();
        this.#release = release;
        this.#lead();
      });
    this.locks.request(this.name, options, held).catch(() => {
      // Given up by ourselves, or taken by a tab that thought us dead.
      if (!this.#leads) return;
      this.#leads = false;
      this.#frames = [];
      this.tab.resign();
      this.#stand();
    });
  }

  #lead(): void {
    this.platform.clearTimeout(this.#timer as never);
    this.#leads = true;
    this.#heard = false;
    this.#at = 0;
    this.#since = Math.max(this.platform.now(), this.#since + 1);
    this.#from = this.#id;
    this.#say({ kind: 'lead' });
    this.#pending.drop();
    this.tab.lead();
  }

  #message(message: Message<Picture>): void {
    if (this.#over) return;
    switch (message.kind) {
      case 'hello':
      case 'ping':
      case 'connect':
      case 'ask':
        if (this.#leads) this.#serve(message);
        return;
      case 'answer':
        this.#pending.settle(message.frame);
        return;
      default:
        if (!this.#leads) this.#follow(message);
    }
  }

  #serve(message: Extract<Message<Picture>, { kind: 'hello' | 'ping' | 'connect' | 'ask' }>): void {
    switch (message.kind) {
      case 'hello':
        // What waits belongs to the picture already.
        this.flush();
        this.#heard = true;
        return this.#say({ kind: 'picture', to: message.from, picture: this.tab.picture() });
      case 'ping':
        return this.#say({ kind: 'pong' });
      case 'connect':
        return this.tab.connect();
      case 'ask': {
        const answer = (type: string, data: Answer) =>
          this.#post({ kind: 'answer', frame: { type, data, ref: message.ref } });
        this.tab.perform(message.command).then(
          (data) => answer('answer', data),
          (thrown: unknown) => answer('error', { ...failureOf(thrown, 'network') }),
        );
      }
    }
  }

  #follow(message: Extract<Message<Picture>, Leading>): void {
    const { from, since, at } = message;
    if (since < this.#since) return;
    this.#later(() => this.check(), PING_MS * (1 + this.platform.random()));
    const known = since === this.#since && from === this.#from;
    if (message.kind === 'picture' && message.to === this.#id) {
      this.#since = since;
      this.#from = from;
      this.#at = at;
      this.tab.follow(message.picture);
    } else if (message.kind === 'frames' && known) {
      if (at <= this.#at) return;
      if (at === this.#at + 1) {
        this.#at = at;
        this.tab.frames(message.frames);
      } else {
        this.#post({ kind: 'hello', from: this.#id });
      }
    } else if (message.kind === 'lead' || (message.kind === 'pong' && !known)) {
      this.#post({ kind: 'hello', from: this.#id });
    }
  }

  #say(
    what:
      | { kind: 'lead' | 'pong' }
      | { kind: 'picture'; to: string; picture: Picture }
      | { kind: 'frames'; frames: readonly Frame[] },
  ): void {
    this.#post({ ...what, from: this.#id, since: this.#since, at: this.#at });
  }

  #post(message: Message<Picture>): boolean {
    if (this.#over) return false;
    this.#channel.postMessage(message);
    return true;
  }

  #later(run: () => void, ms: number): void {
    this.platform.clearTimeout(this.#timer as never);
    this.#timer = this.platform.setTimeout(run, ms);
  }
}

