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
  const visitor = await Visitor.arrive(context, site.url, gateway, 'brief', BRIEF_S);
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
