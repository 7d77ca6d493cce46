import type { Failure } from '../types.js';
import { closed, cut } from './closing.js';
import type { Open } from './link.js';
import { parseFrame } from './wire.js';

const SUBPROTOCOL = 'campanile.v1';
/** `WebSocket.OPEN`. */
const OPEN = 1;

/**
 * A WebSocket. The token is its first frame and not a subprotocol `bearer.…`: a refusal then comes with a code
 * and a reason, where a browser hides the status of a failed upgrade; and headers end up in logs of proxies and
 * have a limit there. The price is one round trip.
 */
export const openSocket: Open = ({ platform, endpoints }, token, cursor, hearing) => {
  let said: Failure | undefined;
  let mute = true;
  let over = false;
  const socket = new platform.socket(endpoints.socket(cursor), [SUBPROTOCOL]);
  const send = (frame: object) => {
    const isOpen = socket.readyState === OPEN && !over;
    if (isOpen) socket.send(JSON.stringify(frame));
    return isOpen;
  };
  socket.onopen = () => send({ type: 'auth', token });
  socket.onmessage = ({ data }) => {
    if (over) return;
    mute = false;
    hearing.heard();
    const frame = parseFrame(data);
    if (!frame) return;
    if (frame.type === 'error' && !frame.ref) said = frame.data as unknown as Failure;
    hearing.frame(frame);
  };
  socket.onclose = ({ code, reason }) => {
    if (over) return;
    over = true;
    hearing.gone(mute && code === 1006 ? { ...cut('cannot connect'), mute } : closed(code, reason, said));
  };
  return {
    kind: 'socket',
    send,
    close() {
      over = true;
      socket.close(1000);
    },
  };
};
