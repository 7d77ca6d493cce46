import { cut } from './closing.js';
import { failureOf, thrown } from './failure.js';
import type { Answer, Open, Reach } from './link.js';
import type { Command } from './wire.js';

/** Fetched by those alone who need it. */
const fallback = () => import('./fallback.js');

/** A command over HTTP, for as long as there is no socket. */
export const ask = (reach: Reach, command: Command, signal: AbortSignal): Promise<Answer> =>
  fallback().then(
    ({ ask }) => ask(reach, command, signal),
    (error: unknown) => {
      throw thrown(failureOf(error));
    },
  );

/** Server-sent events, for where WebSockets are blocked. */
export const openStream: Open = (reach, token, cursor, hearing) => {
  const over = new AbortController();
  const { signal } = over;
  const close = () => over.abort();
  fallback()
    .then(({ listen }) => listen(reach, token, cursor, hearing, signal))
    .catch((thrown: unknown) => cut(failureOf(thrown).message))
    .then((gone) => {
      if (!signal.aborted) hearing.gone(gone);
      close();
    });
  return { kind: 'stream', send: () => false, close };
};
