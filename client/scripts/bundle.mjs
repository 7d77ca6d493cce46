// How a bundle is made: for script tags and the demo, and for the size budget.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { build } from 'esbuild';
import { minify } from 'terser';

import { cssMin } from './css.mjs';

const options = {
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  logLevel: 'warning',
  write: false,
};

/** The text of a minified module. */
export async function bundle(stdin, ...plugins) {
  const { outputFiles } = await build({ ...options, stdin, plugins: [cssMin, ...plugins] });
  // What esbuild leaves, a twentieth after gzip.
  const { code } = await minify(outputFiles[0].text, { module: true, ecma: 2022, compress: { passes: 3 } });
  return `${code}\n`;
}

/** An entry with all that these modules export. */
export const entry = (root, ...modules) => ({
  contents: modules.map((name) => `export * from './src/${name}';`).join('\n'),
  resolveDir: root,
  sourcefile: 'everything.ts',
  loader: 'ts',
});

export const everything = (root) =>
  existsSync(join(root, 'src/elements.ts')) ? entry(root, 'elements.ts', 'index.ts') : entry(root, 'index.ts');
