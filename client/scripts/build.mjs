// dist/: ES modules with their types, and one minified module with everything.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { everything, minified } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
rmSync('dist', { recursive: true, force: true });
execFileSync('node_modules/.bin/tsc', ['-p', '.'], { stdio: 'inherit' });
await build({ ...minified, stdin: everything(root), outfile: 'dist/campanile.min.js' });
if (existsSync('scripts/demo.mjs')) {
  execFileSync(process.execPath, ['scripts/demo.mjs'], { stdio: 'inherit' });
}
