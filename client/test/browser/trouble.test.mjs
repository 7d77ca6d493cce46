// Tabs that come and go, and everything that breaks: nothing is lost, doubled or out of order.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.mjs';
import { servePage } from './support/serve.mjs';
import { Gateway, Redis, until } from './support/servers.mjs';
import { Visitor } from './support/visitor.mjs';

/** How long a token is valid where one is to expire: enough to connect with on a slow machine. */
const BRIEF_S = 8;
let redis;
let gateway;
let other;
let site;
let browser;

before(async () => {
  [redis, site, browser] = await Promise.all([Redis.start(), servePage(), launch()]);
  gateway = await Gateway.start({ redis });
  other = await Gateway.start({ redis });
});
after(async () => {
  await browser?.close();
  site?.stop();
  await Promise.all([gateway?.stop(), other?.stop()]);
  await redis?.stop();
});

const note = (user, number) => ({ user_id: user, id: `${user}-${number}`, title: `No. ${number}` });
const titles = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => `No. ${from + index}`);

test('two tabs share one socket and agree, also after the one that holds it was killed', async () => {
  const context = await browser.newContext();
  const first = await Visitor.arrive(context, site.url, gateway, 'ada');
  const second = await Visitor.arrive(context, site.url, gateway, 'ada');
  await until('one socket', async () => (await gateway.sockets()) === 1);
  assert.deepEqual([(await first.state()).leads, (await second.state()).leads], [true, false]);
  await gateway.publish(note('ada', 1), note('ada', 2));
  for (const tab of [first, second]) await tab.name('Notifications, 2 unread');
  await second.button.click();
  await second.items.first().locator('button.open').click();
  for (const tab of [first, second]) await tab.name('Notifications, 1 unread');

  // Killed, not closed: it can say good-bye to nobody.
  const devtools = await context.newCDPSession(first.page);
  devtools.send('Page.crash').catch(() => {});
  await until('the other one leads', async () => (await second.state()).leads);
  await second.connected();
  await gateway.publish(note('ada', 3));
  await second.name('Notifications, 2 unread');
  assert.deepEqual(await second.heard(), titles(1, 3));
  await until('one socket', async () => (await gateway.sockets()) === 1);
  await context.close();
});

test('tabs agree whatever they have loaded, and any of them can take over', async () => {
  const context = await browser.newContext();
  const user = 'many-tabs';
  for (const from of [1, 61]) {
    await gateway.publish(...titles(from, from + 59).map((_, index) => note(user, from + index)));
  }
  const tabs = [];
  for (let tab = 0; tab < 3; tab += 1) tabs.push(await Visitor.arrive(context, site.url, gateway, user));
  const ready = async (tab) => (await tab.state()).list === 'ready';
  for (const tab of tabs) await until('the list is there', () => ready(tab));
  const leader = async () => (await Promise.all(tabs.map((tab) => tab.state()))).findIndex(({ leads }) => leads);
  assert.equal(await leader(), 0);
  // One of those that follow goes back to the first.
  const back = tabs[1];
  for (const size of [100, 120]) {
    await back.page.evaluate(() => globalThis.bell.store.loadMore());
    assert.equal((await back.state()).items.length, size);
  }
  assert.equal((await back.state()).hasMore, false);
  await back.page.evaluate(() => globalThis.bell.store.markRead('many-tabs-3'));
  await tabs[2].page.evaluate(() => globalThis.bell.store.remove('many-tabs-119'));
  const counts = async () => (await Promise.all(tabs.map((tab) => tab.state()))).map(({ unread }) => unread);
  await until('all have the count', async () => (await counts()).every((unread) => unread === 118));
  const item = async (tab, id) => (await tab.state()).items.find((one) => one.id === id);
  assert.equal((await item(back, 'many-tabs-3')).read, true);
  for (const tab of tabs) await until('it is gone', async () => !(await item(tab, 'many-tabs-119')));

  const devtools = await context.newCDPSession(tabs[0].page);
  devtools.send('Page.crash').catch(() => {});
  tabs.shift();
  await until('another one leads', async () => (await leader()) >= 0);
  await gateway.publish(note(user, 121));
  for (const tab of tabs) {
    await until('it arrives', async () => (await tab.heard()).length >= 1);
    assert.deepEqual(await tab.heard(), ['No. 121']);
  }
  assert.ok((await back.state()).items.length >= 119, 'what was loaded is still there');
  await until('one socket', async () => (await gateway.sockets()) === 1);
  await context.close();
});

test('a page that is loaded again goes on where it was', async () => {
  const context = await browser.newContext();
  const first = await Visitor.arrive(context, site.url, gateway, 'reload');
  await gateway.publish(note('reload', 1));
  await until('it arrives', async () => (await first.heard()).length === 1);
  await first.page.close();
  await gateway.publish(note('reload', 2), note('reload', 3));
  const again = await Visitor.arrive(context, site.url, gateway, 'reload');
  await until('what was missed is told', async () => (await again.heard()).length >= 2);
  assert.deepEqual(await again.heard(), titles(2, 3));
  await again.name('Notifications, 3 unread');
  await context.close();
});

