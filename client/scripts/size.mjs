// The size budget: what a page downloads at first, minified and gzipped. Fails beyond it. What is behind `import()` comes
// later or never, and is told beside it.
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

/** Leaves `import()` as it is. */
const first = {
  name: 'first',
  setup(build) {
    build.onResolve({ filter: /^\./ }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    );
  },
};

async function sizeOf(stdin, ...plugins) {
  const options = { ...minified, plugins: [...minified.plugins, ...plugins] };
  const { outputFiles } = await build({ ...options, stdin, write: false });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

for (const [name, stdin, budget] of budgets) {
  const size = await sizeOf(stdin, first);
  const whole = await sizeOf(stdin);
  console.log(`${name}: ${size} of ${budget} bytes gzipped; in one file with all that is loaded on demand: ${whole}`);
  if (size > budget) process.exitCode = 1;
}
