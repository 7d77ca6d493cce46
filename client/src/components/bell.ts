import type { State, Store } from '../types.js';
import { adopt, attribute, fire, h, icon, iconButton, label, outside, set, text } from './dom.js';
import { formatOf } from './format.js';
import { BELL as BELL_ICON, CROSS } from './kinds.js';
import { CampanilePanel } from './panel.js';
import { BELL } from './styles/bell.js';

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
  readonly #popover = h('div.popover', { id: 'popover', role: 'dialog' });
  #stop: (() => void) | undefined;

  constructor() {
    super();
    const { view } = this;
    const { box, panel, header } = view;
    view.seen = false;
    view.read = true;
    header.append(this.#close);
    this.#popover.append(panel);
    // The top layer escapes what clips the page's header, but only an anchor says where the bell is.
    if (anchors()) this.#popover.popover = 'manual';
    this.#popover.hidden = !this.#popover.popover;
    box.prepend(this.#button, this.#popover);
    set(box, {
      keydown: ({ key }: KeyboardEvent) => {
        if (key === 'Escape') this.hide();
      },
      // Focus that goes on to the page leaves nothing open behind it.
      focusout: ({ relatedTarget: to }: FocusEvent) => {
        if (to instanceof Node && !box.contains(to) && !this.contains(to)) this.hide();
      },
      animationend: () => box.classList.remove('ring'),
    });
    adopt(this.shadowRoot as ShadowRoot, BELL);
  }

  /** Whether the panel is open. */
  get open(): boolean {
    return this.view.seen;
  }

  /** Opens the panel and moves focus into it. */
  show(): void {
    this.#turn(this.isConnected);
  }

  /** Closes the panel; focus goes back to the bell if it was inside. */
  hide(): void {
    this.#turn(false);
  }

  toggle(): void {
    this.#turn(!this.open && this.isConnected);
  }

  override focus(options?: FocusOptions): void {
    this.#button.focus(options);
  }

  override disconnectedCallback(): void {
    this.hide();
    super.disconnectedCallback();
  }

  protected override attach(store: Store): (() => void)[] {
    const ring = () => this.view.box.classList.toggle('ring', !document.hidden);
    return [...super.attach(store), store.on('notification', ring)];
  }

  protected override draw(state: State): void {
    super.draw(state);
    const { messages, view } = this;
    const { trouble } = view;
    const format = formatOf(messages);
    const unread = state.unread ?? 0;
    const words = [messages.title];
    if (unread > 0) words.push(format.plural(messages.unread, unread));
    // A countdown in a name would be read again each second.
    if (trouble) words.push(state.connection === 'offline' ? trouble : messages.idle);
    attribute(this.#button, 'aria-label', words.join(', '));
    attribute(this.#button, 'aria-expanded', this.open);
    attribute(this.#popover, 'aria-label', messages.title);
    label(this.#close, messages.close);
    this.#badge.hidden = unread === 0;
    text(this.#badge, format.number(unread));
    this.#status.hidden = !trouble;
  }

  #turn(open: boolean): void {
    const { view } = this;
    const popover = this.#popover;
    if (open === view.seen) return;
    const focused = popover.matches(':focus-within');
    view.seen = open;
    if (popover.popover) popover.togglePopover(open);
    else popover.hidden = !open;
    attribute(this.#button, 'aria-expanded', open);
    view.rewind();
    fire(this, 'toggle', { open });
    this.#stop?.();
    if (open) {
      view.panel.focus();
      this.#stop = outside([this], () => this.hide());
    } else if (focused) {
      this.focus();
    }
  }
}

/** Where there are anchors, there is a top layer too. */
const anchors = () => CSS.supports('position-area', 'block-end');
