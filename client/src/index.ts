export { Campanile, type Options } from './core/campanile.js';
export { CampanileError } from './core/failure.js';
export type { Channel, Keeper, Locks, Platform, Socket, Surroundings } from './core/platform.js';
export type { TokenSource } from './core/tokens.js';
export type { Acting, Connection, Events, Failure, Item, State, Store } from './types.js';
