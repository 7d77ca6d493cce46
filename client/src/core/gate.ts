import type { Platform } from './platform.js';

/** The gateway takes 8 commands of one connection at a time and 20 a second; other tabs are among them. */
const AT_ONCE = 6;
const BURST = 10;
const PER_SECOND = 12;

/** Lets commands pass at a pace that the gateway does not refuse; the others wait in line. */
export class Gate {
  #inside = 0;
  #credit = BURST;
  #counted: number;
  #timer: unknown;
  readonly #line = new Set<() => void>();

  constructor(private readonly platform: Platform) {
    this.#counted = platform.now();
  }

  async pass<Result>(run: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    await this.#turn(signal);
    try {
      return await run();
    } finally {
      this.#inside--;
      this.#admit();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        this.#line.delete(enter);
        reject(signal.reason as Error);
      };
      if (signal.aborted) return leave();
      signal.addEventListener('abort', leave, { once: true });
      this.#line.add(enter);
      this.#admit();
    });
  }

  #admit(): void {
    const now = this.platform.now();
    const earned = (Math.max(0, now - this.#counted) * PER_SECOND) / 1000;
    this.#credit = Math.min(BURST, this.#credit + earned);
    this.#counted = now;
    for (const enter of this.#line) {
      if (this.#inside >= AT_ONCE) return;
      if (this.#credit < 1) return this.#later();
      this.#line.delete(enter);
      this.#inside++;
      this.#credit--;
      enter();
    }
  }

  #later(): void {
    this.#timer ??= this.platform.setTimeout(
      () => {
        this.#timer = undefined;
        this.#admit();
      },
      Math.ceil(((1 - this.#credit) * 1000) / PER_SECOND),
    );
  }
}