test('where WebSockets are blocked the page lives on an event stream, and marks over HTTP', async () => {
  const context = await browser.newContext();
  await context.addInitScript(() => {
    globalThis.WebSocket = class {
      constructor() {
        setTimeout(() => this.onclose?.({ code: 1006, reason: '' }), 1);
      }
      close() {}
      send() {}
    };
  });
  const visitor = await Visitor.arrive(context, site.url, gateway, 'blocked');
  await gateway.publish(note('blocked', 1), note('blocked', 2));
  await visitor.name('Notifications, 2 unread');
  await visitor.button.click();
  await visitor.items.first().locator('button.open').click();
  await visitor.name('Notifications, 1 unread');
  assert.deepEqual(await visitor.heard(), titles(1, 2));
  await context.close();
});

test('who has too many connections is told so, and gets in once one of them ends', async () => {
  const strict = await Gateway.start({ redis, env: { CAMPANILE_MAX_CONNECTIONS_PER_USER: '1' } });
  const contexts = [await browser.newContext(), await browser.newContext()];
  const first = await Visitor.arrive(contexts[0], site.url, strict, 'crowded');
  const second = await Visitor.arrive(contexts[1], site.url, strict, 'crowded', { connected: false });
  await until('it waits', async () => (await second.state()).error?.code === 'user_limit');
  await second.button.click();
  const words = second.page.getByText('You are connected in too many places');
  await words.waitFor();
  await first.page.evaluate(() => (globalThis.bell.token = undefined));
  await until('it is let in', async () => {
    const retry = second.page.getByRole('button', { name: 'Try now' });
    if (await retry.isVisible()) await retry.click({ timeout: 1000 }).catch(() => {});
    return (await second.state()).connection === 'open';
  });
  await words.waitFor({ state: 'hidden' });
  for (const context of contexts) await context.close();
  await strict.stop();
});

test('what cannot be done is taken back, and said', async () => {
  const own = await Redis.start();
  const alone = await Gateway.start({ redis: own });
  const context = await browser.newContext();
  const visitor = await Visitor.arrive(context, site.url, alone, 'undone');
  await alone.publish(note('undone', 1));
  await visitor.name('Notifications, 1 unread');
  await visitor.button.click();
  await until('it is drawn', async () => (await visitor.titles()).length === 1);
  await own.halt();
  const read = () => visitor.page.evaluate(() => globalThis.bell.store.getState().items[0].read);
  await visitor.page.locator('button.mark-all').click();
  await visitor.page.getByText('That did not work and was taken back.').waitFor();
  assert.equal(await read(), false);
  await context.close();
  await alone.stop();
  await own.stop();
});

test('a page without network says so, and catches up once it is back', async () => {
  const context = await browser.newContext();
  const visitor = await Visitor.arrive(context, site.url, gateway, 'offline');
  // Without a list it would be said in its place.
  await until('the list is there', async () => (await visitor.state()).list === 'ready');
  await context.setOffline(true);
  await visitor.name('Notifications, You are offline');
  await gateway.publish(note('offline', 1), note('offline', 2));
  await visitor.button.click();
  await visitor.page.locator('.banner', { hasText: 'You are offline' }).waitFor();
  await context.setOffline(false);
  await visitor.name('Notifications, 2 unread');
  await until('nothing is said of it any more', async () => !(await visitor.page.locator('.banner').isVisible()));
  assert.deepEqual(await visitor.heard(), titles(1, 2));
  await context.close();
});

test('a gateway that restarts costs none of 100 notifications, nor their order', async () => {
  const context = await browser.newContext();
  const visitor = await Visitor.arrive(context, site.url, gateway, 'restart');
  await gateway.publish(note('restart', 0));
  await visitor.name('Notifications, 1 unread');
  await gateway.stop();
  await until('the page knows', async () => (await visitor.state()).connection !== 'open');
  for (let number = 1; number <= 100; number += 1) await other.publish(note('restart', number));
  await gateway.run();
  await visitor.name('Notifications, 99+ unread');
  await until('all are heard', async () => (await visitor.heard()).length >= 101);
  assert.deepEqual(await visitor.heard(), titles(0, 100));
  assert.equal((await visitor.state()).unread, 101);
  await context.close();
});

test('a token that expires is replaced, and nothing is missed', async () => {
  const context = await browser.newContext();
  const start = Date.now();
  const visitor = await Visitor.arrive(context, site.url, gateway, 'brief', { seconds: BRIEF_S });
  await gateway.publish(note('brief', 1));
  await until('the first tokens are over', () => Date.now() - start > BRIEF_S * 1500);
  assert.ok(visitor.tokens >= 2, 'others were asked for');
  await visitor.connected();
  await gateway.publish(note('brief', 2));
  await until('it arrives', async () => (await visitor.heard()).length >= 2);
  assert.deepEqual(await visitor.heard(), titles(1, 2));
  await context.close();
});

test('a Redis that restarts is survived by the open page', async () => {
  const context = await browser.newContext();
  const visitor = await Visitor.arrive(context, site.url, gateway, 'redis');
  await gateway.publish(note('redis', 1));
  await visitor.name('Notifications, 1 unread');
  await redis.halt();
  await redis.run();
  await until('publishing works again', () => other.publish(note('redis', 2)).then(() => true, () => false));
  await until('it arrives', async () => (await visitor.heard()).length >= 2);
  assert.deepEqual(await visitor.heard(), titles(1, 2));
  await visitor.name('Notifications, 2 unread');
  await context.close();
});
