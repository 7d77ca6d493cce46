import type { Failure } from '../types.js';

/** What a promise of this library rejects with, unless it was aborted. */
export class CampanileError extends Error implements Failure {
  override readonly name = 'CampanileError';

  constructor(
    /** The gateway's, or `network`, `timeout`, `token`, `idle`. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** As something to throw. */
export const thrown = ({ code, message }: Failure): CampanileError => new CampanileError(code, message);

/** What something thrown says of itself; `code` for what has none of ours. */
export function failureOf(thrown: unknown, code = 'network'): Failure {
  const { message = String(thrown) } = thrown as Partial<Error>;
  return { code: thrown instanceof CampanileError ? thrown.code : code, message };
}
