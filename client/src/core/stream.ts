import { closed, cut, type Gone, refused } from './closing.js';
import { EventReader } from './events.js';
import { failureOf } from './failure.js';
import { bodyOf, errorOf } from './http.js';
import type { Hearing, Open } from './link.js';
import { parseFrame } from './wire.js';

/**
 * Server-sent events, for where WebSockets are blocked. Through `fetch`, since an EventSource cannot send
 * the token in a header.
 */
export const openStream: Open = ({ platform, endpoints }, token, cursor, hearing) => {
  const over = new AbortController();
  const { signal } = over;
  const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
  const gone = (end: Gone) => {
    if (signal.aborted) return;
    over.abort();
    hearing.gone(end);
  };
  const run = async () => {
    const response = await platform.fetch(endpoints.stream(cursor), { headers, cache: 'no-store', signal });
    const { status, body } = response;
    const type = response.headers.get('content-type');
    if (status !== 200 || !body || !type?.startsWith('text/event-stream')) {
      const seconds = Number(response.headers.get('retry-after'));
      return gone(refused(status, errorOf(status, await bodyOf(response)), seconds * 1000 || undefined));
    }
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const events = new EventReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      hearing.heard();
      for (const { type, data, retry } of events.feed(decoder.decode(piece.value, { stream: true }))) {
        if (signal.aborted) return;
        if (type) tell(`{"type":"${type}","data":${data}}`, hearing, gone);
        // Alone, it is what a gateway advises before it restarts.
        else if (retry) tell(`{"type":"reconnect","data":{"after_ms":${retry}}}`, hearing, gone);
      }
    }
    gone(cut('the stream has ended'));
  };
  run().catch((thrown: unknown) => gone(cut(failureOf(thrown).message)));
  return { kind: 'stream', send: () => false, close: () => over.abort() };
};

/** As a socket would have said it. */
function tell(text: string, hearing: Hearing, gone: (end: Gone) => void): void {
  const frame = parseFrame(text);
  if (frame?.type === 'close') gone(closed(Number(frame.data.code), String(frame.data.reason)));
  else if (frame) hearing.frame(frame);
}
