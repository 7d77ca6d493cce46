// What a page has to say about its connection, and what one can do about it.

import type { State } from '../types.js';
import type { Format } from './format.js';

export interface Trouble {
  readonly words: string;
  /** What the button says that tries again; none while it is being tried. */
  readonly action: string | undefined;
}

/** `before`: the same, the last time. A first connection is none; one after trouble still is. */
export function troubleOf(state: State, format: Format, before: Trouble | undefined): Trouble | undefined {
  const { messages } = format;
  switch (state.connection) {
    case 'open':
      return undefined;
    case 'connecting':
      return before && { words: `${messages.reconnecting}…`, action: undefined };
    case 'waiting': {
      const left = Math.ceil(((state.retryAt ?? Date.now()) - Date.now()) / 1000);
      const when = format.seconds(Math.max(1, left));
      return { words: messages.waiting.replace('{when}', when), action: messages.tryNow };
    }
    case 'offline':
      return { words: messages.offline, action: messages.tryNow };
    case 'closed': {
      const mine = /token|auth|revoked/.test(state.error?.code ?? '');
      return { words: mine ? messages.signIn : messages.refused, action: messages.tryNow };
    }
    case 'idle':
      return { words: messages.idle, action: messages.connect };
  }
}
