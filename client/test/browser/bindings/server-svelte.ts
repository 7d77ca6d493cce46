// What a server makes of the store.
import { render as renderComponent } from 'svelte/server';

import { Campanile } from '../../../src/index.js';
// @ts-expect-error: compiled by the test
import Inbox from './Inbox.svelte';

export function render(token: () => string): string {
  const store = new Campanile({ url: 'https://notify.example.com', token });
  return renderComponent(Inbox, { props: { store } }).body;
}
