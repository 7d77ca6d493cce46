import type { State, Store } from './types.js';

/** Svelte's contract for a store to read, so that `$notifications` works; Svelte itself is not needed for it. */
export interface Notifications<Data = unknown> {
  subscribe(run: (state: State<Data>) => void): () => void;
}

/** `const notifications = readable(store)`, then `$notifications.items`. What to do with them is the store's. */
export function readable<Data>(store: Store<Data>): Notifications<Data> {
  return {
    subscribe(run) {
      run(store.getState());
      return store.subscribe(run);
    },
  };
}
