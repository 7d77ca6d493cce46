import type { Item, State, Store } from '../types.js';
import { StoreElement } from './base.js';
import { adopt, attribute, h, icon, iconButton, label, outside, text } from './dom.js';
import { formatOf } from './format.js';
import { Herald } from './herald.js';
import { hold } from './hold.js';
import { BELL, CHECKS, DOTS, OFF, UP } from './kinds.js';
import { List } from './list.js';
import { Options } from './options.js';
import { troubleOf } from './status.js';
import { PANEL } from './styles/panel.js';
import { TOKENS } from './styles/tokens.js';

/** How many items are elements at first, and how many more each time. */
const PAGE = 50;
const NOTICE_MS = 8000;
/** Ages change; a countdown does faster. */
const TICK_MS = 15_000;
const COUNTDOWN_MS = 1000;
/** This near to an end of the list counts as being there. */
const TOP_PX = 4;
const BOTTOM_PX = 300;

type Asked = CustomEvent<{ readonly item: Item }>;

/** The list with all that belongs to it; see the README for properties, parts, slots and events. */
export class CampanilePanel extends StoreElement {
  protected readonly herald = new Herald(this);
  protected trouble: string | undefined;
  readonly #list = new List();
  readonly #options = new Options(() => this.#act(this.store?.clear()));
  readonly #heading = h('h2.heading');
  readonly #markAll = iconButton('mark-all', CHECKS, () => this.#readAll());
  readonly #menu = iconButton('options', DOTS, () => this.#showMenu(this.#options.element.hidden));
  protected readonly header = h(
    'header.header',
    {},
    h('slot', { name: 'header' }, this.#heading),
    this.#markAll,
    this.#menu,
  );
  readonly #words = h('span');
  readonly #banner = h('div.banner', {}, this.#words, this.#tryAgain());
  readonly #fresh = h('span', {}, icon(UP), '');
  readonly #pill = h('button.pill', { click: () => this.#showNew() }, this.#fresh);
  readonly #skeleton = h('div.skeleton', { role: 'img' });
  readonly #picture = icon(BELL);
  readonly #blankWords = h('b');
  readonly #hint = h('span');
  readonly #slot = h('slot', { name: 'empty' }, this.#picture, this.#blankWords, this.#hint);
  readonly #retry = this.#tryAgain();
  readonly #blank = h('div.blank', {}, this.#slot, this.#retry);
  readonly #more = h('button.more', { click: () => this.#loadMore() });
  readonly #scroll = h(
    'div.scroll',
    {
      scroll: () => this.#scrolled(),
      pointerleave: () => this.refresh(),
      focusout: () => this.refresh(),
    },
    h('div.float', {}, this.#pill),
    this.#list.element,
    this.#skeleton,
    this.#blank,
    this.#more,
  );
  protected readonly panel = h(
    'section.panel',
    {
      tabindex: '-1',
      keydown: (event: KeyboardEvent) => this.#key(event),
      'campanile-read': ({ detail: { item } }: Asked) => {
        if (!item.read) this.#act(this.store?.markRead(item.id));
      },
      'campanile-remove': ({ detail: { item } }: Asked) => {
        this.#gone.add(item.id);
        this.#act(this.store?.remove(item.id));
      },
    },
    this.header,
    this.#options.element,
    this.#banner,
    this.#scroll,
    h('footer.footer', {}, h('slot', { name: 'footer' })),
  );
  protected readonly box = h('div.box', {}, this.panel, this.herald.element);
  #view: readonly Item[] = [];
  /** Deleted since the view was last free to change. */
  readonly #gone = new Set<string>();
  #reveal = true;
  #limit = PAGE;
  #unread = false;
  #stuck = false;
  #notice = '';
  #stopOutside: (() => void) | undefined;
  #tick = 0;
  #noticeTimer = 0;

  constructor() {
    super();
    attribute(this.#menu, 'aria-controls', 'menu');
    for (let bone = 0; bone < 5; bone += 1) this.#skeleton.append(h('i'));
    const root = this.attachShadow({ mode: 'open' });
    adopt(root, TOKENS, PANEL);
    root.append(this.box);
  }

  override focus(options?: FocusOptions): void {
    this.panel.focus(options);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#showMenu(false);
    clearTimeout(this.#tick);
    clearTimeout(this.#noticeTimer);
  }

  /** A list that is not seen costs nothing. */
  protected get seen(): boolean {
    return true;
  }

  /** While somebody reads, what is new must not push away what is there. */
  protected get reading(): boolean {
    return this.#scroll.scrollTop > TOP_PX || this.#scroll.matches(':hover, :focus-within');
  }

  /** From the beginning, as if never seen. */
  protected rewind(): void {
    this.#limit = PAGE;
    this.#reveal = true;
    this.#scroll.scrollTop = 0;
    this.#showMenu(false);
    this.refresh();
  }

  protected attach(store: Store): (() => void)[] {
    this.#reveal = true;
    return [
      ...this.herald.attach(store),
      store.on('update', ({ id, status }) => {
        if (status === 'deleted' && id !== undefined) this.#gone.add(id);
      }),
      store.on('lost', () => {
        this.#reveal = true;
        this.#tell(this.messages.lost);
      }),
    ];
  }

  protected draw(state: State): void {
    const { messages } = this;
    const before = this.trouble;
    this.trouble = troubleOf(state, formatOf(messages), before);
    if (before && !this.trouble) this.herald.say(messages.connected);
    attribute(this.box, 'lang', messages.locale);
    attribute(this.box, 'dir', this.direction);
    if (!this.seen) return;
    this.#drawHeader(state);
    this.#drawNew(state);
    if (this.#list.paint(this.#view.slice(0, this.#limit), messages, this.types)) this.panel.focus();
    this.#drawRest(state);
    clearTimeout(this.#tick);
    const wait = state.connection === 'waiting' ? COUNTDOWN_MS : TICK_MS;
    this.#tick = setTimeout(() => this.refresh(), wait);
  }

  #drawHeader({ unread, items }: State): void {
    const { messages } = this;
    attribute(this.panel, 'aria-label', messages.title);
    text(this.#heading, messages.title);
    label(this.#markAll, messages.markAll);
    // What the gateway does not keep is unread here and in no count of its own.
    this.#unread = Boolean(unread) || items.some(({ read }) => !read);
    attribute(this.#markAll, 'aria-disabled', !this.#unread);
    label(this.#menu, messages.options);
    attribute(this.#menu, 'aria-expanded', !this.#options.element.hidden);
    this.#options.draw(formatOf(messages), items.length);
  }

  /** Chooses what is to be seen now; the rest waits behind the pill. */
  #drawNew({ items }: State): void {
    const free = this.#reveal || !this.#view.length || !items.length || !this.reading;
    const held = free ? undefined : hold(this.#view, items, this.#gone);
    this.#view = held?.view ?? items;
    if (!held) this.#gone.clear();
    this.#reveal = false;
    const count = held?.fresh ?? 0;
    this.#pill.hidden = count === 0;
    if (count > 0) {
      const words = formatOf(this.messages).plural(this.messages.fresh, count);
      text(this.#fresh.lastChild as Text, words);
    }
  }

  #drawRest(state: State): void {
    const { messages, trouble } = this;
    const blank = this.#view.length === 0;
    const ready = state.list === 'ready';
    const busy = blank && state.list === 'loading' && (!trouble || state.connection === 'connecting');
    this.#skeleton.hidden = !busy;
    label(this.#skeleton, messages.loading);
    attribute(this.#scroll, 'aria-busy', busy);
    this.#blank.hidden = !blank || busy;
    // A page's own words for an empty list are wrong for one that did not come.
    this.#slot.name = ready ? 'empty' : '';
    attribute(this.#picture.firstElementChild as Element, 'd', ready ? BELL : OFF);
    text(this.#blankWords, ready ? messages.empty : (trouble ?? messages.failed));
    text(this.#hint, ready ? messages.emptyHint : '');
    text(this.#retry, messages.tryNow);
    this.#retry.hidden = ready;
    const words = this.#notice || (blank && !busy && !ready ? '' : (trouble ?? ''));
    this.#banner.hidden = !words;
    text(this.#words, words);
    const again = this.#banner.lastChild as HTMLElement;
    text(again, messages.tryNow);
    again.hidden = !trouble || state.connection === 'connecting';
    this.#more.hidden = blank || !(state.hasMore || this.#view.length > this.#limit);
    text(this.#more, state.loadingMore ? `${messages.loading}…` : messages.older);
    attribute(this.#more, 'aria-disabled', state.loadingMore);
  }

  #tryAgain(): HTMLButtonElement {
    return h('button.retry', { click: () => this.store?.connect() });
  }

  #key(event: KeyboardEvent): void {
    const { key } = event;
    const menu = this.#options.element;
    if (!menu.hidden && key === 'Escape') {
      this.#showMenu(false);
      this.#menu.focus();
      event.stopPropagation();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || menu.matches(':focus-within')) return;
    const { item, index } = this.#list.focused();
    const moves: Record<string, number> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      Home: 0,
      End: Infinity,
    };
    const to = moves[key];
    if (to !== undefined) {
      if (this.#list.focus(to)) event.preventDefault();
    } else if (key === 'Delete' || key === 'Backspace') item?.ask('remove');
    // By its place, where the keyboard has other letters.
    else if (key === 'r' || key === 'R' || (key > '~' && event.code === 'KeyR')) item?.ask('read');
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    if (scrollTop <= TOP_PX) this.refresh();
    else if (!this.#stuck && scrollHeight - clientHeight - scrollTop < BOTTOM_PX) this.#loadMore();
  }

  #showNew(): void {
    this.#reveal = true;
    this.#scroll.scrollTop = 0;
    // The button is about to go away.
    this.panel.focus();
    this.refresh();
  }

  async #loadMore(): Promise<void> {
    const state = this.store?.getState();
    if (!state || state.loadingMore) return;
    const all = this.#view.length <= this.#limit;
    if (all && !state.hasMore) return;
    this.#limit += PAGE;
    this.refresh();
    if (!all) return;
    // After a failure only the button tries again: a scroll event would for ever.
    this.#stuck = false;
    try {
      await this.store?.loadMore();
    } catch {
      this.#stuck = true;
      this.#tell(this.messages.failed);
    }
  }

  #readAll(): void {
    if (this.#unread) this.#act(this.store?.markAllRead());
  }

  #showMenu(show: boolean): void {
    const menu = this.#options.element;
    menu.hidden = !show;
    this.#stopOutside?.();
    this.#stopOutside = show ? outside([this.#menu, menu], () => this.#showMenu(false)) : undefined;
    this.#options.reset();
    this.refresh();
  }

  #act(doing: Promise<void> | undefined): void {
    doing?.catch(() => this.#tell(this.messages.undone));
  }

  /** Shows and says `words` for a while. */
  #tell(words: string): void {
    this.#notice = words;
    this.herald.say(words);
    this.refresh();
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => {
      this.#notice = '';
      this.refresh();
    }, NOTICE_MS);
  }
}
