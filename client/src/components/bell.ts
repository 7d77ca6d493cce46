import type { State, Store } from '../types.js';
import { StoreElement } from './base.js';
import { adopt, attribute, h, icon, outside, text } from './dom.js';
import { formatOf } from './format.js';
import { Herald } from './herald.js';
import { BELL_ICON } from './kinds.js';
import { ITEM_PARTS } from './list.js';
import { CampanilePanel } from './panel.js';
import { type Trouble, troubleOf } from './status.js';
import { BELL } from './styles/bell.js';
import { TOKENS } from './styles/tokens.js';

const PANEL_PARTS =
  'panel,header,heading,menu,clear,banner,notice,retry,scroll,pill,list,skeleton,blank,more,' +
  'footer,mark-all,options,close';
const MOST = 99;
const SLOTS = ['header', 'empty', 'footer'];

/** A button with the number of unread ones, and the panel that it opens. */
export class CampanileBell extends StoreElement {
  readonly #badge = h('span', { class: 'badge', part: 'badge', 'aria-hidden': 'true' });
  readonly #status = h('span', { class: 'status', part: 'status' });
  readonly #button: HTMLButtonElement;
  readonly #panel = new CampanilePanel();
  readonly #popover = h('div', { class: 'popover', part: 'popover', id: 'popover', role: 'dialog' });
  readonly #box = h('div', { class: 'box' });
  readonly #herald = new Herald(this);
  #open = false;
  #trouble: Trouble | undefined;
  #stopOutside: (() => void) | undefined;
  #slots: MutationObserver | undefined;

  constructor() {
    super();
    this.#button = h(
      'button',
      {
        type: 'button',
        class: 'bell',
        part: 'bell',
        'aria-haspopup': 'dialog',
        'aria-controls': 'popover',
        click: () => this.toggle(),
      },
      h('slot', { name: 'icon' }, icon(BELL_ICON)),
      this.#badge,
      this.#status,
    );
    this.#panel.embed(this.#herald);
    this.#panel.setAttribute('exportparts', `${PANEL_PARTS},${ITEM_PARTS}`);
    this.#panel.addEventListener('close', () => this.hide());
    this.#popover.append(this.#panel);
    // The top layer escapes what clips the page's header, but only an anchor says where the bell is.
    if (anchors()) this.#popover.popover = 'manual';
    else this.#popover.hidden = true;
    this.#box.append(this.#button, this.#popover, this.#herald.element);
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    adopt(root, TOKENS, BELL);
    root.append(this.#box);
    this.#box.addEventListener('keydown', (event) => this.#key(event));
    this.#box.addEventListener('focusout', (event) => this.#left(event.relatedTarget));
    this.#box.addEventListener('animationend', () => this.#box.classList.remove('ring'));
  }

  /** Whether the panel is open. */
  get open(): boolean {
    return this.#open;
  }

  toggle(): void {
    if (this.#open) this.hide();
    else this.show();
  }

  /** Opens the panel and moves focus into it. */
  show(): void {
    if (this.#open || !this.isConnected) return;
    this.#open = true;
    if (this.#popover.popover) this.#popover.showPopover();
    else this.#popover.hidden = false;
    this.#panel.active = true;
    this.#panel.focus();
    this.#stopOutside = outside([this], () => this.hide());
    this.#toggled();
  }

  /** Closes the panel; focus goes back to the bell if it was inside. */
  hide(): void {
    if (!this.#open) return;
    this.#open = false;
    const focused = this.#popover.matches(':focus-within');
    this.#stopOutside?.();
    if (this.#popover.popover) this.#popover.hidePopover();
    else this.#popover.hidden = true;
    this.#panel.active = false;
    if (focused) this.#button.focus();
    this.#toggled();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#slots = new MutationObserver(() => this.#passSlots());
    this.#slots.observe(this, { childList: true });
    this.#passSlots();
  }

  override disconnectedCallback(): void {
    this.hide();
    this.#slots?.disconnect();
    super.disconnectedCallback();
  }

  protected attach(store: Store): (() => void)[] {
    this.#panel.store = store;
    return [
      store.on('notification', () => this.#ring()),
      ...this.#herald.attach(store),
      () => (this.#panel.store = undefined),
    ];
  }

  protected draw(state: State | undefined): void {
    const { messages } = this;
    const format = formatOf(messages);
    this.#panel.messages = messages;
    this.#panel.types = this.types;
    attribute(this.#panel, 'dir', this.direction);
    const unread = state?.unread ?? 0;
    const before = this.#trouble;
    this.#trouble = state && troubleOf(state, format, before);
    if (before && !this.#trouble) this.#herald.say(messages.connected);
    const words = [messages.title];
    if (unread > 0) words.push(format.plural(messages.unread, unread));
    // A countdown in a name would be read again each second.
    if (this.#trouble) words.push(state?.connection === 'offline' ? messages.offline : messages.idle);
    attribute(this.#button, 'aria-label', words.join(', '));
    attribute(this.#button, 'aria-expanded', String(this.#open));
    attribute(this.#popover, 'aria-label', messages.title);
    attribute(this.#box, 'lang', messages.locale);
    attribute(this.#box, 'dir', this.direction);
    this.#badge.hidden = unread === 0;
    text(this.#badge, unread > MOST ? `${format.number(MOST)}+` : format.number(unread));
    this.#status.hidden = !this.#trouble;
    this.#box.classList.toggle('trouble', Boolean(this.#trouble));
  }

  #toggled(): void {
    attribute(this.#button, 'aria-expanded', String(this.#open));
    const detail = { open: this.#open };
    this.dispatchEvent(new CustomEvent('campanile-toggle', { detail, bubbles: true }));
  }

  #ring(): void {
    if (!document.hidden) this.#box.classList.add('ring');
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== 'Escape' || !this.#open) return;
    event.stopPropagation();
    this.hide();
  }

  /** Focus that goes on to the page leaves nothing open behind it. */
  #left(to: EventTarget | null): void {
    if (to instanceof Node && !this.#box.contains(to) && !this.contains(to)) this.hide();
  }

  /** A slot that is passed on without content would hide what the panel has of its own. */
  #passSlots(): void {
    for (const slot of SLOTS) {
      const wanted = [...this.children].some((child) => child.slot === slot);
      const passed = this.#panel.querySelector(`slot[name=${slot}]`);
      if (wanted && !passed) this.#panel.append(h('slot', { name: slot, slot }));
      else if (!wanted) passed?.remove();
    }
  }
}

function anchors(): boolean {
  return 'popover' in HTMLElement.prototype && CSS.supports('position-area', 'block-end');
}
