import WebSocket from 'ws';

import type { Platform } from '../../../src/index.js';

/** What Node 20 lacks. Errors end in `close`, as in a browser; the package would throw them. */
class Quiet extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    this.on('error', () => {});
  }
}

export const socket = Quiet as unknown as Platform['socket'];
