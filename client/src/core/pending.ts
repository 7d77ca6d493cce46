import { CampanileError } from './failure.js';
import { type Answer, DEADLINE_MS } from './http.js';
import type { Platform } from './platform.js';
import type { Frame } from './wire.js';

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: CampanileError) => void;
}

/** Commands that were sent and not answered; answers are told apart by `ref`. */
export class Pending {
  #last = 0;
  readonly #waiting = new Map<string, Waiting>();

  constructor(
    private readonly platform: Platform,
    /** Tells the refs of this page from those of another on the same line. */
    private readonly prefix = '',
  ) {}

  /** @param send `false`: it could not be sent, which rejects with `network` */
  async ask(send: (ref: string) => boolean, deadline = DEADLINE_MS): Promise<Answer> {
    const ref = `${this.prefix}${++this.#last}`;
    let timer: unknown;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#waiting.set(ref, { resolve, reject });
        timer = this.platform.setTimeout(
          () => reject(new CampanileError('timeout', 'the gateway did not answer in time')),
          deadline,
        );
        if (!send(ref)) reject(lost());
      });
    } finally {
      this.#waiting.delete(ref);
      this.platform.clearTimeout(timer as never);
    }
  }

  /** Whether somebody had waited for this frame. */
  settle({ type, data, ref }: Frame): boolean {
    const waiting = typeof ref === 'string' ? this.#waiting.get(ref) : undefined;
    if (!waiting) return false;
    if (type === 'error') waiting.reject(new CampanileError(String(data.code), String(data.message)));
    else waiting.resolve(data);
    return true;
  }

  /** The connection is gone, and the answers with it. */
  drop(): void {
    for (const { reject } of [...this.#waiting.values()]) reject(lost());
  }
}

const lost = () => new CampanileError('network', 'the connection was lost');
