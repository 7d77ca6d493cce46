import type { State, Store } from '../types.js';
import { StoreElement } from './base.js';
import { shade } from './dom.js';
import { PANEL } from './styles/panel.js';
import { TOKENS } from './styles/tokens.js';
import { createView } from './view.js';

/** The list, laid open; see the README for properties, parts, slots and events. */
export class CampanilePanel extends StoreElement {
  protected readonly view = createView(this);

  constructor() {
    super();
    shade(this, this.view.box, TOKENS, PANEL);
  }

  override focus(options?: FocusOptions): void {
    this.view.panel.focus(options);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.view.leave();
  }

  protected attach(store: Store): (() => void)[] {
    return this.view.attach(store);
  }

  protected draw(state: State): void {
    this.view.draw(state);
  }
}
