/** The longest mean step; waits are between nothing and this. */
const CAP_MS = 30_000;
const BASE_MS = 1_000;
/** Two attempts are at least this far apart, also when chance says none. */
const FLOOR_MS = 100;

/**
 * Full jitter: any delay between nothing and a bound that doubles with each failure, so that the clients of
 * a gateway that went away do not come back in waves.
 */
export class Backoff {
  #failures = 0;

  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Milliseconds until the next attempt; counts the one that has just failed. */
  next(): number {
    const bound = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(this.#failures++, 16));
    return Math.max(FLOOR_MS, this.#random() * bound);
  }

  /** Milliseconds for who was told to come back less often. */
  slow(): number {
    this.#failures++;
    return (CAP_MS / 2) * (1 + this.#random());
  }

  /** Things go well. */
  reset(): void {
    this.#failures = 0;
  }
}
