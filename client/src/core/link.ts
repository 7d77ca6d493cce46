import type { Gone } from './closing.js';
import type { Endpoints } from './endpoints.js';
import type { Platform } from './platform.js';
import type { Tokens } from './tokens.js';
import type { Frame } from './wire.js';

/** What is needed to reach the gateway. */
export interface Reach {
  readonly platform: Platform;
  readonly endpoints: Endpoints;
  readonly tokens: Tokens;
}

/** What a command brings: a page, or the count after it. */
export type Answer = Record<string, unknown>;

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
