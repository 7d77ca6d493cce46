// What works without a socket: the commands over HTTP, and server-sent events. Most sessions never need either.

export { ask } from './http.js';
export { standIn } from './stand-in.js';
