// A tab with a bell that is signed in.
import { token, until } from './servers.mjs';

export class Visitor {
  constructor(page) {
    this.page = page;
    this.bell = page.locator('campanile-bell');
    this.button = page.locator('campanile-bell button.bell');
    this.items = page.locator('campanile-bell campanile-item');
  }

  /** `seconds` is how long each of the tokens is valid; unless told otherwise, it waits until it is `connected`. */
  static async arrive(context, address, gateway, user, { seconds = 3600, connected = true } = {}) {
    const page = await context.newPage();
    const visitor = new Visitor(page);
    visitor.tokens = 0;
    await page.exposeFunction('mint', () => {
      visitor.tokens += 1;
      return token(user, seconds);
    });
    await page.goto(address);
    await page.evaluate((url) => {
      const { Campanile, mint } = globalThis;
      globalThis.bell = document.querySelector('campanile-bell');
      globalThis.opened = [];
      globalThis.heard = [];
      globalThis.bell.addEventListener('campanile-open', (event) => {
        globalThis.opened.push(event.detail.item.title);
        if (globalThis.refuse) event.preventDefault();
      });
      globalThis.bell.token = () => mint();
      globalThis.bell.url = url;
      globalThis.bell.store.on('notification', ({ item }) => globalThis.heard.push(item.title));
    }, gateway.url);
    if (connected) await visitor.connected();
    return visitor;
  }

  state() {
    return this.page.evaluate(() => globalThis.bell.store.getState());
  }

  connected() {
    return until('the bell is connected', async () => (await this.state()).connection === 'open');
  }

  heard() {
    return this.page.evaluate(() => globalThis.heard);
  }

  titles() {
    return this.items.evaluateAll((items) => items.map(({ item }) => item.title));
  }

  /** The name of what has focus, through all shadows. */
  focused() {
    return this.page.evaluate(() => {
      let active = document.activeElement;
      let name = '';
      while (active) {
        name = `${name} ${active.className || active.id || active.localName}`.trim();
        active = active.shadowRoot?.activeElement;
      }
      return name;
    });
  }

  name(expected) {
    return until(`the bell's name is ${expected}`, async () => (await this.button.getAttribute('aria-label')) === expected);
  }
}
