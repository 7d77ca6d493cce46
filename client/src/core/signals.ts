import { CampanileError } from './failure.js';
import type { Platform } from './platform.js';

/** Runs once, when it is aborted or if it is already; returns how to call that off. */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal?.aborted) run();
  signal?.addEventListener('abort', run, { once: true });
  return () => signal?.removeEventListener('abort', run);
}

/** Rejects with the signal's reason when that is aborted first, or with `code` after `ms` milliseconds. */
export async function within<Result>(
  promise: Promise<Result>,
  signal?: AbortSignal,
  platform?: Platform,
  ms = 0,
  code = 'timeout',
): Promise<Result> {
  let cancel: (() => void) | undefined;
  let off: (() => void) | undefined;
  const first = new Promise<never>((_, reject) => {
    off = onAbort(signal, () => reject(signal?.reason as Error));
    const late = () => reject(new CampanileError(code, `no answer within ${ms / 1000} s`));
    cancel = platform?.after(ms, late);
  });
  try {
    return await Promise.race([promise, first]);
  } finally {
    off?.();
    cancel?.();
  }
}
