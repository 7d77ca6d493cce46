import type { Failure } from '../types.js';
import { CampanileError, thrown } from './failure.js';
import { DEADLINE_MS } from './limits.js';
import type { Answer } from './link.js';
import type { Platform } from './platform.js';
import { within } from './signals.js';
import type { Frame } from './wire.js';

/** Commands that were sent and not answered; answers are told apart by `ref`. */
export interface Pending {
  /** @param send `false`: it could not be sent, which rejects with `network`, as does losing the line */
  ask(send: (ref: string) => boolean | undefined, deadline?: number): Promise<Answer>;
  /** Whether somebody had waited for this frame. */
  settle(frame: Frame): boolean;
  /** The connection is gone, and the answers with it. */
  drop(): void;
}

/** @param prefix tells the refs of one page from those of another on the same line */
export function createPending(platform: Platform, prefix = ''): Pending {
  let last = 0;
  const waiting = new Map<unknown, (answer?: Frame) => void>();
  return {
    async ask(send, deadline = DEADLINE_MS) {
      const ref = prefix + ++last;
      const answer = new Promise<Frame | undefined>((resolve) => {
        waiting.set(ref, resolve);
        if (!send(ref)) resolve(undefined);
      });
      try {
        const frame = await within(answer, undefined, platform, deadline);
        if (!frame) throw new CampanileError('network', 'no connection');
        if (frame.type === 'error') throw thrown(frame.data as unknown as Failure);
        return frame.data;
      } finally {
        waiting.delete(ref);
      }
    },
    settle(frame) {
      const settle = waiting.get(frame.ref);
      settle?.(frame);
      return !!settle;
    },
    drop() {
      for (const settle of waiting.values()) settle();
    },
  };
}
