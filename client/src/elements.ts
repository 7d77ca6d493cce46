// Registers the elements: `import 'campanile-client/elements'`.

import { CampanileBell } from './components/bell.js';
import { CampanileItem } from './components/item.js';
import { CampanilePanel } from './components/panel.js';

export { CampanileBell, CampanileItem, CampanilePanel };
export { Campanile } from './core/campanile.js';
export { english } from './components/messages/en.js';
export type { Kind, Kinds } from './components/kinds.js';
export type { Messages, Plural } from './components/messages/table.js';
export type { Token } from './components/panel.js';

declare global {
  interface HTMLElementTagNameMap {
    'campanile-bell': CampanileBell;
    'campanile-item': CampanileItem;
    'campanile-panel': CampanilePanel;
  }
}

const elements = {
  'campanile-item': CampanileItem,
  'campanile-panel': CampanilePanel,
  'campanile-bell': CampanileBell,
};
const { customElements: registry } = globalThis as Partial<typeof globalThis>;
for (const [name, element] of Object.entries(elements)) {
  // Two bundles of one page may both bring them.
  if (!registry?.get(name)) registry?.define(name, element);
}
