// Every state of the elements: drawn, photographed, and searched by axe, in light, dark, from right to left and narrow.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { axe, launch, shoot, violations, watch } from './support/browser.mjs';
import { serveGallery } from './support/serve.mjs';

const STATES = [
  'list', 'bell', 'bell-many', 'bell-offline', 'arabic', 'difficult', 'loading', 'empty', 'failed', 'failed-offline',
  'offline', 'waiting', 'crowded', 'closed', 'fresh', 'menu', 'sure', 'undone', 'more',
];
const WIDE = { width: 900, height: 760 };
const NARROW = { width: 360, height: 740 };
const LOOKS = {
  light: { viewport: WIDE, query: 'theme=light' },
  dark: { viewport: WIDE, query: 'theme=dark' },
  rtl: { viewport: WIDE, query: 'theme=light&language=ar' },
  forced: { viewport: WIDE, query: 'theme=light', forcedColors: 'active' },
  german: { viewport: WIDE, query: 'theme=dark&language=de', states: ['list', 'waiting', 'menu'] },
  narrow: { viewport: NARROW, query: 'theme=light', touch: true },
  panel: { viewport: WIDE, query: 'theme=light&element=panel', states: ['list', 'empty', 'failed', 'menu', 'more'] },
};
let gallery;
let browser;

before(async () => {
  [gallery, browser] = await Promise.all([serveGallery(), launch()]);
});
after(async () => {
  await browser?.close();
  await gallery?.stop();
});

/** In the page: targets that are too small, a badge of more than one line, and what moves in spite of the wish. */
function flaws() {
  const found = [];
  const look = (root) => {
    found.push(...root.getAnimations().map(({ animationName }) => `${animationName} moves`));
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) look(element.shadowRoot);
      const { width, height } = element.getBoundingClientRect();
      const name = element.className || element.localName;
      if (element.matches('button, a, [role=switch]') && width > 0 && Math.min(width, height) < 43.9) {
        found.push(`${name} is ${width} × ${height} px`);
      }
      if (element.matches('.badge') && height > 24) found.push(`${name} is ${height} px high`);
    }
  };
  look(document);
  return found;
}

test('what moves does so only where that is not unwanted', async () => {
  for (const [reducedMotion, moves] of [['no-preference', true], ['reduce', false]]) {
    const context = await browser.newContext({ reducedMotion });
    const page = await context.newPage();
    await page.goto(`${gallery.url}?state=loading`);
    await page.waitForSelector('html[data-ready]', { state: 'attached' });
    assert.equal((await page.evaluate(flaws)).includes('pulse moves'), moves, reducedMotion);
    await context.close();
  }
});

test('a page brings its own looks: parts, variables, slots, types and texts', async () => {
  const context = await browser.newContext({ viewport: WIDE, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`${gallery.url}?state=list`);
  await page.waitForSelector('html[data-ready]', { state: 'attached' });
  await page.addStyleTag({
    content: 'campanile-bell { --campanile-accent: rgb(0 128 0); --campanile-background: rgb(250 240 230) }'
      + 'campanile-bell::part(badge) { background: rgb(1 2 3) } campanile-bell::part(title) { font-size: 31px }',
  });
  await page.evaluate(() => {
    const { shown } = globalThis;
    const make = (slot, text) => {
      const element = document.createElement('b');
      Object.assign(element, { slot, textContent: text });
      shown.append(element);
    };
    make('icon', 'My bell');
    make('header', 'My heading');
    make('footer', 'My footer');
    make('empty', 'Nothing here');
    shown.types = { trade: { icon: () => Object.assign(document.createElement('i'), { className: 'mine' }), color: 'teal' } };
    shown.messages = { ...shown.messages, markRead: 'Seen' };
  });
  const style = (selector, property) =>
    page.locator(`campanile-bell ${selector}`).first().evaluate((element, name) => getComputedStyle(element)[name], property);
  assert.equal(await style('.badge', 'backgroundColor'), 'rgb(1, 2, 3)');
  assert.equal(await style('campanile-item .title', 'fontSize'), '31px');
  assert.equal(await style('.panel', 'backgroundColor'), 'rgb(250, 240, 230)');
  for (const text of ['My bell', 'My heading', 'My footer']) await page.getByText(text).waitFor();
  assert.equal(await page.getByText('Nothing here').isVisible(), false);
  // `trade.updated` is not named, `trade` is; `trade.created` has a look of its own.
  await page.locator('campanile-item .mine').first().waitFor({ state: 'attached' });
  const kinds = await page.locator('campanile-item').evaluateAll((items) =>
    items.filter((item) => item.shadowRoot.querySelector('.mine')).map(({ item }) => item.type));
  assert.deepEqual(kinds, ['trade.updated']);
  assert.equal(await page.locator('campanile-item .read').first().getAttribute('aria-label'), 'Seen');
  await page.evaluate(() => globalThis.store.set({ items: [], unread: 0 }));
  await page.getByText('Nothing here').waitFor();
  await context.close();
});

describe('looks', { concurrency: 2 }, () => {
for (const [look, { viewport, query, touch = false, states = STATES, ...more }] of Object.entries(LOOKS)) {
  test(`no state has a violation that axe knows: ${look}`, async () => {
    // axe is brought by the test, not by the page, whose policy forbids it.
    const options = { viewport, hasTouch: touch, isMobile: touch, reducedMotion: 'reduce', bypassCSP: true, ...more };
    const context = await browser.newContext(options);
    await context.addInitScript(axe);
    const page = await context.newPage();
    const complaints = watch(page);
    for (const state of states) {
      await page.goto(`${gallery.url}?state=${state}&${query}`);
      await page.waitForSelector('html[data-ready]', { state: 'attached' });
      await shoot(page, `${state}-${look}`);
      assert.deepEqual(await violations(page), [], `${state}, ${look}`);
      assert.equal(await page.evaluate(() => globalThis.harmed), undefined, state);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${state}, ${look}: ${overflow} px too wide`);
      assert.deepEqual(await page.evaluate(flaws), [], `${state}, ${look}`);
    }
    assert.deepEqual(complaints, []);
    await context.close();
  });
}
});
