import { onAbort } from './signals.js';

/** A gateway does 8 commands of one connection at a time. */
const AT_ONCE = 6;

/** Lets some commands in at a time; the others wait in line. */
export class Gate {
  #inside = 0;
  readonly #line = new Set<() => void>();

  async pass<Result>(run: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    if (this.#inside >= AT_ONCE) {
      await new Promise<void>((resolve) => {
        this.#line.add(resolve);
        onAbort(signal, () => {
          this.#line.delete(resolve);
          resolve();
        });
      });
    }
    this.#inside++;
    try {
      signal.throwIfAborted();
      return await run();
    } finally {
      this.#inside--;
      const [next] = this.#line;
      if (next) this.#line.delete(next);
      next?.();
    }
  }
}
