import { onAbort } from './signals.js';

/** Listeners by name. One that throws does not keep the others from hearing. */
export interface Emitter<Events extends object> {
  on<Name extends keyof Events>(
    name: Name,
    listener: (event: Events[Name]) => void,
    signal?: AbortSignal,
  ): () => void;
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void;
}

export function createEmitter<Events extends object>(): Emitter<Events> {
  const all = new Set<readonly [name: keyof Events, listener: (event: never) => void]>();
  return {
    on(name, listener, signal) {
      // A pair of its own for every call, so that the same function can be added and taken off twice.
      const own = [name, listener] as const;
      all.add(own);
      const leave = () => void all.delete(own);
      const off = onAbort(signal, leave);
      return () => {
        off();
        leave();
      };
    },
    emit(name, event) {
      for (const [wanted, listener] of [...all]) {
        if (wanted !== name) continue;
        try {
          listener(event as never);
        } catch (thrown) {
          // To the page's error handlers, where it would have gone without us.
          queueMicrotask(() => {
            throw thrown;
          });
        }
      }
    },
  };
}
