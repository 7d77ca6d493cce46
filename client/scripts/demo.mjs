// The library as `campanile demo` serves it: one file in the repository, since the program is built without node.
// With `--check` it fails if that file is not what the sources make.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { bundle, entry } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const file = fileURLToPath(new URL('../../src/demo/page/campanile.js', import.meta.url));
const modules = ['elements.ts', 'index.ts', 'components/messages/de.ts', 'components/messages/ar.ts'];
const head = '// Made from client/ by `npm run build`; do not edit.\n';
const text = head + (await bundle(entry(root, ...modules)));
if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  console.error('src/demo/page/campanile.js is stale: run `npm run build` in client/ and commit it');
  process.exitCode = 1;
}
