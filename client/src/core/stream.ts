import type { Gone } from './closing.js';
import { closed, refused } from './closing.js';
import { EventReader, type ServerEvent } from './events.js';
import { errorOf } from './http.js';
import type { Hearing, Link, Open } from './link.js';
import { parseFrame, parseJson } from './wire.js';

/**
 * Server-sent events, for where WebSockets are blocked. Through `fetch`, since an EventSource cannot send
 * the token in a header.
 */
export const openStream: Open = (platform, endpoints, token, cursor, hearing): Link => {
  const over = new AbortController();
  const gone = (end: Gone) => {
    if (over.signal.aborted) return;
    over.abort();
    hearing.gone(end);
  };
  const run = async () => {
    if (!platform.fetch) return gone(closed(1006, 'there is no fetch here', undefined));
    const response = await platform.fetch(endpoints.stream(cursor), {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      cache: 'no-store',
      signal: over.signal,
    });
    const type = response.headers.get('content-type') ?? '';
    if (!response.ok || !response.body || !type.startsWith('text/event-stream')) {
      const failure = errorOf(response.status, parseJson(await response.text()));
      return gone(refused(response.status, failure, retryAfter(response, platform.now())));
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const events = new EventReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (over.signal.aborted) return;
      if (done) return gone(closed(1006, 'the stream has ended', undefined));
      hearing.heard();
      for (const event of events.feed(decoder.decode(value, { stream: true }))) {
        if (!over.signal.aborted) tell(event, hearing, gone);
      }
    }
  };
  run().catch((thrown: unknown) => {
    gone(closed(1006, thrown instanceof Error ? thrown.message : String(thrown), undefined));
  });
  return { kind: 'stream', send: () => false, close: () => over.abort() };
};

/** As a frame of a socket would have said it. */
function tell({ type, data, retry }: ServerEvent, hearing: Hearing, gone: (end: Gone) => void): void {
  if (type === undefined) {
    const advice = { after_ms: retry, reason: 'restarting' };
    return hearing.frame({ type: 'reconnect', data: advice, ref: undefined });
  }
  const frame = parseFrame(`{"type":${JSON.stringify(type)},"data":${data}}`);
  if (!frame) return;
  if (type !== 'close') return hearing.frame(frame);
  const { code, reason } = frame.data;
  gone(closed(Number(code) || 1006, String(reason ?? ''), undefined));
}

/** Milliseconds; the header has seconds or a date (RFC 9110 §10.2.3). */
function retryAfter(response: Response, now: number): number | undefined {
  const value = response.headers.get('retry-after');
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return ms >= 0 ? ms : undefined;
}
