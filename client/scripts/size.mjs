// The size budget: what a page downloads at first, minified and gzipped. Fails beyond it. What is behind `import()` comes
// later or never, and is told beside it.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { bundle, entry, everything } from './bundle.mjs';

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

const gzipped = (text) => gzipSync(text, { level: 9 }).length;

for (const [name, stdin, budget] of budgets) {
  const size = gzipped(await bundle(stdin, first));
  const whole = gzipped(await bundle(stdin));
  console.log(`${name}: ${size} of ${budget} bytes gzipped; in one file with all that is loaded on demand: ${whole}`);
  if (size > budget) process.exitCode = 1;
}
