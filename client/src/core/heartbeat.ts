/** How long an answer to our ping may take. */
const ANSWER_MS = 10_000;
/** The same where there is a reason to doubt, and a user who waits. */
const PROBE_MS = 4_000;
/** Silence of this many ping intervals is worth a question. */
const PATIENCE = 1.5;

export type Beat = 'wait' | 'ping' | 'dead';

/**
 * When to ask whether the gateway is still there, and when to give up. No clock and no timer of its own.
 * A page does not see the pings of RFC 6455, so silence is no proof: it asks with a frame.
 */
export class Heartbeat {
  #heard: number;
  #asked: number | undefined;
  #answer = ANSWER_MS;
  /** Whether the question was repeated because this side had slept. */
  #again = false;

  /** @param interval milliseconds between two pings of the gateway */
  constructor(
    private readonly interval: number,
    now: number,
  ) {
    this.#heard = now;
  }

  /** Anything arrived. */
  heard(now: number): void {
    this.#heard = now;
    this.#asked = undefined;
    this.#again = false;
    this.#answer = ANSWER_MS;
  }

  /** Asks at once, as after the network has changed; returns whether a ping is to be sent. */
  probe(now: number): boolean {
    if (this.#asked !== undefined) return false;
    this.#asked = now;
    this.#answer = PROBE_MS;
    return true;
  }

  beat(now: number): Beat {
    // The clock was set back; what is measured from the future would never be due.
    if (this.#heard > now) this.#heard = now;
    if (this.#asked !== undefined && this.#asked > now) this.#asked = now;
    if (now < this.due()) return 'wait';
    if (this.#asked === undefined) {
      this.#asked = now;
      return 'ping';
    }
    // Much too late: the page was frozen or throttled, and the answer may be in the queue behind us.
    if (!this.#again && now - this.#asked >= 2 * this.#answer) {
      this.#again = true;
      this.#asked = now;
      return 'ping';
    }
    return 'dead';
  }

  /** When `beat` has something to say next. */
  due(): number {
    return this.#asked === undefined ? this.#heard + this.interval * PATIENCE : this.#asked + this.#answer;
  }
}
