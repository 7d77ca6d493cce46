import { MAX_PROBE_MS, PROBE_MS } from './limits.js';
import type { Hearing, Link, Open, Reach } from './link.js';
import { openSocket } from './socket.js';
import { openEvents } from './sse.js';

/** How long to wait before the next socket is tried; whoever is cut off does not begin anew. */
const waits = new WeakMap<Reach, number>();

/**
 * Event streams for as long as sockets do not get through, which is tried now and then. A stream cannot take a new
 * token: it is replaced by one that has it.
 */
export const standIn: Open = (reach, token, cursor, hearing) => {
  const { platform, tokens, transport } = reach;
  const over = new AbortController();
  let rival: Link | undefined;
  let cancel: (() => void) | undefined;

  const dial = (open: Open, token: string): Link => {
    const own: Hearing = {
      ...hearing,
      heard: () => mine === current && hearing.heard(),
      frame(frame) {
        // The first word of a second connection: from here on it is the first.
        if (mine === rival && frame.type === 'connected') promote(mine);
        if (mine === current) hearing.frame(frame);
      },
      gone(end) {
        if (mine === current) hearing.gone(end);
        else rival = undefined;
      },
    };
    const mine = open(reach, token, cursor, own);
    return mine;
  };

  const promote = (next: Link) => {
    current.close();
    current = next;
    rival = undefined;
    if (next.kind === 'stream') return hearing.replaced();
    cancel?.();
    over.abort();
    waits.delete(reach);
    hearing.replaced(next);
  };

  /** Opens a second connection beside the first, which goes when the second is greeted. */
  const challenge = (open: Open, token: string) => {
    rival?.close();
    rival = undefined;
    try {
      rival = dial(open, token);
    } catch {
      // There is no WebSocket.
    }
  };

  /** Whether sockets get through by now. */
  const probe = () => {
    const wait = waits.get(reach) ?? PROBE_MS;
    cancel = platform.after(wait, () => {
      waits.set(reach, Math.min(MAX_PROBE_MS, wait * 2));
      probe();
      tokens.last(over.signal).then(
        (token) => over.signal.aborted || challenge(openSocket, token),
        () => {},
      );
    });
  };

  let current = dial(openEvents, token);
  if (transport === 'auto') probe();
  return {
    kind: 'stream',
    send: () => false,
    renew: (token) => challenge(openEvents, token),
    close() {
      over.abort();
      cancel?.();
      rival?.close();
      current.close();
    },
  };
};
