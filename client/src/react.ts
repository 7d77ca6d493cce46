import { useMemo, useSyncExternalStore } from 'react';

import type { State, Store } from './types.js';

/** The state of a store, and what can be done with it. */
export type Notifications<Data = unknown> = State<Data> & Actions<Data>;

type Actions<Data> = Pick<
  Store<Data>,
  'markRead' | 'markAllRead' | 'remove' | 'clear' | 'loadMore' | 'connect' | 'disconnect' | 'on'
>;

/** What a server has drawn. A page that takes that over must begin with the same, however far its store has come. */
const START: State<never> = {
  items: [],
  unread: undefined,
  connection: 'idle',
  retryAt: undefined,
  list: 'loading',
  loadingMore: false,
  hasMore: false,
  error: undefined,
  leads: false,
};
const start = () => START;

/** Draws the component again whenever the store changes. Connecting is the page's affair, not the component's. */
export function useNotifications<Data>(store: Store<Data>): Notifications<Data> {
  const bound = useMemo(
    () => ({
      subscribe: (listener: () => void) => store.subscribe(listener),
      getState: () => store.getState(),
      actions: {
        markRead: (...given) => store.markRead(...given),
        markAllRead: (...given) => store.markAllRead(...given),
        remove: (...given) => store.remove(...given),
        clear: (...given) => store.clear(...given),
        loadMore: (...given) => store.loadMore(...given),
        connect: () => store.connect(),
        disconnect: () => store.disconnect(),
        on: (...given) => store.on(...given),
      } satisfies Actions<Data>,
    }),
    [store],
  );
  const state = useSyncExternalStore(bound.subscribe, bound.getState, start);
  return useMemo(() => ({ ...state, ...bound.actions }), [state, bound]);
}
