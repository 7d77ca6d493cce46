import { STORAGE_MS } from './limits.js';
import type { Keeper, Platform } from './platform.js';
import { cursorOf } from './wire.js';

/** Where a browser has come to, over reloads. A storage that fails is a storage that forgets. */
export interface Place {
  read(): string | undefined;
  keep(cursor: string | undefined): void;
  flush(): void;
}

export function createPlace(platform: Platform, storage: Keeper | false | undefined, key: string): Place {
  let kept: string | undefined;
  let cancel: (() => void) | undefined;
  /** The page's own is not looked at before it is needed: that throws where a page may not store anything. */
  const keeper = () => (storage ?? localStorage) || undefined;
  const flush = () => {
    if (!cancel) return;
    cancel();
    cancel = undefined;
    try {
      keeper()?.setItem(key, kept ?? '');
    } catch {
      // Full, or forbidden.
    }
  };
  return {
    flush,
    read() {
      try {
        return cursorOf(keeper()?.getItem(key));
      } catch {
        return undefined;
      }
    },
    keep(cursor) {
      if (cursor === undefined || cursor === kept) return;
      kept = cursor;
      cancel ??= platform.after(STORAGE_MS, flush);
    },
  };
}
