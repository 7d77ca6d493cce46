// Runs the tests below test/<folder> with node's own runner; they are TypeScript, so they are bundled first.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const [folder = 'core', ...names] = process.argv.slice(2);
const tests = readdirSync(join('test', folder), { recursive: true })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => names.length === 0 || names.some((part) => name.includes(part)));
// Inside the package, so that packages are found.
const outdir = join('node_modules', '.campanile-tests', folder);
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: tests.map((name) => join('test', folder, name)),
  outbase: join('test', folder),
  outdir,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  sourcemap: 'inline',
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
});
const files = tests.map((name) => join(outdir, name.replace(/\.ts$/, '.mjs')));
const options = ['--enable-source-maps', '--test', '--test-timeout=120000', '--test-force-exit'];
const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: 'inherit' });
process.exitCode = status ?? 1;
