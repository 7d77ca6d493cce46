import { CampanileError } from './failure.js';
import type { Platform } from './platform.js';

/** How long the page may take to come up with a token. */
const DEADLINE_MS = 30_000;

export type TokenSource = string | ((signal: AbortSignal) => string | Promise<string>);

/** Where tokens come from; remembers the last for requests beside the connection. */
export class Tokens {
  #last: string | undefined;
  #unused = false;

  constructor(
    private readonly source: TokenSource,
    private readonly platform: Platform,
  ) {}

  /** Whether asking again cannot bring another. */
  get isStatic(): boolean {
    return typeof this.source === 'string';
  }

  /** The last one, or the first. */
  async last(signal: AbortSignal): Promise<string> {
    return this.#last ?? this.fetch(signal);
  }

  /** For an attempt to connect: tokens expire, so the page is asked each time. */
  async next(signal: AbortSignal): Promise<string> {
    if (this.#unused && this.#last !== undefined) {
      this.#unused = false;
      return this.#last;
    }
    return this.fetch(signal);
  }

  /** Fetches one which `next` will give out without asking again. */
  async ahead(signal: AbortSignal): Promise<string> {
    const token = await this.fetch(signal);
    this.#unused = true;
    return token;
  }

  /** @throws `token`, when the page has none, or its own error in that clothing */
  async fetch(signal: AbortSignal): Promise<string> {
    const token = typeof this.source === 'string' ? this.source : await this.#ask(this.source, signal);
    if (typeof token !== 'string' || !token) throw new CampanileError('token', 'there is no token');
    this.#unused = false;
    return (this.#last = token);
  }

  async #ask(source: Exclude<TokenSource, string>, signal: AbortSignal): Promise<string> {
    const over = new AbortController();
    const { platform } = this;
    let timer: unknown;
    const ended = new Promise<never>((_, reject) => {
      const end = (code: string, message: string) => () => {
        over.abort();
        reject(new CampanileError(code, message));
      };
      timer = platform.setTimeout(end('token', `no token within ${DEADLINE_MS / 1000} s`), DEADLINE_MS);
      signal.addEventListener('abort', end('aborted', 'not wanted any more'), { signal: over.signal });
    });
    try {
      return await Promise.race([Promise.resolve().then(() => source(over.signal)), ended]);
    } catch (thrown) {
      if (thrown instanceof CampanileError) throw thrown;
      throw new CampanileError('token', thrown instanceof Error ? thrown.message : String(thrown));
    } finally {
      platform.clearTimeout(timer as never);
      over.abort();
    }
  }
}
