// Compiled, never run: what the types allow and what they do not.
import type { Readable } from 'svelte/store';

import { Campanile, CampanileError, type Item, type State, type Store } from '../src/index.js';
import { useNotifications } from '../src/react.js';
import { readable } from '../src/svelte.js';

interface Trade {
  readonly symbol: string;
}

const store = new Campanile<Trade>({ url: '/', token: 'x' });
const asStore: Store<Trade> = store;
new Campanile({ url: '/', token: () => 'x', keep: undefined });
new Campanile({ url: '/', token: async (signal) => (await fetch('/token', { signal })).text() });
new Campanile({ url: '/', token: 'x', storage: false, shared: false, transport: 'stream' });
new Campanile({ url: '/', token: 'x', storage: sessionStorage });
// @ts-expect-error: a token is needed
new Campanile({ url: '/' });
// @ts-expect-error: there is no such way
new Campanile({ url: '/', token: 'x', transport: 'pigeon' });
// @ts-expect-error: a token is text
new Campanile({ url: '/', token: () => 7 });

const state: State<Trade> = store.getState();
const first: Item<Trade> | undefined = state.items[0];
const symbol: string | undefined = first?.data?.symbol;
// @ts-expect-error: there may be none
const surely: Item<Trade> = state.items[0];
// @ts-expect-error: the count is unknown until the gateway has told it
const count: number = state.unread;
// @ts-expect-error: a picture is not changed
state.items.push(first);
// @ts-expect-error: nor are its parts
state.unread = 0;

store.on('notification', ({ item, missed }) => {
  const text: string | undefined = item.data?.symbol;
  const late: boolean = missed;
  return [text, late];
});
store.on('error', ({ code }) => code.length, { signal: new AbortController().signal });
// @ts-expect-error: there is no such event
store.on('notifications', () => {});
// @ts-expect-error: a count is no item
store.on('unread', ({ item }) => item);

const done: Promise<void> = store.markRead('1', { signal: new AbortController().signal });
// @ts-expect-error: ids are text
void store.markRead(1);

const readableStore: Readable<State<Trade>> = readable(asStore);
const { items, markRead } = useNotifications(store);
const again: readonly Item<Trade>[] = items;
const error = new CampanileError('network', 'gone');
const code: string = error.code;

export { again, code, count, done, markRead, readableStore, surely, symbol };
