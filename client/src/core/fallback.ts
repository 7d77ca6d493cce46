// What works without a socket: the commands over HTTP, and server-sent events. Most sessions never need either.

import type { Failure } from '../types.js';
import { closed, cut, type Gone } from './closing.js';
import { withCursor } from './endpoints.js';
import { EventReader } from './events.js';
import { failureOf, thrown } from './failure.js';
import { DEADLINE_MS } from './limits.js';
import type { Answer, Hearing, Reach } from './link.js';
import { within } from './signals.js';
import { type Command, parseFrame } from './wire.js';

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
const bodyOf = (response: Response): Promise<Body | undefined> =>
  response.json().catch(() => undefined) as Promise<Body | undefined>;

const errorOf = (status: number, body: Body | undefined): Failure =>
  body?.error ?? { code: 'network', message: `the gateway answered ${status}` };

/**
 * Tells what an event stream says as a socket would have said it; resolves to how it ended. Through `fetch`, since an
 * EventSource cannot send the token in a header.
 */
export async function listen(
  { platform, endpoints }: Reach,
  token: string,
  cursor: string | undefined,
  hearing: Hearing,
  signal: AbortSignal,
): Promise<Gone> {
  const request = {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    cache: 'no-store',
    signal,
  } as const;
  const response = await platform.fetch(withCursor(endpoints.api('/stream'), cursor), request);
  const { status, body, headers } = response;
  if (status !== 200 || !body || !headers.get('content-type')?.startsWith('text/event-stream')) {
    const seconds = Number(headers.get('retry-after'));
    return refused(status, errorOf(status, await bodyOf(response)), seconds * 1000 || undefined);
  }
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    hearing.heard();
    for (const { type, data, retry } of events.feed(decoder.decode(piece.value, { stream: true }))) {
      // Alone, it is what a gateway advises before it restarts.
      const advice = retry ? `{"type":"reconnect","data":{"after_ms":${retry}}}` : undefined;
      const frame = parseFrame(type ? `{"type":"${type}","data":${data}}` : advice);
      if (signal.aborted) return cut('');
      if (frame?.type === 'close') return closed(Number(frame.data.code), String(frame.data.reason));
      if (frame) hearing.frame(frame);
    }
  }
  return cut('the stream has ended');
}

/** Of an HTTP answer that is not a stream; `after` in milliseconds. */
export function refused(status: number, failure: Failure, after: number | undefined): Gone {
  const passes = status >= 500 || status === 429 || status === 408;
  const other = passes ? 'again' : 'slow';
  return { verdict: status === 401 ? 'token' : status === 403 ? 'final' : other, failure, after };
}
