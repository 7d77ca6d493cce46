// What a person does with the bell, against a real gateway.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, watch } from './support/browser.mjs';
import { servePage } from './support/serve.mjs';
import { Gateway, until } from './support/servers.mjs';
import { Visitor } from './support/visitor.mjs';

let gateway;
let site;
let browser;

before(async () => {
  [gateway, site, browser] = await Promise.all([Gateway.start(), servePage(), launch()]);
});
after(async () => {
  await browser?.close();
  site?.stop();
  await gateway?.stop();
});

const note = (user, number, fields = {}) => ({ user_id: user, id: `${user}-${number}`, title: `No. ${number}`, ...fields });

test('everything can be done from the keyboard, and focus comes back', async () => {
  const context = await browser.newContext();
  const ada = await Visitor.arrive(context, site.url, gateway, 'ada');
  const { page, button } = ada;
  const complaints = watch(page);
  await ada.name('Notifications');
  for (const number of [1, 2, 3, 4]) await gateway.publish(note('ada', number));
  await ada.name('Notifications, 4 unread');
  assert.equal(await button.getAttribute('aria-haspopup'), 'dialog');
  assert.equal(await button.getAttribute('aria-expanded'), 'false');

  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await button.getAttribute('aria-expanded'), 'true');
  await until('all are drawn', async () => (await ada.titles()).length === 4);
  assert.deepEqual(await ada.titles(), ['No. 4', 'No. 3', 'No. 2', 'No. 1']);
  assert.match(await ada.focused(), /panel$/);

  for (const key of ['ArrowDown', 'ArrowDown', 'End', 'Home', 'ArrowDown']) await page.keyboard.press(key);
  await page.keyboard.press('Enter');
  await ada.name('Notifications, 3 unread');
  assert.deepEqual(await page.evaluate(() => globalThis.opened), ['No. 3']);

  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('r');
  await ada.name('Notifications, 2 unread');
  await page.keyboard.press('Delete');
  await until('it is gone', async () => (await ada.titles()).length === 3);
  assert.match(await ada.focused(), /open$/, 'the next one has focus');
  assert.deepEqual(await ada.titles(), ['No. 3', 'No. 2', 'No. 1']);

  await page.keyboard.press('Escape');
  assert.equal(await button.getAttribute('aria-expanded'), 'false');
  assert.match(await ada.focused(), /bell$/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test('the mouse opens, marks all, deletes all after a question, and a press outside closes', async () => {
  const context = await browser.newContext();
  const grace = await Visitor.arrive(context, site.url, gateway, 'grace');
  const { page, button } = grace;
  for (const number of [1, 2, 3]) await gateway.publish(note('grace', number));
  await grace.name('Notifications, 3 unread');
  await button.click();
  await page.evaluate(() => (globalThis.refuse = true));
  await grace.items.first().locator('button.open').click();
  assert.deepEqual(await page.evaluate(() => globalThis.opened), ['No. 3']);
  await grace.name('Notifications, 3 unread');
  await grace.items.nth(1).hover();
  await grace.items.nth(1).locator('button.read').click();
  await grace.name('Notifications, 2 unread');
  await page.locator('button.mark-all').click();
  await grace.name('Notifications');
  await grace.items.nth(1).hover();
  await grace.items.nth(1).locator('button.remove').click();
  await until('it is dismissed', async () => (await grace.titles()).join() === 'No. 3,No. 1');

  await gateway.publish(note('grace', 4));
  const pill = page.locator('button.pill');
  await pill.waitFor();
  assert.equal((await pill.textContent()).trim(), '1 new');
  assert.equal((await grace.titles())[0], 'No. 3', 'nothing has moved');
  await pill.click();
  await until('it is shown', async () => (await grace.titles())[0] === 'No. 4');

  await page.locator('button.options').click();
  await page.locator('button.clear').click();
  assert.equal(await page.locator('button.clear').textContent(), 'Really delete all 3?');
  assert.equal((await grace.titles()).length, 3);
  await page.locator('button.clear').click();
  await page.getByText('You are all caught up').waitFor();
  await page.mouse.click(1200, 600);
  assert.equal(await button.getAttribute('aria-expanded'), 'false');
  await context.close();
});

test('older ones are loaded on demand, down to the first', async () => {
  const context = await browser.newContext();
  const all = Array.from({ length: 120 }, (_, index) => note('ida', index + 1));
  await gateway.publish(...all);
  const ida = await Visitor.arrive(context, site.url, gateway, 'ida');
  await ida.name('Notifications, 99+ unread');
  await ida.button.click();
  await until('the first page', async () => (await ida.titles()).length === 50);
  await until('all are there', async () => {
    const more = ida.page.locator('button.more');
    // It may go before it is hit: on the way to it the list is scrolled, which loads them too.
    if (await more.isVisible()) await more.click({ timeout: 1000 }).catch(() => {});
    return (await ida.titles()).length === 120;
  });
  assert.deepEqual(await ida.titles(), all.map(({ title }) => title).reverse());
  await context.close();
});

test('what arrives is announced once, politely', async () => {
  const context = await browser.newContext();
  const joan = await Visitor.arrive(context, site.url, gateway, 'joan');
  await joan.page.locator('campanile-bell [role=status]').last().evaluate((region) => {
    globalThis.said = [];
    const listen = () => region.textContent && globalThis.said.push(region.textContent);
    new MutationObserver(listen).observe(region, { childList: true, characterData: true, subtree: true });
  });
  await gateway.publish(note('joan', 1, { title: 'Lunch at one' }));
  const said = () => joan.page.evaluate(() => globalThis.said);
  await until('the title is said', async () => (await said()).includes('1 new notification: Lunch at one'));
  await gateway.publish(...[2, 3, 4, 5].map((number) => note('joan', number)));
  // Together, unless a slow machine lets some of them come late.
  const counts = async () => (await said()).map((words) => parseInt(words, 10));
  await until('all are said', async () => (await counts()).reduce((sum, count) => sum + count, 0) >= 5);
  assert.equal((await counts()).reduce((sum, count) => sum + count), 5);
  assert.match((await said()).at(-1), /^\d new notifications?/);
  await context.close();
});

test('options are off until they are chosen, and are remembered', async () => {
  const context = await browser.newContext({ permissions: ['notifications'] });
  const mary = await Visitor.arrive(context, site.url, gateway, 'mary');
  await mary.button.click();
  await mary.page.locator('button.options').click();
  const switches = mary.page.locator('[role=switch]');
  const checked = () => switches.evaluateAll((all) => all.map((it) => it.getAttribute('aria-checked')));
  assert.deepEqual(await checked(), ['false', 'false']);
  for (const index of [0, 1]) await switches.nth(index).click();
  await until('both are on', async () => (await checked()).join() === 'true,true');
  const again = await Visitor.arrive(context, site.url, gateway, 'mary');
  await again.button.click();
  await again.page.locator('button.options').click();
  const other = again.page.locator('[role=switch]');
  assert.deepEqual(await other.evaluateAll((all) => all.map((it) => it.getAttribute('aria-checked'))), ['true', 'true']);
  await context.close();
});

test('the system is told only while nobody looks, once, and a click opens what it told of', async () => {
  const context = await browser.newContext();
  await context.addInitScript(() => {
    globalThis.told = [];
    globalThis.Notification = class {
      static permission = 'default';
      static async requestPermission() {
        globalThis.asked = navigator.userActivation.isActive;
        return (this.permission = 'granted');
      }
      constructor(title, { body }) {
        Object.assign(this, { title, body });
        globalThis.told.push(this);
      }
      close() {}
    };
    Object.defineProperty(document, 'hidden', { get: () => Boolean(globalThis.away) });
  });
  const leave = (visitor, away) =>
    visitor.page.evaluate((is) => {
      globalThis.away = is;
      document.dispatchEvent(new Event('visibilitychange'));
    }, away);
  const told = (visitor) => visitor.page.evaluate(() => globalThis.told.map(({ title }) => title));

  const leader = await Visitor.arrive(context, site.url, gateway, 'nina');
  assert.equal(await leader.page.evaluate(() => globalThis.asked), undefined, 'nobody is asked unless they click');
  await leader.button.click();
  await leader.page.locator('button.options').click();
  await leader.page.locator('[role=switch]').first().click();
  assert.equal(await leader.page.evaluate(() => globalThis.asked), true);
  await leader.page.keyboard.press('Escape');
  await leader.page.keyboard.press('Escape');
  const follower = await Visitor.arrive(context, site.url, gateway, 'nina');
  await follower.page.evaluate(() => (globalThis.Notification.permission = 'granted'));

  await leave(leader, true);
  await gateway.publish(note('nina', 1));
  const region = leader.page.locator('campanile-bell [role=status]').last();
  await until('it has been said', async () => (await region.textContent()) !== '');
  assert.deepEqual(await told(leader), [], 'the other tab is looked at');

  await leave(follower, true);
  await gateway.publish(note('nina', 2));
  await until('the system is told', async () => (await told(leader)).length === 1);
  assert.deepEqual([await told(leader), await told(follower)], [['No. 2'], []]);
  await leader.page.evaluate(() => globalThis.told[0].onclick());
  await leader.name('Notifications, 1 unread');
  assert.deepEqual(await leader.page.evaluate(() => globalThis.opened), ['No. 2']);
  await context.close();
});

test('what is for everybody is told and listed, and is in no count', async () => {
  const context = await browser.newContext();
  const visitor = await Visitor.arrive(context, site.url, gateway, 'paula');
  await gateway.publish(note('paula', 1));
  await gateway.publish({ broadcast: true, id: 'to-all', title: 'To all' });
  await until('both are told', async () => (await visitor.heard()).length === 2);
  await visitor.name('Notifications, 1 unread');
  await visitor.button.click();
  await until('both are drawn', async () => (await visitor.titles()).join() === 'To all,No. 1');
  const parts = await visitor.page.locator('campanile-bell [part~=unread]').count();
  assert.equal(parts, 1, 'as many are marked as the badge says');
  await context.close();
});

test('the sound is heard where somebody has switched it on, and nowhere else', async () => {
  const context = await browser.newContext();
  await context.addInitScript(() => {
    globalThis.notes = 0;
    const { start } = OscillatorNode.prototype;
    OscillatorNode.prototype.start = function (...given) {
      globalThis.notes += 1;
      return start.apply(this, given);
    };
  });
  const visitor = await Visitor.arrive(context, site.url, gateway, 'rita');
  const { page } = visitor;
  const region = page.locator('campanile-bell [role=status]').last();
  await gateway.publish(note('rita', 1));
  await until('it is said', async () => (await region.textContent()).includes('No. 1'));
  assert.equal(await page.evaluate(() => globalThis.notes), 0);
  await visitor.button.click();
  await page.locator('button.options').click();
  await page.locator('[role=switch]').nth(1).click();
  await until('it is heard at once', () => page.evaluate(() => globalThis.notes === 2));
  await gateway.publish(note('rita', 2));
  await until('it sounds', () => page.evaluate(() => globalThis.notes === 4));
  await context.close();
});

test('who signs out leaves nothing to be read', async () => {
  const context = await browser.newContext();
  const visitor = await Visitor.arrive(context, site.url, gateway, 'olga');
  await gateway.publish(note('olga', 1));
  await visitor.name('Notifications, 1 unread');
  await visitor.button.click();
  await until('it is drawn', async () => (await visitor.titles()).length === 1);
  await visitor.page.evaluate(() => (globalThis.bell.token = undefined));
  await visitor.name('Notifications');
  await until('it is gone', async () => (await visitor.titles()).length === 0);
  await until('no socket', async () => (await visitor.page.evaluate(() => globalThis.bell.store)) === undefined);
  await context.close();
});
