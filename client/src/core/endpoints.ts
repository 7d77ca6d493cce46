/** Where a gateway has what; made from its address, with or without a path before it. */
export interface Endpoints {
  /**
   * The address itself, for names of what is kept per gateway.
   * @throws TypeError when it is none
   */
  readonly base: string;
  socket(cursor: string | undefined): string;
  stream(cursor: string | undefined): string;
  api(path: string): string;
}

/** Nothing is looked at before it is used: on a server there is no page, and no connection either. */
export function endpoints(url: string, { base: page }: { readonly base: string | undefined }): Endpoints {
  // The cursor is no secret; a token would be, so there is none in any address.
  const from = (cursor: string | undefined) => (cursor ? `?cursor=${cursor}` : '');
  return {
    get base() {
      const { origin, pathname } = new URL(url, page);
      return (origin + pathname).replace(/^ws/, 'http').replace(/\/+$/, '');
    },
    socket(cursor) {
      return `${this.base.replace(/^http/, 'ws')}/ws/notifications${from(cursor)}`;
    },
    stream(cursor) {
      return this.api('/stream') + from(cursor);
    },
    api(path) {
      return `${this.base}/api/notifications${path}`;
    },
  };
}
