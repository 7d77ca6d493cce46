import { cut } from './closing.js';
import { failureOf, thrown } from './failure.js';
import type { Answer, Link, Open, Reach } from './link.js';
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
  let isOver = false;
  let stream: Link | undefined;
  fallback().then(
    ({ standIn }) => {
      if (!isOver) stream = standIn(reach, token, cursor, hearing);
    },
    (thrown: unknown) => {
      if (!isOver) hearing.gone(cut(failureOf(thrown).message));
    },
  );
  return {
    kind: 'stream',
    send: () => false,
    renew: (token) => stream?.renew?.(token),
    close() {
      isOver = true;
      stream?.close();
    },
  };
};
