import { MAX_SEEN } from './limits.js';

/**
 * Remembers the newest ids. What is returned adds one: `false` if it was there
 * before.
 */
export function createSeen(room = MAX_SEEN): (id: string) => boolean {
  let ids = new Set<string>();
  let older = ids;
  return (id) => {
    if (ids.has(id) || older.has(id)) return false;
    // Two halves that take turns forget in one step what a queue would forget one by one.
    if (ids.size >= room / 2) {
      older = ids;
      ids = new Set();
    }
    ids.add(id);
    return true;
  };
}
