// The panel's menu: what somebody may want for all tabs, and how to get rid of everything.

import { isOn, type Option, turn } from './alerts.js';
import { attribute, h, text } from './dom.js';
import type { Format } from './format.js';

export class Options {
  readonly #switches = (['alerts', 'sound'] as const).map(
    (option) => [option, h('button', { role: 'switch', click: () => this.#turn(option) })] as const,
  );
  readonly #blocked = h('p', { role: 'status' });
  readonly #clear: HTMLButtonElement;
  readonly element: HTMLElement;
  #format: Format | undefined;
  #count = 0;
  #sure = false;

  constructor(clear: () => void) {
    const click = () => {
      if (this.#sure) clear();
      this.#sure = !this.#sure;
      this.#show();
    };
    this.#clear = h('button.clear', { click });
    const switches = this.#switches.map(([, button]) => button);
    this.element = h('div.menu', { id: 'menu' }, ...switches, this.#blocked, this.#clear);
    this.element.hidden = true;
  }

  /** A question asked before is forgotten. */
  reset(): void {
    this.#sure = false;
    text(this.#blocked, '');
  }

  /** `count` is how many there are to delete. */
  draw(format: Format, count: number): void {
    this.#format = format;
    this.#count = count;
    this.#show();
  }

  async #turn(option: Option): Promise<void> {
    const blocked = !(await turn(option, !isOn(option))) && this.#format;
    text(this.#blocked, blocked ? blocked.messages.alertsBlocked : '');
    this.#show();
  }

  #show(): void {
    if (!this.#format) return;
    const { messages } = this.#format;
    for (const [option, button] of this.#switches) {
      text(button, messages[option]);
      attribute(button, 'aria-checked', isOn(option));
      button.hidden = option === 'alerts' && !('Notification' in globalThis);
    }
    this.#clear.hidden = this.#count === 0;
    const { clear, clearSure } = messages;
    text(this.#clear, this.#sure ? this.#format.plural(clearSure, this.#count) : clear);
  }
}
