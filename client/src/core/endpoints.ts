/** Where a gateway has what; made from its address, with or without a path before it. */
export interface Endpoints {
  /** The address itself, for names of what is kept per gateway. */
  readonly base: string;
  socket(cursor: string | undefined): string;
  stream(cursor: string | undefined): string;
  api(path: string): string;
}

/** @param page what a relative `url` is relative to */
export function endpoints(url: string, page: string | undefined): Endpoints {
  const { origin, pathname } = new URL(url, page);
  const base = (origin + pathname).replace(/^ws/, 'http').replace(/\/+$/, '');
  // The cursor is no secret; a token would be, so there is none in any address.
  const from = (cursor: string | undefined) => (cursor ? `?cursor=${cursor}` : '');
  return {
    base,
    socket: (cursor) => `${base.replace(/^http/, 'ws')}/ws/notifications${from(cursor)}`,
    stream: (cursor) => `${base}/api/notifications/stream${from(cursor)}`,
    api: (path) => `${base}/api/notifications${path}`,
  };
}
