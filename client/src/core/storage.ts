import type { Keeper, Platform } from './platform.js';
import { cursorOf } from './wire.js';

/** The cursor is written at most this often, and when the page may be left. */
const PAUSE_MS = 1_000;

/** Where a browser has come to, over reloads. A storage that fails is a storage that forgets. */
export class Place {
  #cursor: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(
    private readonly platform: Platform,
    private readonly storage: Keeper | undefined,
    private readonly key: string,
  ) {}

  read(): string | undefined {
    try {
      return cursorOf(this.storage?.getItem(this.key));
    } catch {
      return undefined;
    }
  }

  keep(cursor: string | undefined): void {
    if (cursor === undefined || cursor === this.#cursor) return;
    this.#cursor = cursor;
    this.#cancel ??= this.platform.after(PAUSE_MS, () => this.flush());
  }

  flush(): void {
    if (!this.#cancel) return;
    this.#cancel();
    this.#cancel = undefined;
    try {
      this.storage?.setItem(this.key, this.#cursor ?? '');
    } catch {
      // Full, or forbidden.
    }
  }
}
