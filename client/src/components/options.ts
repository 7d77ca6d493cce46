// The panel's menu: what somebody may want for all tabs, and how to get rid of everything. Fetched when it is opened.

import { turn } from './alerts.js';
import { adopt, attribute, h, text } from './dom.js';
import type { Format } from './format.js';
import { MENU } from './styles/menu.js';
import { isOn, type Option } from './wishes.js';

export interface Options {
  /** A question asked before is forgotten. */
  reset(): void;
  /** `count` is how many there are to delete. */
  draw(format: Format, count: number): void;
}

/** Fills `menu`; `clear` deletes all. */
export function createOptions(menu: HTMLElement, clear: () => void): Options {
  const names: Option[] = ['alerts', 'sound'];
  const switches = names.map((name) => h('button', { role: 'switch', click: () => flip(name) }));
  const blocked = h('p', { role: 'status' });
  const click = () => {
    if (sure) clear();
    sure = !sure;
    show();
  };
  const all = h('button.clear', { click });
  let format: Format | undefined;
  let count = 0;
  let sure = false;
  adopt(menu.getRootNode() as ShadowRoot, MENU);
  menu.append(...switches, blocked, all);

  const flip = async (name: Option) => {
    const done = await turn(name, !isOn(name));
    text(blocked, done ? '' : (format?.messages.alertsBlocked ?? ''));
    show();
  };

  const show = () => {
    if (!format) return;
    const { messages } = format;
    switches.forEach((button, index) => {
      const name = names[index] as Option;
      text(button, messages[name]);
      attribute(button, 'aria-checked', isOn(name));
      button.hidden = name === 'alerts' && !('Notification' in globalThis);
    });
    all.hidden = count === 0;
    text(all, sure ? format.plural(messages.clearSure, count) : messages.clear);
  };

  return {
    reset() {
      sure = false;
      text(blocked, '');
    },
    draw(...now) {
      [format, count] = now;
      show();
    },
  };
}
