// Registers the elements: `import 'campanile-client/elements'`.

import { CampanileBell } from './components/bell.js';
import { CampanileItem } from './components/item.js';
import { CampanilePanel } from './components/panel.js';

export { CampanileBell, CampanileItem, CampanilePanel };
export { Campanile } from './core/campanile.js';
export { english } from './components/messages/en.js';
export type { Kind, Kinds } from './components/kinds.js';
export type { Messages, Plural } from './components/messages/table.js';
export type { Token } from './components/base.js';

declare global {
  interface HTMLElementTagNameMap {
    'campanile-bell': CampanileBell;
    'campanile-item': CampanileItem;
    'campanile-panel': CampanilePanel;
  }
}

const elements: [string, CustomElementConstructor][] = [
  ['campanile-item', CampanileItem],
  ['campanile-panel', CampanilePanel],
  ['campanile-bell', CampanileBell],
];
for (const [name, element] of elements) {
  // Two bundles of one page may both bring them.
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}
