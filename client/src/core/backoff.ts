/** The longest mean step; waits are between nothing and this. */
const CAP_MS = 30_000;
const BASE_MS = 1_000;
/** Two attempts are at least this far apart, also when chance says none. */
const FLOOR_MS = 100;

/**
 * Milliseconds until the next attempt after `failures` of them. Full jitter: any delay between nothing and a bound
 * that doubles with each failure, so that the clients of a gateway that went away do not come back in waves.
 */
export const backoff = (failures: number, random: () => number): number =>
  Math.max(FLOOR_MS, random() * Math.min(CAP_MS, BASE_MS * 2 ** failures));

/** The same for who was told to come back less often. */
export const slowBackoff = (random: () => number): number => (CAP_MS / 2) * (1 + random());
