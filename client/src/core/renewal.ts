import type { Failure } from '../types.js';
import { failureOf } from './failure.js';
import type { Platform } from './platform.js';
import type { Tokens } from './tokens.js';

/** Between two tries; the warning comes half a minute before the end. */
const PAUSE_MS = 5_000;

/** Who wants a new token. */
export interface Renewed {
  /** Rejects when the gateway does not take it. */
  renewed(token: string): Promise<void>;
  error(failure: Failure): void;
}

/** A new token before the old one ends; tried until then. */
export class Renewal {
  #over = new AbortController();
  #timer: unknown;

  constructor(
    private readonly platform: Platform,
    private readonly tokens: Tokens,
    private readonly owner: Renewed,
  ) {}

  /** @param left milliseconds until the connection ends with its token */
  expiring(left: number): void {
    this.stop();
    // Nothing to be had: the connection will end, and the page be told.
    if (this.tokens.isStatic) return;
    this.#over = new AbortController();
    void this.#renew(this.#over.signal, this.platform.now() + left);
  }

  stop(): void {
    this.#over.abort();
    this.platform.clearTimeout(this.#timer as never);
  }

  async #renew(signal: AbortSignal, end: number): Promise<void> {
    try {
      const token = await this.tokens.fetch(signal);
      if (!signal.aborted) await this.owner.renewed(token);
    } catch (thrown) {
      if (signal.aborted) return;
      this.owner.error(failureOf(thrown, 'token'));
      if (this.platform.now() + PAUSE_MS >= end) return;
      this.#timer = this.platform.setTimeout(() => void this.#renew(signal, end), PAUSE_MS);
    }
  }
}
