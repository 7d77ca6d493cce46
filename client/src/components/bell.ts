import type { State, Store } from '../types.js';
import { adopt, attribute, h, icon, iconButton, label, outside, text } from './dom.js';
import { formatOf } from './format.js';
import { BELL as BELL_ICON, CROSS } from './kinds.js';
import { CampanilePanel } from './panel.js';
import { BELL } from './styles/bell.js';
import { PANEL } from './styles/panel.js';
import { TOKENS } from './styles/tokens.js';

/** A button with the number of unread ones, and a panel that it opens. */
export class CampanileBell extends CampanilePanel {
  readonly #badge = h('span.badge', { 'aria-hidden': 'true' });
  readonly #status = h('span.status');
  readonly #button = h(
    'button.bell',
    { 'aria-haspopup': 'dialog', 'aria-controls': 'popover', click: () => this.toggle() },
    h('slot', { name: 'icon' }, icon(BELL_ICON)),
    this.#badge,
    this.#status,
  );
  readonly #close = iconButton('close', CROSS, () => this.hide());
  readonly #popover = h('div.popover', { id: 'popover', role: 'dialog' }, this.panel);
  #open = false;
  #stop: (() => void) | undefined;

  constructor() {
    super();
    this.header.append(this.#close);
    // The top layer escapes what clips the page's header, but only an anchor says where the bell is.
    if (anchors()) this.#popover.popover = 'manual';
    this.#popover.hidden = !this.#popover.popover;
    this.box.prepend(this.#button, this.#popover);
    this.box.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.hide();
    });
    // Focus that goes on to the page leaves nothing open behind it.
    this.box.addEventListener('focusout', ({ relatedTarget: to }) => {
      if (to instanceof Node && !this.box.contains(to) && !this.contains(to)) this.hide();
    });
    this.box.addEventListener('animationend', () => this.box.classList.remove('ring'));
    adopt(this.shadowRoot as ShadowRoot, TOKENS, PANEL, BELL);
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
    this.#turn(true);
    this.panel.focus();
    this.#stop = outside([this], () => this.hide());
  }

  /** Closes the panel; focus goes back to the bell if it was inside. */
  hide(): void {
    if (!this.#open) return;
    this.#stop?.();
    const focused = this.#popover.matches(':focus-within');
    this.#turn(false);
    if (focused) this.#button.focus();
  }

  override focus(options?: FocusOptions): void {
    this.#button.focus(options);
  }

  override disconnectedCallback(): void {
    this.hide();
    super.disconnectedCallback();
  }

  protected override get seen(): boolean {
    return this.#open;
  }

  protected override get reading(): boolean {
    return true;
  }

  protected override attach(store: Store): (() => void)[] {
    const ring = () => this.box.classList.toggle('ring', !document.hidden);
    return [...super.attach(store), store.on('notification', ring)];
  }

  protected override draw(state: State): void {
    super.draw(state);
    const { messages, trouble } = this;
    const format = formatOf(messages);
    const unread = state.unread ?? 0;
    const words = [messages.title];
    if (unread > 0) words.push(format.plural(messages.unread, unread));
    // A countdown in a name would be read again each second.
    if (trouble) words.push(state.connection === 'offline' ? trouble : messages.idle);
    attribute(this.#button, 'aria-label', words.join(', '));
    attribute(this.#button, 'aria-expanded', this.#open);
    attribute(this.#popover, 'aria-label', messages.title);
    label(this.#close, messages.close);
    this.#badge.hidden = unread === 0;
    text(this.#badge, format.number(unread));
    this.#status.hidden = !trouble;
  }

  #turn(open: boolean): void {
    this.#open = open;
    if (this.#popover.popover) this.#popover.togglePopover(open);
    else this.#popover.hidden = !open;
    attribute(this.#button, 'aria-expanded', open);
    this.rewind();
    const detail = { open };
    this.dispatchEvent(new CustomEvent('campanile-toggle', { detail, bubbles: true }));
  }
}

function anchors(): boolean {
  return 'popover' in HTMLElement.prototype && CSS.supports('position-area', 'block-end');
}
