// Debian's Chromium with a fresh profile.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

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

export const launch = (...flags) =>
  chromium.launch({
    executablePath: process.env.CAMPANILE_CHROMIUM ?? '/usr/bin/chromium',
    args: [...FLAGS, ...flags],
  });

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
export async function shoot(page, name) {
  mkdirSync(artifacts, { recursive: true });
  await page.screenshot({ path: `${artifacts}${name}.png` });
}
