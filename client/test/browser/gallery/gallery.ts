// One state of the elements for each address: `?state=list&theme=dark&language=ar`.

import '../../../src/elements.js';
import { arabic } from '../../../src/components/messages/ar.js';
import { english } from '../../../src/components/messages/en.js';
import { german } from '../../../src/components/messages/de.js';
import { sample, STATES } from './states.js';
import { Sample } from './store.js';

const wish = new URLSearchParams(location.search);
const language = { ar: arabic, de: german }[wish.get('language') ?? ''] ?? english;
const { state, then } = (STATES[wish.get('state') ?? 'list'] ?? STATES['list']!)();
const store = new Sample(state);

document.documentElement.lang = language.locale;
document.documentElement.dir = language.dir;
document.documentElement.dataset['theme'] = wish.get('theme') ?? 'light';

const element = wish.get('element') === 'panel' ? 'campanile-panel' : 'campanile-bell';
const shown = document.createElement(element) as HTMLElementTagNameMap['campanile-bell'];
shown.messages = language;
shown.store = store;
const place = document.querySelector(element === 'campanile-bell' ? '#bar' : '#page');
place?.append(shown);

const inside = (part: string) => shown.shadowRoot?.querySelector<HTMLElement>(`[part~=${part}]`);
/** Longer than the elements take between two pictures. */
const picture = () => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 85));

async function arrange(): Promise<void> {
  if (element === 'campanile-bell' && then !== 'closed-bell') {
    await new Promise(requestAnimationFrame);
    shown.show();
  }
  if (then && then !== 'closed-bell') await picture();
  if (then === 'fresh') {
    store.arrive(sample({ time: Date.now() }), sample({ time: Date.now() }));
    store.arrive(sample({ time: Date.now() }));
  }
  if (then === 'menu' || then === 'sure') inside('options')?.click();
  if (then === 'sure') {
    await picture();
    inside('clear')?.click();
  }
  if (then === 'undone') {
    store.refuses = true;
    inside('mark-all')?.click();
    await picture();
  }
  await picture();
  document.documentElement.dataset['ready'] = '';
}

Object.assign(globalThis, { store, shown, sample });
void arrange();
