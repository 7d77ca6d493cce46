// What a list shows while new ones must not push away what somebody is reading.

import type { Item } from '../types.js';

export interface Held {
  readonly view: readonly Item[];
  /** How many are new and not in the view; infinite if they are more than the store keeps. */
  readonly fresh: number;
}

/**
 * `shown`, brought up to date from `items` (newest first), with older ones appended and without new ones. What the
 * store dropped only to keep its size stays; `gone` tells what was deleted.
 */
export function hold(
  shown: readonly Item[],
  items: readonly Item[],
  gone: ReadonlySet<string>,
): Held {
  const current = new Map(items.map((item) => [item.id, item]));
  const ids = new Set(shown.map(({ id }) => id));
  const trimmed = items.length >= shown.length;
  const view = shown
    .map((item) => current.get(item.id) ?? (trimmed && !gone.has(item.id) ? item : undefined))
    .filter((item) => item !== undefined);
  const known = items.map(({ id }) => ids.has(id));
  const last = known.lastIndexOf(true);
  if (last < 0) return view.length > 0 ? { view, fresh: Infinity } : { view: items, fresh: 0 };
  view.push(...items.slice(last + 1));
  return { view, fresh: known.slice(0, last).filter((is) => !is).length };
}
