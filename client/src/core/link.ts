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
  readonly transport: 'auto' | 'socket' | 'stream';
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
  /** Goes on with another token; without this it is sent as a command. */
  renew?(token: string): void;
}

/** What a connection tells whoever opened it. */
export interface Hearing {
  /** Anything at all arrived. */
  heard(): void;
  frame(frame: Frame): void;
  /** What is told from here on comes from another connection, and begins with its greeting. */
  replaced(by?: Link): void;
  /** The end; once. */
  gone(gone: Gone): void;
}

/** @param cursor from where to go on */
export type Open = (reach: Reach, token: string, cursor: () => string | undefined, hearing: Hearing) => Link;
