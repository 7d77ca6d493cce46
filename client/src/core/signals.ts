/** Aborted as soon as one of these is; `AbortSignal.any` is younger than browsers that are still in use. */
export function linked(...signals: (AbortSignal | undefined)[]): AbortController {
  const own = new AbortController();
  for (const signal of signals) {
    if (signal?.aborted) own.abort(signal.reason);
    signal?.addEventListener('abort', () => own.abort(signal.reason), { signal: own.signal });
  }
  return own;
}

/** Rejects with the signal's reason when it is aborted first. */
export async function abortable<Result>(
  promise: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  if (!signal) return promise;
  const done = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { signal: done.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    done.abort();
  }
}
