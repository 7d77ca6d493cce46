import { CampanileError, failureOf } from './failure.js';
import type { Platform } from './platform.js';
import { within } from './signals.js';

/** How long the page may take to come up with a token. */
const DEADLINE_MS = 30_000;

export type TokenSource = string | ((signal: AbortSignal) => string | Promise<string>);

/** Where tokens come from; remembers the last for requests beside the connection. */
export class Tokens {
  readonly #source: TokenSource;
  readonly #platform: Platform;
  #last: string | undefined;
  /** The last one was fetched ahead: the next attempt is to use it. */
  spare = false;

  constructor(source: TokenSource, platform: Platform) {
    this.#source = source;
    this.#platform = platform;
  }

  /** Whether asking again cannot bring another. */
  get isStatic(): boolean {
    return typeof this.#source === 'string';
  }

  /** The last one, or the first. */
  async last(signal: AbortSignal): Promise<string> {
    return this.#last ?? this.fetch(signal);
  }

  /** For an attempt to connect: tokens expire, so the page is asked each time. */
  async next(signal: AbortSignal): Promise<string> {
    const { spare } = this;
    this.spare = false;
    return spare ? this.last(signal) : this.fetch(signal);
  }

  /** @throws `token` when the page has none */
  async fetch(signal: AbortSignal): Promise<string> {
    const source = this.#source;
    const ask = async () => (typeof source === 'string' ? source : source(signal));
    try {
      const token = await within(ask(), signal, this.#platform, DEADLINE_MS, 'token');
      if (token && typeof token === 'string') return (this.#last = token);
    } catch (thrown) {
      throw new CampanileError('token', failureOf(thrown).message);
    }
    throw new CampanileError('token', 'there is no token');
  }
}
