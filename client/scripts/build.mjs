// dist/: ES modules with their types, and one minified module with everything.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { bundle, everything } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
rmSync('dist', { recursive: true, force: true });
execFileSync('node_modules/.bin/tsc', ['-p', '.'], { stdio: 'inherit' });
writeFileSync('dist/campanile.min.js', await bundle(everything(root)));
if (existsSync('scripts/demo.mjs')) {
  execFileSync(process.execPath, ['scripts/demo.mjs'], { stdio: 'inherit' });
}
