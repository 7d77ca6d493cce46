// The package as npm would publish it: what is in it, and that pages, servers, bundlers and TypeScript can use it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'campanile-package-'));
const installed = join(folder, 'node_modules/campanile-client');
const ENTRIES = ['', '/elements', '/react', '/svelte', '/messages/de', '/messages/ar', '/campanile.min.js'];
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: 'utf8', stdio: 'pipe' });

before(() => {
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root));
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, filename)]);
  // What a page of React has itself.
  mkdirSync(join(folder, 'node_modules/@types'));
  for (const name of ['react', '@types/react']) symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('it has the modules with their types, and nothing else', () => {
  const files = readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ path, name }) => join(path, name).slice(installed.length + 1));
  const modules = files.filter((name) => /^dist\/.*\.js$/.test(name) && name !== 'dist/campanile.min.js');
  assert.ok(modules.length > 40, `${modules.length} modules`);
  const types = modules.map((name) => name.replace(/js$/, 'd.ts'));
  const others = ['LICENSE', 'README.md', 'dist/campanile.min.js', 'package.json'];
  assert.deepEqual(files.sort(), [...others, ...modules, ...types].sort());
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  assert.equal(dependencies, undefined);
});

test('a server can import all of it', () => {
  const lines = ENTRIES.map((entry, index) => `import * as m${index} from 'campanile-client${entry}';`);
  const names = ENTRIES.map((_, index) => `Object.keys(m${index})`);
  writeFileSync(join(folder, 'server.mjs'), `${lines.join('\n')}console.log(JSON.stringify([${names}]));`);
  const [core, elements, react, svelte, german, arabic, all] = JSON.parse(run(process.execPath, ['server.mjs']));
  assert.deepEqual(core.sort(), ['Campanile', 'CampanileError']);
  assert.deepEqual(elements.sort(), ['Campanile', 'CampanileBell', 'CampanileItem', 'CampanilePanel', 'english']);
  assert.deepEqual([react, svelte, german, arabic], [['useNotifications'], ['readable'], ['german'], ['arabic']]);
  assert.deepEqual(all.sort(), [...new Set([...core, ...elements])].sort());
});

for (const [module, moduleResolution] of [['esnext', 'bundler'], ['nodenext', 'nodenext']]) {
  test(`its types are found: ${moduleResolution}`, () => {
    const consumer = `
      import { Campanile, CampanileError, type Item, type State, type Store } from 'campanile-client';
      import { CampanileBell, english, type Messages } from 'campanile-client/elements';
      import { german } from 'campanile-client/messages/de';
      import { type Notifications, useNotifications } from 'campanile-client/react';
      import { readable } from 'campanile-client/svelte';
      const store: Store<{ a: number }> = new Campanile<{ a: number }>({ url: '/', token: 'x' });
      const state: State<{ a: number }> = store.getState();
      const item: Item<{ a: number }> | undefined = state.items[0];
      export const a: number | undefined = item?.data?.a;
      export const messages: Messages[] = [english, german];
      const bell: CampanileBell | null = document.querySelector('campanile-bell');
      if (bell) bell.messages = german;
      export const hook: (store: Store) => Notifications = useNotifications;
      readable(store).subscribe((now) => now.items[0]?.data?.a.toFixed());
      export const isOurs = (thrown: unknown): boolean => thrown instanceof CampanileError && thrown.code === 'network';
      // @ts-expect-error: it is no number
      store.markRead(1);
    `;
    writeFileSync(join(folder, 'consumer.ts'), consumer);
    const lib = ['es2022', 'dom', 'dom.iterable'];
    const compilerOptions = { module, moduleResolution, lib, target: 'es2022', types: [], strict: true, noEmit: true };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    try {
      run(join(root, 'node_modules/.bin/tsc'), ['-p', '.']);
    } catch ({ stdout }) {
      assert.fail(stdout);
    }
  });
}

test('a bundler leaves out what is not imported', async () => {
  const bundle = async (contents) => {
    const stdin = { contents, resolveDir: folder };
    const { outputFiles } = await build({ stdin, bundle: true, minify: true, format: 'esm', write: false, logLevel: 'silent' });
    return outputFiles[0].text;
  };
  const core = await bundle("import { Campanile } from 'campanile-client'; console.log(Campanile);");
  assert.ok(core.includes('campanile.v1'));
  for (const word of ['campanile-bell', 'customElements', 'attachShadow', 'RelativeTimeFormat']) {
    assert.ok(!core.includes(word), word);
  }
  const error = await bundle("import { CampanileError } from 'campanile-client'; console.log(CampanileError);");
  assert.ok(error.length < 500, `${error.length} characters for a class with one property`);
  const elements = await bundle("import 'campanile-client/elements';");
  assert.ok(elements.includes('campanile-bell') && !elements.includes('Benachrichtigungen'));
});
