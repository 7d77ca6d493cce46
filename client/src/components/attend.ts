// Several elements may show the same store; what is heard or pops up must come from one of them.

import type { Store } from '../types.js';

const attending = new WeakMap<Store, Set<object>>();

/** `who` shows `store` until it leaves. */
export function attend(store: Store, who: object): { speaks(): boolean; leave(): void } {
  const all = attending.get(store) ?? new Set();
  attending.set(store, all.add(who));
  return {
    /** Whether it is `who` that speaks for the store. */
    speaks: () => [...all][0] === who,
    leave: () => all.delete(who),
  };
}
