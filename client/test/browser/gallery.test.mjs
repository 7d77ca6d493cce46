// Every state of the elements: drawn, photographed, and searched by axe, in light, dark, from right to left and narrow.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';

import { launch, shoot, watch } from './support/browser.mjs';
import { serveGallery } from './support/serve.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const STATES = [
  'list', 'bell', 'bell-many', 'bell-offline', 'arabic', 'difficult', 'loading', 'empty', 'failed', 'failed-offline',
  'offline', 'waiting', 'closed', 'fresh', 'menu', 'sure', 'undone', 'more',
];
const WIDE = { width: 900, height: 760 };
const NARROW = { width: 360, height: 740 };
const LOOKS = {
  light: { viewport: WIDE, query: 'theme=light' },
  dark: { viewport: WIDE, query: 'theme=dark' },
  rtl: { viewport: WIDE, query: 'theme=light&language=ar' },
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

describe('looks', { concurrency: 2 }, () => {
for (const [look, { viewport, query, touch = false, states = STATES }] of Object.entries(LOOKS)) {
  test(`no state has a violation that axe knows: ${look}`, async () => {
    // axe is brought by the test, not by the page, whose policy forbids it.
    const options = { viewport, hasTouch: touch, isMobile: touch, reducedMotion: 'reduce', bypassCSP: true };
    const context = await browser.newContext(options);
    await context.addInitScript(axe);
    const page = await context.newPage();
    const complaints = watch(page);
    for (const state of states) {
      await page.goto(`${gallery.url}?state=${state}&${query}`);
      await page.waitForSelector('html[data-ready]', { state: 'attached' });
      await shoot(page, `${state}-${look}`);
      const violations = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'], elementRef: false });
        return violations.map(({ id, nodes }) => [id, ...nodes.map((node) => `${node.target} ${node.failureSummary}`)]);
      });
      assert.deepEqual(violations, [], `${state}, ${look}`);
      assert.equal(await page.evaluate(() => globalThis.harmed), undefined, state);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${state}, ${look}: ${overflow} px too wide`);
    }
    assert.deepEqual(complaints, []);
    await context.close();
  });
}
});
