import { CampanileError, failureOf } from './failure.js';
import { TOKEN_MS } from './limits.js';
import type { Platform } from './platform.js';
import { within } from './signals.js';

export type TokenSource = string | ((signal: AbortSignal) => string | Promise<string>);

/** Where tokens come from; remembers the last for requests beside the connection. */
export interface Tokens {
  /** Whether asking again cannot bring another. */
  readonly isStatic: boolean;
  /** The last one, or the first. */
  last(signal: AbortSignal): Promise<string>;
  /**
   * Asks the page.
   * @throws `token` when it has none
   */
  fetch(signal: AbortSignal): Promise<string>;
}

export function createTokens(source: TokenSource, platform: Platform): Tokens {
  let known: string | undefined;
  const fetch = async (signal: AbortSignal) => {
    const ask = async () => (typeof source === 'string' ? source : source(signal));
    try {
      const token = await within(ask(), signal, platform, TOKEN_MS);
      if (token && typeof token === 'string') return (known = token);
    } catch (thrown) {
      throw new CampanileError('token', failureOf(thrown).message);
    }
    throw new CampanileError('token', 'no token');
  };
  return {
    isStatic: typeof source === 'string',
    last: async (signal) => known ?? fetch(signal),
    fetch,
  };
}
