import type { Item, State, Store } from '../types.js';
import { StoreElement } from './base.js';
import { Blank, OFF } from './blank.js';
import { adopt, attribute, h, icon, iconButton, name, outside, text } from './dom.js';
import { type Format, formatOf } from './format.js';
import { Herald } from './herald.js';
import { hold } from './hold.js';
import { BELL_ICON, CROSS } from './kinds.js';
import { List } from './list.js';
import { Options } from './options.js';
import { type Trouble, troubleOf } from './status.js';
import { PANEL } from './styles/panel.js';
import { TOKENS } from './styles/tokens.js';

/** How many items are elements at first, and how many more each time. */
const PAGE = 50;
const NOTICE_MS = 8000;
/** Ages change; a countdown does faster. */
const TICK_MS = 15_000;
const COUNTDOWN_MS = 1000;

const CHECKS = 'm2.5 12.5 4 4L15 8M11.5 16l.5.5L21.5 8';
const DOTS = 'M6 12h.01M12 12h.01M18 12h.01';
const UP = 'M12 19V5M6 11l6-6 6 6';

/** The list with all that belongs to it; see the README for attributes, parts, slots and events. */
export class CampanilePanel extends StoreElement {
  readonly #list = new List();
  readonly #options = new Options(() => this.#act(this.store?.clear()));
  readonly #heading = h('h2', { part: 'heading' });
  readonly #markAll = iconButton('mark-all', CHECKS, () => this.#readAll());
  readonly #menu = iconButton('options', DOTS, () => this.#toggleMenu());
  readonly #close = iconButton('close', CROSS, () => this.dispatchEvent(new Event('close')));
  readonly #trouble = h('span');
  readonly #stale = h('small');
  readonly #again = h('button', { type: 'button', part: 'retry', click: () => this.store?.connect() });
  readonly #banner: HTMLElement;
  readonly #notice = h('div', { class: 'notice', part: 'notice' });
  readonly #fresh = h('span');
  readonly #pill: HTMLButtonElement;
  readonly #bones = h('div', { part: 'skeleton' });
  readonly #empty = new Blank(BELL_ICON);
  readonly #emptySlot = h('slot', { name: 'empty' }, this.#empty.element);
  readonly #failed = new Blank(OFF, () => this.store?.connect());
  readonly #more = h('button', { type: 'button', class: 'more', part: 'more', click: () => this.#loadMore() });
  readonly #scroll: HTMLElement;
  readonly #panel: HTMLElement;
  readonly #footer: HTMLElement;
  #herald = new Herald(this);
  #embedded = false;
  #active = true;
  #view: readonly Item[] = [];
  readonly #gone = new Set<string>();
  #reveal = true;
  #limit = PAGE;
  #stuck = false;
  #shown: Trouble | undefined;
  #stopOutside: (() => void) | undefined;
  #tick: ReturnType<typeof setTimeout> | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.#banner = h(
      'div',
      { class: 'banner', part: 'banner' },
      h('span', {}, this.#trouble, this.#stale),
      this.#again,
    );
    this.#fresh.append(icon(UP), '');
    this.#pill = h('button', { type: 'button', class: 'pill', part: 'pill', click: () => this.#showNew() }, this.#fresh);
    for (let bone = 0; bone < 5; bone += 1) {
      const lines = [h('i'), h('i'), h('i'), h('i')];
      this.#bones.append(h('div', { class: 'bone' }, ...lines));
    }
    this.#bones.prepend(h('span', { class: 'hidden' }));
    const state = [this.#bones, this.#emptySlot, this.#failed.element];
    this.#scroll = h(
      'div',
      { class: 'scroll', part: 'scroll' },
      h('div', { class: 'float' }, this.#pill),
      this.#list.element,
      ...state,
      this.#more,
    );
    const head = h('div', { class: 'head' }, h('slot', { name: 'header' }, this.#heading));
    const foot = h('slot', { name: 'footer', slotchange: () => this.refresh() });
    this.#footer = h('footer', { part: 'footer' }, foot);
    this.#panel = h(
      'section',
      { class: 'panel', part: 'panel', tabindex: '-1' },
      h('header', { part: 'header' }, head, this.#markAll, this.#menu, this.#close),
      this.#options.element,
      this.#banner,
      this.#notice,
      this.#scroll,
      this.#footer,
    );
    attribute(this.#menu, 'aria-controls', 'menu');
    this.#notice.hidden = true;
    const root = this.attachShadow({ mode: 'open' });
    adopt(root, TOKENS, PANEL);
    root.append(this.#panel, this.#herald.element);
    this.#listen();
  }

  /** For the bell: it speaks itself, and its panel is not always seen. */
  embed(herald: Herald): void {
    this.#herald.element.remove();
    this.#herald = herald;
    this.#embedded = true;
    this.#active = false;
  }

  /** A panel that is not seen costs nothing. */
  set active(active: boolean) {
    this.#active = active;
    this.#limit = PAGE;
    this.#reveal = true;
    this.#scroll.scrollTop = 0;
    this.#showMenu(false);
    this.refresh();
  }

  override focus(options?: FocusOptions): void {
    this.#panel.focus(options);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#showMenu(false);
    clearTimeout(this.#tick);
    clearTimeout(this.#noticeTimer);
  }

  protected attach(store: Store): (() => void)[] {
    this.#reveal = true;
    const stops = [
      store.on('update', ({ id, status }) => {
        if (status === 'deleted' && id !== undefined) this.#gone.add(id);
      }),
      store.on('lost', () => {
        this.#reveal = true;
        this.#tell(this.messages.lost);
      }),
    ];
    return this.#embedded ? stops : [...stops, ...this.#herald.attach(store)];
  }

  protected draw(state: State | undefined): void {
    if (!this.#active || !state) return;
    const format = formatOf(this.messages);
    this.#label(format, state);
    this.#drawTrouble(format, state);
    const items = this.#choose(state, format);
    const lost = this.#list.paint(items.slice(0, this.#limit), this.messages, this.types);
    if (lost) this.focus();
    this.#drawRest(state);
    clearTimeout(this.#tick);
    const wait = state.connection === 'waiting' ? COUNTDOWN_MS : TICK_MS;
    if (!document.hidden) this.#tick = setTimeout(() => this.refresh(), wait);
  }

  #listen(): void {
    this.#panel.addEventListener('keydown', (event) => this.#key(event));
    this.#scroll.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.#scroll.addEventListener('pointerleave', () => this.refresh());
    this.#list.element.addEventListener('focusout', () => this.refresh());
    this.#list.element.addEventListener('campanile-read', (event) => {
      const { item } = (event as CustomEvent<{ item: Item }>).detail;
      if (!item.read) this.#act(this.store?.markRead(item.id));
    });
    this.#list.element.addEventListener('campanile-remove', (event) => {
      const { item } = (event as CustomEvent<{ item: Item }>).detail;
      this.#gone.add(item.id);
      this.#act(this.store?.remove(item.id));
    });
  }

  #label(format: Format, state: State): void {
    const { messages } = format;
    attribute(this.#panel, 'lang', messages.locale);
    attribute(this.#panel, 'dir', this.direction);
    attribute(this.#panel, 'aria-label', this.#embedded ? false : messages.title);
    text(this.#heading, messages.title);
    name(this.#markAll, messages.markAll);
    attribute(this.#markAll, 'aria-disabled', String(!state.unread));
    name(this.#menu, messages.options);
    name(this.#close, messages.close);
    this.#close.hidden = !this.#embedded;
    attribute(this.#menu, 'aria-expanded', String(!this.#options.element.hidden));
    this.#options.draw(format, state.items.length);
    this.#footer.hidden = !this.querySelector('[slot=footer]');
  }

  #drawTrouble(format: Format, state: State): void {
    const { messages } = format;
    const before = this.#shown;
    const trouble = (this.#shown = troubleOf(state, format, before));
    if (!this.#embedded && before && !trouble) this.#herald.say(messages.connected);
    // With nothing to show, the place of the list says it.
    const blank = state.items.length === 0 && state.list !== 'ready';
    const broken = state.list === 'failed' || Boolean(trouble?.action);
    this.#failed.element.hidden = !blank || !broken;
    this.#bones.hidden = !blank || broken;
    this.#banner.hidden = !trouble || (blank && broken);
    attribute(this.#scroll, 'aria-busy', String(!this.#bones.hidden));
    text(this.#bones.firstElementChild as Element, messages.loading);
    if (blank && broken) {
      const failed = state.list === 'failed' && state.connection === 'open';
      const words = failed || !trouble ? messages.failed : trouble.words;
      this.#failed.draw(words, '', failed ? messages.retry : trouble?.action);
    }
    if (!trouble) return;
    text(this.#trouble, trouble.words);
    text(this.#stale, trouble.action ? messages.stale : '');
    text(this.#again, trouble.action ?? '');
    this.#again.hidden = !trouble.action;
  }

  /** What is to be seen now; what is new waits behind the pill while somebody reads. */
  #choose({ items }: State, format: Format): readonly Item[] {
    const reading =
      this.#embedded || this.#scroll.scrollTop > 4 || this.#scroll.matches(':hover, :focus-within');
    const free = this.#reveal || this.#view.length === 0 || items.length === 0 || !reading;
    const held = free ? undefined : hold(this.#view, items, this.#gone);
    this.#view = held?.view ?? items;
    if (!held) this.#gone.clear();
    this.#reveal = false;
    const count = held?.fresh ?? 0;
    this.#pill.hidden = count === 0;
    const label = format.plural(this.messages.fresh, count);
    const last = this.#fresh.lastChild;
    if (last && count > 0) last.nodeValue = held?.overflown ? `${label}+` : label;
    return this.#view;
  }

  #drawRest(state: State): void {
    const { messages } = this;
    this.#emptySlot.hidden = this.#view.length > 0 || state.list !== 'ready';
    this.#empty.draw(messages.empty, messages.emptyHint);
    this.#more.hidden = this.#view.length === 0 || !(state.hasMore || this.#view.length > this.#limit);
    text(this.#more, state.loadingMore ? `${messages.loading}…` : messages.older);
    attribute(this.#more, 'aria-disabled', String(state.loadingMore));
  }

  #key(event: KeyboardEvent): void {
    const { key } = event;
    if (key === 'Escape' && !this.#options.element.hidden) {
      this.#showMenu(false);
      this.#menu.focus();
      event.stopPropagation();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.#options.element.matches(':focus-within')) return;
    const { item, index } = this.#list.focused();
    const moves: Record<string, number> = {
      ArrowDown: index + 1,
      ArrowUp: Math.max(0, index - 1),
      Home: 0,
      End: this.#list.size,
    };
    const to = moves[key];
    if (to !== undefined && this.#list.focus(to)) event.preventDefault();
    else if (item && (key === 'Delete' || key === 'Backspace')) item.ask('remove');
    else if (item && (key === 'r' || key === 'R' || event.code === 'KeyR')) item.ask('read');
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    if (scrollTop <= 4) this.refresh();
    else if (!this.#stuck && scrollHeight - clientHeight - scrollTop < 300 && !this.#more.hidden) {
      this.#loadMore();
    }
  }

  #showNew(): void {
    this.#reveal = true;
    this.#scroll.scrollTop = 0;
    const focused = this.#pill.matches(':focus');
    this.refresh();
    // The button goes away with the next picture.
    if (focused) requestAnimationFrame(() => this.#list.focus(0));
  }

  #loadMore(): void {
    const state = this.store?.getState();
    if (!state || state.loadingMore) return;
    const all = this.#view.length <= this.#limit;
    if (all && !state.hasMore) return;
    this.#limit += PAGE;
    if (!all) this.refresh();
    else void this.#loadPage();
  }

  async #loadPage(): Promise<void> {
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
    if (this.store?.getState().unread) this.#act(this.store.markAllRead());
  }

  #toggleMenu(): void {
    this.#showMenu(this.#options.element.hidden);
  }

  #showMenu(show: boolean): void {
    if (show !== this.#options.element.hidden) return;
    this.#options.element.hidden = !show;
    this.#stopOutside?.();
    this.#stopOutside = show
      ? outside([this.#menu, this.#options.element], () => this.#showMenu(false))
      : undefined;
    this.#options.reset();
    this.refresh();
  }

  #act(doing: Promise<void> | undefined): void {
    doing?.catch(() => this.#tell(this.messages.undone));
  }

  /** Shows and says `words` for a while. */
  #tell(words: string): void {
    text(this.#notice, words);
    this.#notice.hidden = false;
    this.#herald.say(words);
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => (this.#notice.hidden = true), NOTICE_MS);
  }
}
