import type { Failure } from '../types.js';

/** What a promise of this library rejects with, unless it was aborted. */
export class CampanileError extends Error implements Failure {
  override readonly name = 'CampanileError';

  /** @param code the gateway's, or `network`, `timeout`, `token` */
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** What something thrown says of itself. */
export function failureOf(thrown: unknown, code: string): Failure {
  if (thrown instanceof CampanileError) return { code: thrown.code, message: thrown.message };
  return { code, message: thrown instanceof Error ? thrown.message : String(thrown) };
}
