import type { State } from '../types.js';
import type { Format } from './format.js';

/**
 * What a page has to say about its connection; `undefined` if there is no trouble. `before` is what it said last: a
 * first attempt is no trouble, one after some still is.
 */
export function troubleOf(
  { connection, retryAt = 0, error }: State,
  format: Format,
  before: string | undefined,
): string | undefined {
  const { messages } = format;
  if (connection === 'open') return undefined;
  if (connection === 'connecting') return before && messages.connecting;
  const code = error?.code ?? '';
  if (code === 'user_limit') return messages.crowded;
  if (connection === 'waiting') {
    const left = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
    return messages.waiting.replace('{when}', format.relative(left, 'second'));
  }
  return messages[/token|auth/.test(code) && connection === 'closed' ? 'signIn' : connection];
}
