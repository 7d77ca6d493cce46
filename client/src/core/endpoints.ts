/** Where a gateway has what; made from its address, with or without a path before it. */
export interface Endpoints {
  /**
   * The address itself, for names of what is kept per gateway.
   * @throws TypeError when it is none
   */
  base(): string;
  socket(): string;
  api(path: string): string;
}

/** Nothing is looked at before it is used: on a server there is no page, and no connection either. */
export function endpoints(url: string, page: string | undefined): Endpoints {
  const base = () => {
    const { origin, pathname } = new URL(url, page);
    return (origin + pathname).replace(/^ws/, 'http').replace(/\/+$/, '');
  };
  const api = (path: string) => `${base()}/api/notifications${path}`;
  const socket = () => `${base().replace(/^http/, 'ws')}/ws/notifications`;
  return { base, api, socket };
}

/** The cursor is no secret; a token would be, so there is none in any address. */
export const withCursor = (address: string, cursor: string | undefined): string =>
  cursor ? `${address}?cursor=${cursor}` : address;
