// The panel's menu: what somebody may want for all tabs, and how to get rid of everything. Fetched when it is opened.

import { isOn, turn } from './alerts.js';
import { adopt, attribute, h, text } from './dom.js';
import { formatOf } from './format.js';
import type { CampanilePanel } from './panel.js';
import { MENU } from './styles/menu.js';
import type { Option } from './wishes.js';

export interface Options {
  draw(): void;
  /** A question asked before is forgotten. */
  reset(): void;
}

/** Fills `menu`; `act` takes what is being done. */
export function createOptions(
  menu: HTMLElement,
  host: CampanilePanel,
  act: (doing: Promise<void> | undefined) => void,
): Options {
  const names: Option[] = ['alerts', 'sound'];
  const switches = names.map((name) => h('button', { role: 'switch', click: () => flip(name) }));
  const blocked = h('p', { role: 'status' });
  const click = () => {
    if (sure) act(host.store?.clear());
    sure = !sure;
    draw();
  };
  const clear = h('button.clear', { click });
  let sure = false;
  adopt(menu.getRootNode() as ShadowRoot, MENU);
  menu.append(...switches, blocked, clear);

  const flip = async (name: Option) => {
    text(blocked, (await turn(name, !isOn(name))) ? '' : host.messages.alertsBlocked);
    draw();
  };

  const draw = () => {
    const { messages, store } = host;
    switches.forEach((button, index) => {
      const name = names[index] as Option;
      text(button, messages[name]);
      attribute(button, 'aria-checked', isOn(name));
      button.hidden = name === 'alerts' && !('Notification' in globalThis);
    });
    const count = store?.getState().items.length ?? 0;
    clear.hidden = count === 0;
    text(clear, sure ? formatOf(messages).plural(messages.clearSure, count) : messages.clear);
  };

  return {
    draw,
    reset() {
      sure = false;
      text(blocked, '');
      draw();
    },
  };
}
