import type { Failure } from '../types.js';
import { closed, cut, type Gone } from './closing.js';
import { withCursor } from './endpoints.js';
import { EventReader } from './events.js';
import { failureOf } from './failure.js';
import { bodyOf, errorOf } from './http.js';
import type { Hearing, Open, Reach } from './link.js';
import { parseFrame } from './wire.js';

/** One event stream. */
export const openEvents: Open = (reach, token, cursor, hearing) => {
  const over = new AbortController();
  const { signal } = over;
  const close = () => over.abort();
  listen(reach, token, cursor(), hearing, signal)
    .catch((thrown: unknown) => cut(failureOf(thrown).message))
    .then((gone) => {
      if (!signal.aborted) hearing.gone(gone);
      close();
    });
  return { kind: 'stream', send: () => false, close };
};

/**
 * Tells what an event stream says as a socket would have said it; resolves to how it ended. Through `fetch`, since an
 * EventSource cannot send the token in a header.
 */
async function listen(
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
