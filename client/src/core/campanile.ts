import type { Store } from '../types.js';
import type { Keeper, Platform } from './platform.js';
import { createStore } from './store.js';
import type { TokenSource } from './tokens.js';

export interface Options {
  /** The gateway's address, such as `https://notify.example.com`; or relative to the page, such as `/`. */
  readonly url: string;
  /** A token of the user, or how to get one; a function is asked before each attempt and when a token expires. */
  readonly token: TokenSource;
  /** Notifications to hold unless older ones are loaded: 50; at most 200. */
  readonly keep?: number | undefined;
  /** One socket for all tabs of this browser with the same user, where that can be had: true. */
  readonly shared?: boolean | undefined;
  /** Where the cursor is kept over reloads, `localStorage` unless given; `false`: nowhere. */
  readonly storage?: Keeper | false | undefined;
  /** `auto`: a WebSocket, and server-sent events where those do not get through. */
  readonly transport?: 'auto' | 'socket' | 'stream' | undefined;
  /** Replaces parts of what the browser gives, for tests and other runtimes. */
  readonly platform?: Partial<Platform> | undefined;
}

// Its methods are closures over what it holds: they may be taken off and passed on.
export interface Campanile<Data = unknown> extends Store<Data> {
  /** @throws TypeError when `url` is none */
  connect(): void;
}

/** The notifications of one user, kept up to date. Nothing happens before `connect`. */
export class Campanile<Data = unknown> {
  constructor(options: Options) {
    if (!options?.url || !options.token) throw new TypeError('url and token are needed');
    Object.assign(this, createStore<Data>(options));
  }
}
