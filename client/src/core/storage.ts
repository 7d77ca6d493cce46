import type { Keeper, Platform } from './platform.js';
import { cursorOf } from './wire.js';

/** The cursor is written at most this often, and when the page may be left. */
const PAUSE_MS = 1_000;

/** Where a browser has come to, over reloads. A storage that fails is a storage that forgets. */
export interface Place {
  read(): string | undefined;
  keep(cursor: string | undefined): void;
  flush(): void;
}

export function createPlace(platform: Platform, storage: Keeper | undefined, key: string): Place {
  let kept: string | undefined;
  let cancel: (() => void) | undefined;
  const flush = () => {
    if (!cancel) return;
    cancel();
    cancel = undefined;
    try {
      storage?.setItem(key, kept ?? '');
    } catch {
      // Full, or forbidden.
    }
  };
  return {
    flush,
    read() {
      try {
        return cursorOf(storage?.getItem(key));
      } catch {
        return undefined;
      }
    },
    keep(cursor) {
      if (cursor === undefined || cursor === kept) return;
      kept = cursor;
      cancel ??= platform.after(PAUSE_MS, flush);
    },
  };
}
