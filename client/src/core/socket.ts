import type { Failure } from '../types.js';
import { closed, cut } from './closing.js';
import { withCursor } from './endpoints.js';
import type { Open } from './link.js';
import { parseFrame } from './wire.js';

/**
 * A WebSocket. The token is its first frame and not a subprotocol `bearer.…`: a refusal then comes with a code
 * and a reason, where a browser hides the status of a failed upgrade; and headers end up in logs of proxies and
 * have a limit there. The price is one round trip.
 */
export const openSocket: Open = ({ platform, endpoints }, token, cursor, hearing) => {
  let said: Failure | undefined;
  let mute = true;
  const socket = new platform.socket(withCursor(endpoints.socket(), cursor()), ['campanile.v1']);
  const send = (frame: object) => {
    // `WebSocket.OPEN`.
    const isOpen = socket.readyState === 1;
    if (isOpen) socket.send(JSON.stringify(frame));
    return isOpen;
  };
  socket.onopen = () => send({ type: 'auth', token });
  socket.onmessage = ({ data }) => {
    mute = false;
    hearing.heard();
    const frame = parseFrame(data);
    if (frame?.type === 'error' && !frame.ref) said = frame.data as unknown as Failure;
    if (frame) hearing.frame(frame);
  };
  socket.onclose = ({ code, reason }) =>
    hearing.gone(mute && code === 1006 ? cut('no connection', mute) : closed(code, reason, said));
  return {
    kind: 'socket',
    send,
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    },
  };
};
