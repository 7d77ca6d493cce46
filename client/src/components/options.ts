// The panel's menu: what somebody may want for all tabs, and how to get rid of everything.

import { isOn, type Option, turn } from './alerts.js';
import { attribute, h, text } from './dom.js';
import type { Format } from './format.js';

export class Options {
  readonly element = h('div', { class: 'menu', part: 'menu', id: 'menu' });
  readonly #alerts = h('button', { type: 'button', role: 'switch', click: () => this.#turn('alerts') });
  readonly #blocked = h('p', { role: 'status' });
  readonly #sound = h('button', { type: 'button', role: 'switch', click: () => this.#turn('sound') });
  readonly #clear: HTMLButtonElement;
  #format: Format | undefined;
  #count = 0;
  #sure = false;

  constructor(clear: () => void) {
    const click = () => {
      if (this.#sure) clear();
      this.#sure = !this.#sure;
      this.#show();
    };
    this.#clear = h('button', { type: 'button', class: 'clear', part: 'clear', click });
    this.element.append(this.#alerts, this.#blocked, this.#sound, this.#clear);
    this.element.hidden = true;
  }

  /** Opened or closed anew: a question asked before is forgotten. */
  reset(): void {
    this.#sure = false;
    text(this.#blocked, '');
    this.#show();
  }

  /** `count` is how many there are to delete. */
  draw(format: Format, count: number): void {
    this.#format = format;
    this.#count = count;
    this.#show();
  }

  async #turn(option: Option): Promise<void> {
    const on = !isOn(option);
    const done = await turn(option, on);
    const blocked = option === 'alerts' && on && !done;
    text(this.#blocked, blocked ? (this.#format?.messages.alertsBlocked ?? '') : '');
    this.#show();
  }

  #show(): void {
    if (!this.#format || this.element.hidden) return;
    const { messages } = this.#format;
    text(this.#alerts, messages.alerts);
    text(this.#sound, messages.sound);
    attribute(this.#alerts, 'aria-checked', String(isOn('alerts')));
    attribute(this.#sound, 'aria-checked', String(isOn('sound')));
    this.#alerts.hidden = !('Notification' in globalThis);
    this.#blocked.hidden = this.#blocked.textContent === '';
    this.#clear.hidden = this.#count === 0;
    const question = this.#format.plural(messages.clearSure, this.#count);
    text(this.#clear, this.#sure ? question : messages.clear);
  }
}
