// The bindings in pages of React and Svelte, against a real gateway; and on a server, where nothing may be touched.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { launch, watch } from './support/browser.mjs';
import { bundle, serveReact, serveSvelte } from './support/serve.mjs';
import { Gateway, token, until } from './support/servers.mjs';

// Inside the package, so that packages are found.
const made = fileURLToPath(new URL('../../node_modules/.campanile-tests/bindings/', import.meta.url));
/** What a server has too, or may get, and what a connection would begin with. */
const TOUCHY = ['WebSocket', 'BroadcastChannel', 'fetch', 'localStorage', 'addEventListener', 'setTimeout'];
let gateway;
let sites;
let browser;

before(async () => {
  let react;
  let svelte;
  [gateway, react, svelte, browser] = await Promise.all([Gateway.start(), serveReact(), serveSvelte(), launch()]);
  sites = { react, svelte };
});
after(async () => {
  await browser?.close();
  for (const site of Object.values(sites ?? {})) site.stop();
  await gateway?.stop();
  rmSync(made, { recursive: true, force: true });
});

const note = (user, number) => ({ user_id: user, id: `${user}-${number}`, title: `No. ${number}` });

/** A page with a store of `user` in `store`, and `html` of a server in it. */
async function open(name, user, html = '') {
  const context = await browser.newContext();
  const page = await context.newPage();
  const complaints = watch(page);
  await page.exposeFunction('mint', () => token(user));
  sites[name].fill(html);
  await page.goto(sites[name].url);
  await page.evaluate((url) => {
    globalThis.store = globalThis.make(url);
    globalThis.store.connect();
  }, gateway.url);
  const listeners = () => page.evaluate(() => globalThis.store.listeners);
  const counts = () => page.locator('output').allTextContents();
  const titles = () => page.locator('section').first().locator('li').allTextContents();
  return { context, page, complaints, listeners, counts, titles };
}

for (const name of ['react', 'svelte']) {
  test(`${name}: it shows the list and the count, marks as read, and leaves nothing behind`, async () => {
    const user = `user-of-${name}`;
    await gateway.publish(note(user, 1), note(user, 2));
    const { context, page, complaints, listeners, counts, titles } = await open(name, user);
    assert.equal(await listeners(), 0);
    await page.evaluate(() => globalThis.mount(globalThis.store));
    await page.locator('section[data-connection=open]').nth(1).waitFor();
    await until('both show the count', async () => (await counts()).join() === '2,2');
    assert.equal(await listeners(), 2, 'one for each component, also when it was mounted twice');
    assert.deepEqual(await titles(), ['No. 2', 'No. 1']);

    await gateway.publish(note(user, 3));
    await until('it is live', async () => (await titles())[0] === 'No. 3' && (await counts()).join() === '3,3');
    await page.locator('li button').first().click();
    await page.locator('section').nth(1).locator('li[data-read=true]', { hasText: 'No. 3' }).waitFor();
    await until('the gateway has counted', async () => (await counts()).join() === '2,2');
    await page.locator('button.all').last().click();
    await until('all are read', async () => (await counts()).join() === '0,0');

    await page.evaluate(() => globalThis.unmount());
    assert.equal(await listeners(), 0);
    assert.equal(await page.locator('section').count(), 0);
    // Connecting was the page's affair, and so is the end of it.
    assert.equal(await page.evaluate(() => globalThis.store.getState().connection), 'open');
    await page.evaluate(() => globalThis.mount(globalThis.store));
    await until('it can come back', async () => (await counts()).join() === '0,0');
    assert.equal(await listeners(), 2);
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

test('react: another store takes the place of the first', async () => {
  const { context, page, complaints, listeners, counts } = await open('react', 'first');
  await page.evaluate(() => globalThis.mount(globalThis.store));
  await until('the first', async () => (await counts()).join() === '0,0');
  await page.evaluate(() => {
    globalThis.second = globalThis.make('/');
    globalThis.mount(globalThis.second);
  });
  await until('the second', async () => (await counts()).join() === '…,…');
  assert.deepEqual([await listeners(), await page.evaluate(() => globalThis.second.listeners)], [0, 2]);
  assert.deepEqual(complaints, []);
  await context.close();
});

/** What a server makes of a component, and what it touched for it. */
async function render(script) {
  mkdirSync(made, { recursive: true });
  const file = join(made, `${script.replace(/\.\w+$/, '')}.mjs`);
  const options = { platform: 'node', external: ['react', 'react-dom', 'svelte'], conditions: ['node'] };
  writeFileSync(file, await bundle(`bindings/${script}`, options));
  const { render } = await import(pathToFileURL(file).href);
  const touched = [];
  const before = TOUCHY.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  for (const name of TOUCHY) {
    const use = () => {
      touched.push(name);
      return {};
    };
    // Looking whether there is one is no use of it, except of what warns for that.
    const value = new Proxy(function () {}, { construct: use, apply: use });
    const get = () => {
      if (name === 'localStorage') touched.push(name);
      return value;
    };
    Object.defineProperty(globalThis, name, { configurable: true, get });
  }
  try {
    const html = render(() => void touched.push('token'));
    return { html, touched };
  } finally {
    for (const [name, property] of before) {
      if (property) Object.defineProperty(globalThis, name, property);
      else delete globalThis[name];
    }
  }
}

test('react: a server renders it without a connection, and the page takes it over', async () => {
  const { html, touched } = await render('server.tsx');
  assert.match(html, /data-connection="idle"/);
  assert.match(html, /<output>…<\/output>/);
  assert.deepEqual(touched, []);

  await gateway.publish(note('hydrated', 1));
  const { context, page, complaints, counts } = await open('react', 'hydrated', html);
  assert.deepEqual(await counts(), ['…']);
  // The store may have come further than the server's picture before React gets to it.
  await until('the list', () => page.evaluate(() => globalThis.store.getState().items.length === 1));
  await page.evaluate(() => globalThis.hydrate(globalThis.store));
  await until('it is brought up to date', async () => (await counts()).join() === '1');
  assert.deepEqual([complaints, await page.evaluate(() => globalThis.complaints)], [[], []]);
  await context.close();
});

test('svelte: a server renders it without a connection', async () => {
  const { html, touched } = await render('server-svelte.ts');
  assert.match(html, /data-connection="idle"/);
  assert.deepEqual(touched, []);
});
