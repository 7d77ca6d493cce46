import { COMMANDS_AT_ONCE } from './limits.js';
import { onAbort } from './signals.js';

export type Gate = <Result>(run: () => Promise<Result>, signal: AbortSignal) => Promise<Result>;

/** Lets some commands in at a time; the others wait in line. */
export function createGate(): Gate {
  let inside = 0;
  const line = new Set<() => void>();
  return async (run, signal) => {
    if (inside >= COMMANDS_AT_ONCE) {
      await new Promise<void>((resolve) => {
        const enter = () => {
          line.delete(enter);
          resolve();
        };
        line.add(enter);
        onAbort(signal, enter);
      });
    }
    inside++;
    try {
      signal.throwIfAborted();
      return await run();
    } finally {
      inside--;
      const [next] = line;
      next?.();
    }
  };
}
