// The hook in a page of React, under StrictMode, which mounts everything twice.
import { StrictMode } from 'react';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';

import { Counted } from './counted.js';
import { Inbox } from './inbox.js';

declare const mint: () => Promise<string>;
const app = document.querySelector('#app') as HTMLElement;
const complaints: string[] = [];
let root: Root | undefined;

const make = (url: string) => new Counted({ url, token: () => mint(), storage: false, shared: false });

/** Two components with one store, then with `store`. */
const view = (store: Counted) => (
  <StrictMode>
    <Inbox store={store} />
    <Inbox store={store} />
  </StrictMode>
);

Object.assign(globalThis, {
  make,
  complaints,
  mount(store: Counted) {
    root ??= createRoot(app);
    root.render(view(store));
  },
  /** Takes over what a server has made, with a store that has come further. */
  hydrate(store: Counted) {
    const onRecoverableError = (error: unknown) => void complaints.push(String(error));
    root = hydrateRoot(app, <Inbox store={store} />, { onRecoverableError });
  },
  unmount() {
    root?.unmount();
    root = undefined;
  },
});
