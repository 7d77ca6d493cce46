import type { Failure } from '../types.js';
import { CampanileError, thrown } from './failure.js';
import { type Answer, DEADLINE_MS } from './http.js';
import type { Platform } from './platform.js';
import { within } from './signals.js';
import type { Frame } from './wire.js';

/** Commands that were sent and not answered; answers are told apart by `ref`. */
export class Pending {
  #last = 0;
  readonly #waiting = new Map<unknown, (answer: Frame | undefined) => void>();
  readonly #platform: Platform;
  readonly #prefix: string;

  /** @param prefix tells the refs of one page from those of another on the same line */
  constructor(platform: Platform, prefix = '') {
    this.#platform = platform;
    this.#prefix = prefix;
  }

  /** @param send `false`: it could not be sent, which rejects with `network`, as does losing the line */
  async ask(send: (ref: string) => boolean | undefined, deadline = DEADLINE_MS): Promise<Answer> {
    const ref = this.#prefix + ++this.#last;
    const answer = new Promise<Frame | undefined>((resolve) => {
      this.#waiting.set(ref, resolve);
      if (!send(ref)) resolve(undefined);
    });
    try {
      const frame = await within(answer, undefined, this.#platform, deadline);
      if (!frame) throw new CampanileError('network', 'the connection was lost');
      const { type, data } = frame;
      if (type === 'error') throw thrown(data as unknown as Failure);
      return data;
    } finally {
      this.#waiting.delete(ref);
    }
  }

  /** Whether somebody had waited for this frame. */
  settle(frame: Frame): boolean {
    const waiting = this.#waiting.get(frame.ref);
    waiting?.(frame);
    return !!waiting;
  }

  /** The connection is gone, and the answers with it. */
  drop(): void {
    for (const waiting of this.#waiting.values()) waiting(undefined);
  }
}
