import { onAbort } from './signals.js';

/** Listeners by name. One that throws does not keep the others from hearing. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

  on<Name extends keyof Events>(
    name: Name,
    listener: (event: Events[Name]) => void,
    signal?: AbortSignal,
  ): () => void {
    // A listener of its own for every call, so that the same function can be added and taken off twice.
    const own = (event: Events[Name]) => listener(event);
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(own));
    const off = onAbort(signal, () => all.delete(own));
    return () => {
      off();
      all.delete(own);
    };
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])] as ((event: Events[Name]) => void)[]) {
      try {
        listener(event);
      } catch (thrown) {
        // To the page's error handlers, where it would have gone without us.
        queueMicrotask(() => {
          throw thrown;
        });
      }
    }
  }
}
