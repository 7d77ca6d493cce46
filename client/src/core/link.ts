import type { Gone } from './closing.js';
import type { Reach } from './http.js';
import type { Frame } from './wire.js';

/** One connection to the gateway, from its first attempt to its end. */
export interface Link {
  readonly kind: 'socket' | 'stream';
  /** `false`: it cannot be said on this connection. */
  send(frame: object): boolean;
  /** Nothing is heard of it afterwards. */
  close(): void;
}

/** What a connection tells whoever opened it. */
export interface Hearing {
  /** Anything at all arrived. */
  heard(): void;
  frame(frame: Frame): void;
  /** The end; once. */
  gone(gone: Gone): void;
}

export type Open = (reach: Reach, token: string, cursor: string | undefined, hearing: Hearing) => Link;
