import type { Item, State, Store } from '../types.js';
import { attribute, h, icon, iconButton, label, outside, text } from './dom.js';
import { formatOf } from './format.js';
import { createHerald } from './herald.js';
import { hold } from './hold.js';
import { BELL, CHECKS, DOTS, OFF, UP } from './kinds.js';
import { createList } from './list.js';
import type { Options } from './options.js';
import type { CampanilePanel } from './panel.js';
import { troubleOf } from './status.js';

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

/** The list with all that belongs to it, of a panel or a bell. */
export interface View {
  readonly box: HTMLElement;
  readonly header: HTMLElement;
  readonly panel: HTMLElement;
  /** A list that is not seen costs nothing. */
  seen: boolean;
  /** While somebody reads, what is new must not push away what is there; else that is told from what they do. */
  read: boolean;
  /** What there is to say about the connection, as of the last `draw`. */
  trouble: string | undefined;
  attach(store: Store): (() => void)[];
  draw(state: State): void;
  /** From the beginning, as if never seen. */
  rewind(): void;
  leave(): void;
}

export function createView(host: CampanilePanel): View {
  const herald = createHerald(host);
  const list = createList();
  const refresh = () => host.refresh();
  const tryAgain = () => h('button.retry', { click: () => host.store?.connect() });

  const heading = h('h2.heading');
  const markAll = iconButton('mark-all', CHECKS, () => {
    if (hasUnread) act(host.store?.markAllRead());
  });
  const menuButton = iconButton('options', DOTS, () => openMenu());
  attribute(menuButton, 'aria-controls', 'menu');
  const header = h('div.header', {}, h('slot', { name: 'header' }, heading), markAll, menuButton);
  const menu = h('div.menu', { id: 'menu' });
  menu.hidden = true;
  const words = h('span');
  const again = tryAgain();
  const banner = h('div.banner', {}, words, again);
  const count = new Text();
  const click = () => {
    // The button is about to go away.
    panel.focus();
    toTop();
  };
  const pill = h('button.pill', { click }, h('span', {}, icon(UP), count));
  const skeleton = h('div.skeleton', { role: 'img' });
  const picture = icon(BELL);
  const blankWords = h('b');
  const hint = h('span');
  const slot = h('slot', { name: 'empty' }, picture, blankWords, hint);
  const retry = tryAgain();
  const blank = h('div.blank', {}, slot, retry);
  const more = h('button.more', { click: () => loadMore() });
  const scroll = h(
    'div.scroll',
    { scroll: () => scrolled(), pointerleave: refresh, focusout: refresh },
    h('div.float', {}, pill),
    list.element,
    skeleton,
    blank,
    more,
  );
  const panel = h(
    // No landmark: a page may have several.
    'div.panel',
    {
      role: 'group',
      tabindex: '-1',
      keydown: (event: KeyboardEvent) => press(event),
      'campanile-read': ({ detail: { item } }: Asked) => act(host.store?.markRead(item.id)),
      'campanile-remove': ({ detail: { item } }: Asked) => {
        gone.add(item.id);
        act(host.store?.remove(item.id));
      },
    },
    header,
    menu,
    banner,
    scroll,
    h('div.footer', {}, h('slot', { name: 'footer' })),
  );

  let items: readonly Item[] = [];
  /** Deleted since the view was last free to change. */
  const gone = new Set<string>();
  let reveal = true;
  let limit = PAGE;
  let hasUnread = false;
  /** Loading more has failed. After that only the button tries again: a scroll event would for ever. */
  let stuck = false;
  let notice = '';
  let options: Options | undefined;
  let stopOutside: (() => void) | undefined;
  let tick = 0;
  let noticeTimer = 0;

  /** Shows and says something for a while. */
  const tell = (words: string) => {
    notice = words;
    herald.say(words);
    refresh();
    clearTimeout(noticeTimer);
    noticeTimer = setTimeout(() => {
      notice = '';
      refresh();
    }, NOTICE_MS);
  };

  const undone = () => tell(host.messages.undone);
  const act = (doing: Promise<void> | undefined) => void doing?.catch(undone);

  const showMenu = (show: boolean) => {
    menu.hidden = !show;
    stopOutside?.();
    stopOutside = show ? outside([menuButton, menu], () => showMenu(false)) : undefined;
    options?.reset();
    refresh();
  };

  const openMenu = () => {
    if (options) return showMenu(menu.hidden);
    import('./options.js').then(({ createOptions }) => {
      options ??= createOptions(menu, host, act);
      showMenu(true);
    }, undone);
  };

  /** Nothing is held back at the next `draw`. */
  const toTop = () => {
    reveal = true;
    scroll.scrollTop = 0;
    refresh();
  };

  const loadMore = async () => {
    const { store } = host;
    const state = store?.getState();
    const all = items.length <= limit;
    if (!state || state.loadingMore || (all && !state.hasMore)) return;
    limit += PAGE;
    refresh();
    if (!all) return;
    stuck = false;
    try {
      await store?.loadMore();
    } catch {
      stuck = true;
      tell(host.messages.failed);
    }
  };

  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = scroll;
    if (scrollTop <= TOP_PX) refresh();
    else if (!stuck && scrollHeight - clientHeight - scrollTop < BOTTOM_PX) void loadMore();
  };

  const press = (event: KeyboardEvent) => {
    const { key } = event;
    if (!menu.hidden && key === 'Escape') {
      showMenu(false);
      menuButton.focus();
      event.stopPropagation();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || menu.matches(':focus-within')) return;
    const { item, index } = list.focused();
    const moves: Record<string, number> = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: Infinity };
    const to = moves[key];
    if (to !== undefined) {
      if (list.focus(to)) event.preventDefault();
    } else if (key === 'Delete' || key === 'Backspace') item?.ask('remove');
    // By its place, where the keyboard has other letters.
    else if (/^r$/i.test(key) || (key > '~' && event.code === 'KeyR')) item?.ask('read');
  };

  const drawHeader = ({ unread, items }: State) => {
    const { messages } = host;
    attribute(panel, 'aria-label', messages.title);
    text(heading, messages.title);
    label(markAll, messages.markAll);
    // What the gateway does not keep is unread here and in no count of its own.
    hasUnread = !!unread || items.some(({ read }) => !read);
    attribute(markAll, 'aria-disabled', !hasUnread);
    label(menuButton, messages.options);
    attribute(menuButton, 'aria-expanded', !menu.hidden);
    options?.draw();
  };

  /** Chooses what is to be seen now; the rest waits behind the pill. */
  const choose = (all: readonly Item[]) => {
    const { messages } = host;
    const isRead = view.read || scroll.scrollTop > TOP_PX || scroll.matches(':hover, :focus-within');
    let fresh = 0;
    if (reveal || !items.length || !all.length || !isRead) {
      items = all;
      gone.clear();
    } else {
      ({ view: items, fresh } = hold(items, all, gone));
    }
    reveal = false;
    pill.hidden = !fresh;
    if (fresh) text(count, formatOf(messages).plural(messages.fresh, fresh));
  };

  const drawRest = ({ list, connection, hasMore, loadingMore }: State) => {
    const { messages } = host;
    const { trouble = '' } = view;
    const isBlank = items.length === 0;
    const isReady = list === 'ready';
    const isConnecting = connection === 'connecting';
    const isBusy = isBlank && list === 'loading' && (!trouble || isConnecting);
    skeleton.hidden = !isBusy;
    label(skeleton, messages.loading);
    attribute(scroll, 'aria-busy', isBusy);
    blank.hidden = !isBlank || isBusy;
    // A page's own words for an empty list are wrong for one that did not come.
    slot.name = isReady ? 'empty' : '';
    attribute(picture.firstElementChild as Element, 'd', isReady ? BELL : OFF);
    text(blankWords, isReady ? messages.empty : trouble || messages.failed);
    text(hint, isReady ? messages.emptyHint : '');
    text(retry, messages.tryNow);
    retry.hidden = isReady;
    text(words, notice || (blank.hidden || isReady ? trouble : ''));
    banner.hidden = !words.textContent;
    text(again, messages.tryNow);
    again.hidden = !trouble || isConnecting;
    more.hidden = isBlank || !(hasMore || items.length > limit);
    text(more, loadingMore ? `${messages.loading}…` : messages.older);
    attribute(more, 'aria-disabled', loadingMore);
  };

  const view: View = {
    box: h('div.box', {}, panel, herald.element),
    header,
    panel,
    seen: true,
    read: false,
    trouble: undefined,
    attach(store) {
      reveal = true;
      return [
        ...herald.attach(store),
        store.on('update', ({ id, status }) => {
          if (status === 'deleted' && id) gone.add(id);
        }),
        store.on('lost', () => {
          reveal = true;
          tell(host.messages.lost);
        }),
      ];
    },
    draw(state) {
      const { messages } = host;
      const before = view.trouble;
      view.trouble = troubleOf(state, formatOf(messages), before);
      if (before && !view.trouble) herald.say(messages.connected);
      attribute(view.box, 'lang', messages.locale);
      // The language's direction unless the page has set one.
      attribute(view.box, 'dir', host.getAttribute('dir') ?? messages.dir);
      if (!view.seen) return;
      drawHeader(state);
      choose(state.items);
      if (list.paint(items.slice(0, limit), messages, host.types)) panel.focus();
      drawRest(state);
      clearTimeout(tick);
      tick = setTimeout(refresh, state.connection === 'waiting' ? COUNTDOWN_MS : TICK_MS);
    },
    rewind() {
      limit = PAGE;
      showMenu(false);
      toTop();
    },
    leave() {
      showMenu(false);
      clearTimeout(tick);
      clearTimeout(noticeTimer);
    },
  };
  return view;
}
