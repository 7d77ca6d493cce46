// What stands in place of a list: a picture, a sentence, perhaps a hint and something to do.

import { h, icon, text } from './dom.js';

/** A cloud with a stroke through it. */
export const OFF = 'M7 18h10a4 4 0 0 0 .8-7.9A6 6 0 0 0 6.2 9.5 4.3 4.3 0 0 0 7 18zM4 4l16 16';

export class Blank {
  readonly element: HTMLElement;
  readonly #words = h('b');
  readonly #hint = h('span');
  readonly #button: HTMLButtonElement;

  constructor(path: string, click: () => void = () => {}) {
    this.#button = h('button', { type: 'button', part: 'retry', click });
    const parts = [icon(path), this.#words, this.#hint, this.#button];
    this.element = h('div', { class: 'blank', part: 'blank' }, ...parts);
  }

  draw(words: string, hint: string, action?: string): void {
    text(this.#words, words);
    text(this.#hint, hint);
    text(this.#button, action ?? '');
    this.#button.hidden = !action;
  }
}
