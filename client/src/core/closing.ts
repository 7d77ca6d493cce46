import type { Failure } from '../types.js';

/**
 * - `again`: come back after the usual wait
 * - `slow`: come back, but less often
 * - `token`: come back with another token
 * - `final`: the same attempt would fail again
 */
export type Verdict = 'again' | 'slow' | 'token' | 'final';

/** A connection that came to its end, or did not come about. */
export interface Gone {
  readonly verdict: Verdict;
  readonly failure: Failure;
  /** Milliseconds that the gateway wants to be left alone. */
  readonly after?: number | undefined;
  /** Not a word was heard: whatever is in between may not let this kind of connection through. */
  readonly mute?: boolean;
}

const NAMES: Readonly<Record<number, string>> = {
  1006: 'network',
  1012: 'restarting',
  4000: 'protocol_errors',
  4001: 'token_expired',
  4003: 'forbidden',
  4008: 'too_slow',
  4009: 'replaced',
  4029: 'rate_limit',
};

/** Nobody said why. */
export const cut = (message: string, mute = false): Gone => ({ ...closed(1006, message), mute });

/** Of a close code; `said` is the error frame that came before it. */
export function closed(code: number, reason: string, said?: Failure): Gone {
  const name = NAMES[code] ?? `closed_${code}`;
  const failure = said ?? { code: name, message: reason || name };
  return { verdict: verdict(code, failure.code), failure };
}

function verdict(code: number, said: string): Verdict {
  // The gateway cannot fetch the keys that it would verify a token with: nothing is wrong with ours.
  if (said === 'keys_unavailable') return 'again';
  // The user has as many connections as they may have; one of them may end.
  if (said === 'user_limit') return 'slow';
  if (code === 4001) return 'token';
  if (/^400[0-79]$/.test(`${code}`)) return 'final';
  // Protocol (1002), encoding (1007), policy (1008), size (1009), rate: it may pass, but not soon.
  return /^(100[2789]|4029)$/.test(`${code}`) ? 'slow' : 'again';
}
