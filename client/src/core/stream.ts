import { cut } from './closing.js';
import { failureOf } from './failure.js';
import type { Open } from './link.js';

/**
 * Server-sent events, for where WebSockets are blocked. What reads them is fetched by those alone who need it;
 * where that fails, so has the attempt.
 */
export const openStream: Open = (reach, token, cursor, hearing) => {
  const over = new AbortController();
  const { signal } = over;
  const close = () => over.abort();
  import('./sse.js')
    .then(({ listen }) => listen(reach, token, cursor, hearing, signal))
    .catch((thrown: unknown) => cut(failureOf(thrown).message))
    .then((gone) => {
      if (!signal.aborted) hearing.gone(gone);
      close();
    });
  return { kind: 'stream', send: () => false, close };
};
