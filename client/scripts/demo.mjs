// The library as `campanile demo` serves it: one file in the repository, since the program is built without node.
// With `--check` it fails if that file is not what the sources make.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { entry, minified } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const file = fileURLToPath(new URL('../../src/demo/page/campanile.js', import.meta.url));
const modules = ['index.ts', 'elements.ts', 'components/messages/de.ts', 'components/messages/ar.ts'];
const { outputFiles } = await build({ ...minified, stdin: entry(root, ...modules), write: false });
const head = '// Made from client/ by `npm run build`; do not edit.\n';
const text = head + outputFiles[0].text;
if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  console.error('src/demo/page/campanile.js is stale: run `npm run build` in client/ and commit it');
  process.exitCode = 1;
}
