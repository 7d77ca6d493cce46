import type { Platform } from './platform.js';

/** Changes are shown together at most this often: once per frame of a screen. */
const FRAME_MS = 16;
/** The same while nobody looks. */
const HIDDEN_MS = 250;

/** Runs `flush` soon after something has changed: at once after a pause, else with what else has changed. */
export class Batch {
  #last = -Infinity;
  #cancel: (() => void) | undefined;
  #queued = false;

  constructor(
    private readonly platform: Platform,
    private readonly flush: () => void,
  ) {}

  later(): void {
    if (this.#queued) return;
    this.#queued = true;
    const { platform } = this;
    const pause = platform.isVisible() ? FRAME_MS : HIDDEN_MS;
    const left = this.#last + pause - platform.now();
    if (left <= 0 || left > pause) queueMicrotask(() => this.#queued && this.now());
    else this.#cancel = platform.after(left, () => this.now());
  }

  now(): void {
    this.#cancel?.();
    this.#queued = false;
    this.#last = this.platform.now();
    this.flush();
  }
}
