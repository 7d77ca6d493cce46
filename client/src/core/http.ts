import type { Failure } from '../types.js';
import { failureOf, thrown } from './failure.js';
import { DEADLINE_MS } from './limits.js';
import type { Answer, Reach } from './link.js';
import { within } from './signals.js';
import type { Command } from './wire.js';

/**
 * A command over HTTP.
 * @param again whether another token is fetched when this one is refused
 */
export async function ask(
  reach: Reach,
  command: Command,
  signal: AbortSignal,
  again = !reach.tokens.isStatic,
): Promise<Answer> {
  const { platform, endpoints, tokens } = reach;
  const token = await tokens.last(signal);
  const over = new AbortController();
  try {
    const [method, path] = route(command);
    const send = async () => {
      const url = endpoints.api(path);
      const headers = { authorization: `Bearer ${token}` };
      const response = await platform.fetch(url, { method, headers, cache: 'no-store', signal: over.signal });
      return [response.status, await bodyOf(response)] as const;
    };
    const [status, body] = await within(send(), signal, platform, DEADLINE_MS);
    if (body?.success && body.data) return body.data;
    if (status !== 401 || !again) throw thrown(errorOf(status, body));
  } catch (error) {
    throw thrown(failureOf(error));
  } finally {
    over.abort();
  }
  await tokens.fetch(signal);
  return ask(reach, command, signal, false);
}

function route(command: Command): readonly [method: string, path: string] {
  const { type } = command;
  if (type === 'list') return ['GET', `?limit=${command.limit}${command.before ? `&before=${command.before}` : ''}`];
  if (type === 'mark_all_read') return ['POST', '/read_all'];
  const path = `/${encodeURIComponent(command.notification_id)}`;
  return type === 'delete' ? ['DELETE', path] : ['POST', `${path}/read`];
}

interface Body {
  readonly success?: boolean;
  readonly data?: Answer;
  readonly error?: Failure;
}

/** `undefined` where something in between has answered. */
export const bodyOf = (response: Response): Promise<Body | undefined> =>
  response.json().catch(() => undefined) as Promise<Body | undefined>;

export const errorOf = (status: number, body: Body | undefined): Failure =>
  body?.error ?? { code: 'network', message: `the gateway answered ${status}` };
