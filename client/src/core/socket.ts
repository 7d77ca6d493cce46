import type { Failure } from '../types.js';
import { closed } from './closing.js';
import type { Link, Open } from './link.js';
import { parseFrame } from './wire.js';

const SUBPROTOCOL = 'campanile.v1';

/**
 * A WebSocket. The token is its first frame and not a subprotocol `bearer.…`: a refusal then comes with a code
 * and a reason, where a browser hides the status of a failed upgrade; and headers end up in logs of proxies and
 * have a limit there. The price is one round trip.
 */
export const openSocket: Open = (platform, endpoints, token, cursor, hearing): Link => {
  const address = endpoints.socket(cursor);
  let said: Failure | undefined;
  let mute = true;
  let over = false;
  let opened = false;
  const socket = platform.socket && new platform.socket(address, [SUBPROTOCOL]);

  const gone = (code: number, reason: string) => {
    if (over) return;
    over = true;
    hearing.gone({ ...closed(code, reason, said), mute: mute && code === 1006 });
  };
  if (!socket) {
    queueMicrotask(() => gone(1006, 'there is no WebSocket here'));
    return { kind: 'socket', send: () => false, close: () => void (over = true) };
  }
  socket.onopen = () => {
    opened = true;
    if (!over) socket.send(JSON.stringify({ type: 'auth', token }));
  };
  socket.onmessage = ({ data }) => {
    if (over) return;
    mute = false;
    hearing.heard();
    const frame = parseFrame(data);
    if (!frame) return;
    if (frame.type === 'error' && frame.ref === undefined) {
      said = { code: String(frame.data.code), message: String(frame.data.message) };
    }
    hearing.frame(frame);
  };
  // What is wrong is in the close event that follows.
  socket.onerror = () => {};
  socket.onclose = ({ code, reason }) => gone(code, reason);
  return {
    kind: 'socket',
    send(frame) {
      if (!opened || over) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    close() {
      over = true;
      socket.close(1000);
    },
  };
};
