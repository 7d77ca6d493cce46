import type { Keeper, Platform } from './platform.js';
import { cursorOf } from './wire.js';

/** The cursor is written at most this often, and when the page may be left. */
const PAUSE_MS = 1_000;

/** Where a browser has come to, over reloads. A storage that fails is a storage that forgets. */
export class Place {
  #cursor: string | undefined;
  #timer: unknown;

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
    this.#timer ??= this.platform.setTimeout(() => this.flush(), PAUSE_MS);
  }

  flush(): void {
    if (this.#timer === undefined) return;
    this.platform.clearTimeout(this.#timer as never);
    this.#timer = undefined;
    try {
      this.storage?.setItem(this.key, this.#cursor ?? '');
    } catch {
      // Full, or forbidden.
    }
  }
}
