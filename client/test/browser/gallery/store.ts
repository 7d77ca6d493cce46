// A store without a gateway, for pages that show how the elements look in a state.

import type { Events, Item, State, Store } from '../../../src/types.js';

type Listener = (event: never) => void;

const START: State = {
  items: [],
  unread: 0,
  connection: 'open',
  retryAt: undefined,
  list: 'ready',
  loadingMore: false,
  hasMore: false,
  error: undefined,
  leads: true,
};

export class Sample implements Store {
  /** Calls that pages made, such as `markRead 7`. */
  readonly calls: string[] = [];
  /** Has every action refused. */
  refuses = false;
  keep = 50;
  older: Item[] = [];
  #state: State;
  #subscribers = new Set<(state: State) => void>();
  #listeners = new Map<string, Set<Listener>>();

  constructor(state: Partial<State> = {}) {
    this.#state = { ...START, ...state };
  }

  getState(): State {
    return this.#state;
  }

  set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#subscribers) listener(this.#state);
  }

  subscribe(listener: (state: State) => void): () => void {
    this.#subscribers.add(listener);
    return () => this.#subscribers.delete(listener);
  }

  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(listener as Listener));
    return () => all.delete(listener as Listener);
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(event as never);
  }

  /** As from the gateway, live. */
  arrive(...items: Item[]): void {
    const kept = [...[...items].reverse(), ...this.#state.items].slice(0, this.keep);
    this.set({ items: kept, unread: (this.#state.unread ?? 0) + items.length });
    for (const item of items) this.emit('notification', { item, missed: false });
  }

  async markRead(id: string): Promise<void> {
    await this.#act(`markRead ${id}`, {
      items: this.#state.items.map((item) => (item.id === id ? { ...item, read: true } : item)),
      unread: Math.max(0, (this.#state.unread ?? 0) - 1),
    });
  }

  async markAllRead(): Promise<void> {
    const items = this.#state.items.map((item) => ({ ...item, read: true }));
    await this.#act('markAllRead', { items, unread: 0 });
  }

  async remove(id: string): Promise<void> {
    await this.#act(`remove ${id}`, { items: this.#state.items.filter((item) => item.id !== id) });
  }

  async clear(): Promise<void> {
    await this.#act('clear', { items: [], unread: 0 });
  }

  async loadMore(): Promise<void> {
    this.set({ loadingMore: true });
    const before = { loadingMore: false };
    await new Promise((done) => setTimeout(done, 30));
    if (this.refuses) {
      this.set(before);
      throw new Error('refused');
    }
    const page = this.older.splice(0, 50);
    const items = [...this.#state.items, ...page];
    this.set({ ...before, items, hasMore: this.older.length > 0 });
  }

  connect(): void {
    this.calls.push('connect');
  }

  disconnect(): void {
    this.calls.push('disconnect');
  }

  /** Shown at once, and taken back if it is to be refused. */
  async #act(call: string, change: Partial<State>): Promise<void> {
    this.calls.push(call);
    const { items, unread } = this.#state;
    this.set(change);
    await new Promise((done) => setTimeout(done, 30));
    if (!this.refuses) return;
    this.set({ items, unread });
    throw new Error('refused');
  }
}
