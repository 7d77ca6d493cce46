// Runs the tests in a browser. Those of the load have the machine to themselves. Up to three that fail are run once more,
// alone: on a busy machine a deadline can pass for no fault of the code. Which ones is printed: such a test is to be
// repaired, not to be lived with.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = 'test/browser';
const ALONE = /load/;
const MOST = 3;

process.chdir(root);
const names = process.argv.slice(2);
const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.test.mjs'))
  .filter((name) => names.length === 0 || names.some((part) => name.includes(part)))
  .map((name) => join(FOLDER, name));
const log = join(mkdtempSync(join(tmpdir(), 'campanile-browser-')), 'failed');

/** Returns the tests that failed, each `{ file, name }`; without a name it is the file as a whole. */
function run(files, ...options) {
  if (files.length === 0) return [];
  const reporters = [
    ['spec', 'stdout'],
    ['./scripts/failed.mjs', log],
  ].flatMap(([reporter, to]) => [`--test-reporter=${reporter}`, `--test-reporter-destination=${to}`]);
  const own = ['--test', '--test-force-exit', '--test-timeout=300000', ...reporters];
  const { status } = spawnSync(process.execPath, [...own, ...options, ...files], { stdio: 'inherit' });
  const lines = new Set(readFileSync(log, 'utf8').split('\n').filter(Boolean));
  const failed = [...lines].map((line) => JSON.parse(line));
  if (status !== 0 && failed.length === 0) failed.push(...files.map((file) => ({ file })));
  return failed;
}

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const title = ({ file, name }) => `${relative(root, file)}${name ? `: ${name}` : ''}`;

let failed = [
  ...run(files.filter((file) => !ALONE.test(file)), '--test-concurrency=2'),
  ...run(files.filter((file) => ALONE.test(file))),
];
if (failed.length > 0 && failed.length <= MOST) {
  const again = failed.map(title).join('\n  ');
  console.log(`once more, alone:\n  ${again}`);
  failed = failed.flatMap(({ file, name }) => run([file], ...(name ? [`--test-name-pattern=(^| )${escape(name)}$`] : [])));
  if (failed.length === 0) console.log(`passed alone, to be repaired:\n  ${again}`);
}
if (failed.length > 0) {
  console.log(`failed:\n  ${failed.map(title).join('\n  ')}`);
  process.exitCode = 1;
}
rmSync(join(log, '..'), { recursive: true, force: true });
