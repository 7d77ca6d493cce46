import { Campanile } from '../core/campanile.js';
import type { Item, State, Store } from '../types.js';
import { Base } from './base.js';
import { fire, shade } from './dom.js';
import { type Kinds, KINDS } from './kinds.js';
import { english } from './messages/en.js';
import type { Messages } from './messages/table.js';
import { PANEL } from './styles/panel.js';
import { TOKENS } from './styles/tokens.js';
import { createView } from './view.js';

/** Between two pictures of the same store. Nobody reads faster, and the page stays free for its own work. */
const FRAME_MS = 80;

/** Without a store. Who signs out leaves nothing to be read. */
const NONE = { items: [], connection: 'open', list: 'loading' } as Partial<State> as State;

export type Token = string | (() => Promise<string>);

/**
 * The list, laid open; see the README for properties, parts, slots and events. It shows the store that it was given as
 * `store`, or its own if it was given `url` and `token`.
 */
export class CampanilePanel extends Base {
  static observedAttributes = ['url', 'dir'];

  #store: Store | undefined;
  #own: Campanile | undefined;
  #token: Token | undefined;
  #stop: (() => void)[] = [];
  #due = false;
  #drawn = 0;
  #messages: Messages = english;
  #kinds: Kinds = KINDS;

  protected readonly view = createView(this);

  constructor() {
    super();
    shade(this, this.view.box, TOKENS, PANEL);
  }

  get store(): Store | undefined {
    return this.#store ?? this.#own;
  }

  set store(store: Store | undefined) {
    if (store !== this.#store) this.#restart(() => (this.#store = store));
  }

  get token(): Token | undefined {
    return this.#token;
  }

  set token(token: Token | undefined) {
    if (token !== this.#token) this.#restart(() => (this.#token = token));
  }

  get url(): string {
    return this.getAttribute('url') ?? '/';
  }

  set url(url: string) {
    this.setAttribute('url', url);
  }

  get messages(): Messages {
    return this.#messages;
  }

  /** A whole table, or some texts over English ones. */
  set messages(messages: Partial<Messages>) {
    this.#messages = messages.locale ? (messages as Messages) : { ...english, ...messages };
    this.refresh();
  }

  get types(): Kinds {
    return this.#kinds;
  }

  /** Looks of types, beside and before the usual ones. */
  set types(types: Kinds) {
    this.#kinds = { ...KINDS, ...types };
    this.refresh();
  }

  connectedCallback(): void {
    // What a page has set before this class was defined lies in front of the accessors.
    for (const property of ['messages', 'types', 'token', 'store'] as const) {
      if (!Object.hasOwn(this, property)) continue;
      const value = this[property];
      delete this[property];
      this[property] = value as never;
    }
    this.#attach();
  }

  disconnectedCallback(): void {
    this.#detach();
    this.view.leave();
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    if (name === 'url') this.#restart();
    this.refresh();
  }

  override focus(options?: FocusOptions): void {
    this.view.panel.focus(options);
  }

  /** Has it drawn with the next frame. */
  refresh(): void {
    if (this.#due || !this.isConnected) return;
    this.#due = true;
    const wait = this.#drawn + FRAME_MS - performance.now();
    const frame = () => requestAnimationFrame(() => this.#draw());
    if (wait > 0) setTimeout(frame, wait);
    else frame();
  }

  /** What a click on a notification of the operating system does. */
  openItem(item: Item): void {
    if (fire(this, 'open', { item }, true) && !item.read) this.store?.markRead(item.id).catch(() => {});
  }

  /** Shows `state`. Called once a frame at most. */
  protected draw(state: State): void {
    this.view.draw(state);
  }

  /** A store has come; what is returned is called when it goes. */
  protected attach(store: Store): (() => void)[] {
    return this.view.attach(store);
  }

  #draw(): void {
    this.#due = false;
    if (!this.isConnected) return;
    this.#drawn = performance.now();
    this.draw(this.store?.getState() ?? NONE);
  }

  #attach(): void {
    if (!this.isConnected || this.#stop.length > 0) return;
    if (!this.#store && this.#token !== undefined) {
      this.#own = new Campanile({ url: this.url, token: this.#token });
    }
    const { store } = this;
    if (store) this.#stop = [store.subscribe(() => this.refresh()), ...this.attach(store)];
    this.#own?.connect();
    this.refresh();
  }

  #restart(change?: () => void): void {
    this.#detach();
    change?.();
    this.#attach();
  }

  #detach(): void {
    for (const stop of this.#stop.splice(0)) stop();
    this.#own?.disconnect();
    this.#own = undefined;
  }
}
