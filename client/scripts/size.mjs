// The size budget: what a page downloads, minified and gzipped. Fails beyond it.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

import { entry, everything, minified } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const KIB = 1024;
const budgets = [
  ['core', entry(root, 'index.ts'), 8 * KIB],
  ['with components', everything(root), 16 * KIB],
];
for (const [name, stdin, budget] of budgets) {
  const { outputFiles } = await build({ ...minified, stdin, write: false });
  const minifiedSize = outputFiles[0].contents.length;
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  console.log(`${name}: ${size} of ${budget} bytes gzipped (${minifiedSize} minified)`);
  if (size > budget) process.exitCode = 1;
}
