import { CampanileError } from './failure.js';
import type { Platform } from './platform.js';

/** Runs once, when it is aborted or if it is already; returns how to call that off. */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal?.aborted) run();
  signal?.addEventListener('abort', run, { once: true });
  return () => signal?.removeEventListener('abort', run);
}

/** Rejects with the signal's reason when that is aborted first, or with `timeout` after `ms` milliseconds. */
export function within<Result>(
  promise: Promise<Result>,
  signal?: AbortSignal,
  platform?: Platform,
  ms = 0,
): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    const late = () => reject(new CampanileError('timeout', `no answer within ${ms / 1000} s`));
    const cancel = platform?.after(ms, late);
    const off = onAbort(signal, () => reject(signal?.reason as Error));
    promise.then(resolve, reject).finally(() => {
      off();
      cancel?.();
    });
  });
}
