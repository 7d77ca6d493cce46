// Several elements may show the same store; what is heard or pops up must come from one of them.

import type { Store } from '../types.js';

const attending = new WeakMap<Store, Set<object>>();

/** `who` shows `store` until the returned function is called. */
export function attend(store: Store, who: object): () => void {
  let all = attending.get(store);
  if (!all) attending.set(store, (all = new Set()));
  all.add(who);
  return () => all.delete(who);
}

/** Whether it is `who` that speaks for the store. */
export function speaks(store: Store, who: object): boolean {
  const [first] = attending.get(store) ?? [];
  return first === who;
}
