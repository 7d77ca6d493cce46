// The page that `campanile demo` serves from inside the program.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { axe, launch, shoot, violations, watch } from './support/browser.mjs';
import { Gateway, until } from './support/servers.mjs';

let demo;
let browser;

before(async () => {
  [demo, browser] = await Promise.all([Gateway.start({ command: 'demo' }), launch()]);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

async function open(options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const elsewhere = [];
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(demo.url).host) elsewhere.push(request.url());
  });
  const complaints = watch(page);
  await page.goto(demo.url);
  await page.locator('.window[data-state=open]').nth(1).waitFor();
  return { context, page, complaints, elsewhere };
}

const titles = (window) =>
  window.locator('campanile-panel campanile-item').evaluateAll((items) => items.map(({ item }) => item.title));

test('a bell rings, is cut off, and catches up, and the page talks to nobody else', async () => {
  const { context, page, complaints, elsewhere } = await open({ viewport: { width: 1280, height: 900 } });
  const ada = page.locator('.window[data-user=ada]');
  const grace = page.locator('.window[data-user=grace]');
  await until('both are greeted', async () => (await titles(ada)).length === 1 && (await titles(grace)).length === 1);

  await page.locator('.primary').click();
  await until('it arrives', async () => (await titles(ada))[0] === 'Payment received');
  assert.equal((await titles(grace)).length, 1);
  await page.getByText(/Ada’s bell rang after/).waitFor();

  await ada.locator('.switch').click();
  await page.locator('.window[data-user=ada][data-state=idle]').waitFor();
  await page.locator('.primary').click();
  await page.locator('.primary').click();
  await page.getByText('Ada is away and gets it on coming back.').waitFor();
  await ada.locator('.switch').click();
  await until('it catches up', async () => (await titles(ada)).length === 4);

  // It is back so soon that only the page itself sees it.
  await grace.evaluate((element) => {
    globalThis.states = [];
    const note = () => globalThis.states.push(element.dataset.state);
    new MutationObserver(note).observe(element, { attributeFilter: ['data-state'] });
  });
  await grace.locator('.drop').click();
  await until('the gateway has cut it and it is back', async () => {
    const states = await page.evaluate(() => globalThis.states);
    return states.length > 1 && states.at(-1) === 'open';
  });

  await page.locator('#language').selectOption('ar');
  await ada.locator('h2.heading', { hasText: 'الإشعارات' }).waitFor();
  await shoot(page, 'demo-arabic');
  await page.locator('#language').selectOption('en');
  assert.deepEqual([complaints, elsewhere], [[], []]);
  await context.close();
});

for (const [name, options] of Object.entries({
  light: { viewport: { width: 1280, height: 900 } },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  narrow: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
})) {
  test(`the page fits and is drawn: ${name}`, async () => {
    const { context, page, complaints } = await open({ ...options, reducedMotion: 'reduce', bypassCSP: true });
    await page.evaluate(axe);
    const ada = page.locator('.window[data-user=ada]');
    await until('there is something to see', async () => (await titles(ada)).length > 0);
    await shoot(page, `demo-${name}`, { fullPage: true });
    assert.deepEqual(await violations(page), []);
    await ada.scrollIntoViewIfNeeded();
    await shoot(page, `demo-${name}-list`);
    await ada.locator('campanile-bell').click();
    await ada.locator('campanile-bell .popover').waitFor();
    await shoot(page, `demo-${name}-open`);
    assert.deepEqual(await violations(page), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    assert.deepEqual(complaints, []);
    await context.close();
  });
}
