import { failureOf } from './failure.js';
import type { Answer } from './http.js';
import { Pending } from './pending.js';
import type { Channel, Platform } from './platform.js';
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
  perform(command: Command, signal: AbortSignal): Promise<Answer>;
  /** Another tab wants to be connected now. */
  connect(): void;
}

/** What tabs say to each other. */
type Message<Picture> =
  | Hail
  | Asked
  | { readonly kind: 'answer'; readonly frame: Frame }
  | (Leading & Said<Picture>);

interface Hail {
  readonly kind: 'hello' | 'ping' | 'connect';
  readonly from: string;
}

interface Asked {
  readonly kind: 'ask';
  readonly from: string;
  readonly ref: string;
  readonly command: Command;
}

/** What a leader says. */
type Said<Picture> =
  | { readonly kind: 'lead' | 'pong' }
  | { readonly kind: 'picture'; readonly to: string; readonly picture: Picture }
  | { readonly kind: 'frames'; readonly frames: readonly Frame[] };

/** And with it. */
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
  readonly #platform: Platform;
  readonly #name: string;
  readonly #tab: Tab<Picture>;
  readonly #id: string;
  readonly #channel: Channel;
  readonly #pending: Pending;
  readonly #over = new AbortController();
  /** Ends the wait for our turn. */
  #turn = new AbortController();
  /** Gives the lock back. */
  #release: (() => void) | undefined;
  #leads = false;
  /** Of the leader, which may be this tab. */
  #since = -1;
  #from = '';
  #at = 0;
  /** Whether anybody listens. */
  #heard = false;
  #frames: Frame[] = [];
  #cancel: (() => void) | undefined;

  constructor(platform: Platform, name: string, tab: Tab<Picture>) {
    this.#platform = platform;
    this.#name = name;
    this.#tab = tab;
    this.#id = platform.random().toString(36) + platform.now();
    this.#pending = new Pending(platform, this.#id);
    this.#channel = new platform.channel!(name);
    this.#channel.onmessage = ({ data }) => this.#hear(data as Message<Picture>);
    this.#stand();
  }

  /** Tells the others; together with what comes until `flush`. */
  publish(frame: Frame): void {
    if (this.#leads && this.#heard) this.#frames.push(frame);
  }

  flush(): void {
    if (this.#frames.length === 0) return;
    this.#at++;
    this.#say({ kind: 'frames', frames: this.#frames });
    this.#frames = [];
  }

  /** Has the leader do it. */
  async ask(command: Command): Promise<Answer> {
    try {
      const ask = (ref: string) => this.#post({ kind: 'ask', from: this.#id, ref, command });
      return await this.#pending.ask(ask, ASK_MS);
    } catch (thrown) {
      if (failureOf(thrown).code === 'timeout') this.check();
      throw thrown;
    }
  }

  /** Has the leader try to connect. */
  connect(): void {
    this.#post({ kind: 'connect', from: this.#id });
  }

  /** Whether the leader is alive; if not, this tab leads. */
  check(): void {
    if (this.#leads) return;
    this.#post({ kind: 'ping', from: this.#id });
    this.#later(ANSWER_MS, () => this.seize());
  }

  /** Leads, whoever does now. */
  seize(): void {
    if (this.#leads) return;
    this.#turn.abort();
    this.#request({ steal: true });
  }

  leave(): void {
    this.#over.abort();
    this.#leads = false;
    this.#turn.abort();
    this.#release?.();
    this.#cancel?.();
    this.#pending.drop();
    this.#channel.close();
  }

  /** Waits for its turn, and hears meanwhile. */
  #stand(): void {
    const { signal } = (this.#turn = new AbortController());
    this.#request({ signal });
    this.#post({ kind: 'hello', from: this.#id });
    // Tabs that were opened together do not all seize together.
    this.#later(ANSWER_MS * (1 + this.#platform.random()), () => this.seize());
  }

  #request(options: { signal: AbortSignal } | { steal: true }): void {
    const held = () =>
      new Promise<void>((release) => {
        if (this.#over.signal.aborted) return release();
        this.#release = release;
        this.#lead();
      });
    this.#platform.locks!.request(this.#name, options, held).catch(() => {
      // Given up by ourselves, or taken by a tab that thought us dead.
      if (!this.#leads) return;
      this.#leads = false;
      this.#frames = [];
      this.#tab.resign();
      this.#stand();
    });
  }

  #lead(): void {
    this.#cancel?.();
    this.#leads = true;
    this.#heard = false;
    this.#at = 0;
    this.#since = Math.max(this.#platform.now(), this.#since + 1);
    this.#from = this.#id;
    this.#say({ kind: 'lead' });
    this.#pending.drop();
    this.#tab.lead();
  }

  #hear(message: Message<Picture>): void {
    if ('since' in message) {
      if (!this.#leads) this.#follow(message);
    } else if (message.kind === 'answer') {
      this.#pending.settle(message.frame);
    } else if (this.#leads) {
      this.#serve(message);
    }
  }

  #serve(message: Hail | Asked): void {
    if (message.kind === 'ask') {
      const { ref, command } = message;
      const answer = (type: string) => (data: Answer) =>
        this.#post({ kind: 'answer', frame: { type, data, ref } });
      const refuse = (thrown: unknown) => answer('error')({ ...failureOf(thrown) });
      this.#tab.perform(command, this.#over.signal).then(answer('done'), refuse);
    } else if (message.kind === 'hello') {
      // What waits belongs to the picture already.
      this.flush();
      this.#heard = true;
      this.#say({ kind: 'picture', to: message.from, picture: this.#tab.picture() });
    } else if (message.kind === 'ping') {
      this.#say({ kind: 'pong' });
    } else {
      this.#tab.connect();
    }
  }

  #follow(message: Leading & Said<Picture>): void {
    const { kind, from, since, at } = message;
    if (since < this.#since) return;
    this.#later(PING_MS * (1 + this.#platform.random()), () => this.check());
    const known = from === this.#from;
    if (kind === 'picture') {
      if (message.to !== this.#id) return;
      this.#since = since;
      this.#from = from;
      this.#at = at;
      this.#tab.follow(message.picture);
    } else if (kind === 'frames' && known && at <= this.#at + 1) {
      if (at <= this.#at) return;
      this.#at = at;
      this.#tab.frames(message.frames);
    } else if (kind !== 'pong' || !known) {
      // A new leader, or some of its words were lost.
      this.#post({ kind: 'hello', from: this.#id });
    }
  }

  #say(said: Said<Picture>): void {
    this.#post({ ...said, from: this.#id, since: this.#since, at: this.#at });
  }

  #post(message: Message<Picture>): boolean {
    if (this.#over.signal.aborted) return false;
    this.#channel.postMessage(message);
    return true;
  }

  #later(ms: number, run: () => void): void {
    this.#cancel?.();
    this.#cancel = this.#platform.after(ms, run);
  }
}
