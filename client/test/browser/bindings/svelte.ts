// The store in a page of Svelte.
import { mount, unmount } from 'svelte';

import { Counted } from './counted.js';
// @ts-expect-error: compiled by the test
import Inbox from './Inbox.svelte';

declare const mint: () => Promise<string>;
const app = document.querySelector('#app') as HTMLElement;
let shown: object[] = [];

Object.assign(globalThis, {
  complaints: [],
  make: (url: string) => new Counted({ url, token: () => mint(), storage: false, shared: false }),
  /** Two components with one store. */
  mount(store: Counted) {
    shown = [1, 2].map(() => mount(Inbox, { target: app, props: { store } }));
  },
  unmount: () => Promise.all(shown.map((component) => unmount(component))),
});
