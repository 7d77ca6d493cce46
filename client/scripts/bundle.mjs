// How a bundle is made: for script tags and the demo, and for the size budget.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { cssMin } from './css.mjs';

export const minified = {
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [cssMin],
};

/** An entry with all that these modules export. */
export const entry = (root, ...modules) => ({
  contents: modules.map((name) => `export * from './src/${name}';`).join('\n'),
  resolveDir: root,
  sourcefile: 'everything.ts',
  loader: 'ts',
});

export const everything = (root) =>
  existsSync(join(root, 'src/elements.ts')) ? entry(root, 'index.ts', 'elements.ts') : entry(root, 'index.ts');
