import { FRAME_MS, HIDDEN_MS } from './limits.js';
import type { Platform } from './platform.js';

export interface Batch {
  /** Soon: at once after a pause, else with what else has changed. */
  later(): void;
  now(): void;
}

/** Runs `flush` after something has changed. */
export function createBatch(platform: Platform, flush: () => void): Batch {
  let last = -Infinity;
  let cancel: (() => void) | undefined;
  let queued = false;
  const now = () => {
    cancel?.();
    queued = false;
    last = platform.now();
    flush();
  };
  const later = () => {
    if (queued) return;
    queued = true;
    const pause = platform.isVisible() ? FRAME_MS : HIDDEN_MS;
    const left = last + pause - platform.now();
    // More than a pause: the clock was set back.
    if (left <= 0 || left > pause) queueMicrotask(() => queued && now());
    else cancel = platform.after(left, now);
  };
  return { later, now };
}
