// Debian's Chromium, or Chrome where there is none, with a fresh profile.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { PATIENCE_MS } from './servers.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const artifacts = fileURLToPath(new URL('../../../../artifacts/browser/', import.meta.url));

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/google-chrome'];

export async function launch(...flags) {
  const browser = await chromium.launch({
    executablePath: process.env.CAMPANILE_CHROMIUM ?? BROWSERS.find(existsSync) ?? BROWSERS[0],
    args: [...FLAGS, ...flags],
    timeout: PATIENCE_MS,
  });
  const newContext = browser.newContext.bind(browser);
  browser.newContext = async (options) => {
    const context = await newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    return context;
  };
  return browser;
}

/** Fails for whatever a page has to complain about. */
export function watch(page, allowed = () => false) {
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !allowed(message.text())) complaints.push(message.text());
  });
  return complaints;
}

/** Kept in `artifacts/browser/`, which is not in the repository. */
export async function shoot(page, name, options = {}) {
  mkdirSync(artifacts, { recursive: true });
  await page.screenshot({ path: `${artifacts}${name}.png`, ...options });
}

/** A script to bring into a page whose policy forbids it: that context wants `bypassCSP`. */
export const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe has to say about a page that has it. */
export const violations = (page) =>
  page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'], elementRef: false });
    return violations.map(({ id, nodes }) => [id, ...nodes.map((node) => `${node.target} ${node.failureSummary}`)]);
  });
