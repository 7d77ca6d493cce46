// One tab on paper: attempts, waits, and what the list makes of it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Campanile, type Options } from '../../src/index.js';
import { Browser, tokenOf } from './support/browser.js';

function setup(options: Partial<Options> = {}) {
  const browser = new Browser();
  const tab = browser.tab();
  const tokens: string[] = [];
  const store = new Campanile({
    url: '/',
    token: () => {
      tokens.push(tokenOf('u', `${tokens.length}`));
      return tokens.at(-1) ?? '';
    },
    shared: false,
    storage: browser.storage,
    ...options,
    platform: { ...tab.platform, ...options.platform },
  });
  const connections: string[] = [];
  store.on('connection', ({ connection }) => connections.push(connection));
  const open = async () => {
    store.connect();
    await browser.clock.pass(20);
    browser.socket.greet();
    browser.socket.page();
    await browser.clock.pass(20);
  };
  return { browser, clock: browser.clock, tab, store, tokens, connections, open };
}

describe('a session', () => {
  test('says its token in the first frame and nowhere else', async () => {
    const { browser, tokens, open } = setup();
    await open();
    assert.equal(browser.socket.url, 'wss://page.example/ws/notifications');
    assert.deepEqual(browser.socket.sent[0], { type: 'auth', token: tokens[0] });
  });

  test('comes back after the advised delay, and not sooner', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    browser.socket.say('reconnect', { after_ms: 7_000, reason: 'restarting' });
    browser.socket.end(1012, 'restarting');
    await clock.pass(6_900);
    assert.equal(browser.sockets.length, 1);
    assert.equal(store.getState().connection, 'waiting');
    assert.equal(store.getState().retryAt, clock.time + 100);
    await clock.pass(200);
    assert.equal(browser.sockets.length, 2);
  });

  test('a connection that does not last does not make the waits short again', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    const waits = [];
    for (let round = 0; round < 4; round++) {
      browser.socket.end(1006);
      await clock.pass(20);
      waits.push((store.getState().retryAt ?? 0) - clock.time + 20);
      await clock.pass(waits.at(-1) ?? 0);
      browser.socket.greet();
      await clock.pass(1_000);
    }
    assert.deepEqual(waits, [500, 1_000, 2_000, 4_000]);
    await clock.pass(10_000);
    browser.socket.end(1006);
    await clock.pass(20);
    assert.equal((store.getState().retryAt ?? 0) - clock.time, 480);
  });

  test('codes that end it end it, until the page connects again', async () => {
    const { browser, clock, store, tab, open } = setup();
    await open();
    browser.socket.end(4009, 'replaced by a newer connection');
    await clock.pass(120_000);
    tab.surroundings?.online();
    tab.surroundings?.visible();
    await clock.pass(1_000);
    assert.equal(browser.sockets.length, 1);
    const { connection, error } = store.getState();
    assert.deepEqual([connection, error?.code], ['closed', 'replaced']);
    store.connect();
    await clock.pass(20);
    assert.equal(browser.sockets.length, 2);
  });

  test('tries at once when the network is back or the page is looked at', async () => {
    const { browser, clock, tab, open, store } = setup();
    await open();
    await clock.pass(20_000);
    browser.chance = 0.99;
    browser.online = false;
    tab.surroundings?.offline();
    await clock.pass(20);
    assert.equal(store.getState().connection, 'offline');
    browser.online = true;
    tab.surroundings?.online();
    await clock.pass(20);
    assert.equal(browser.sockets.length, 2);
    browser.socket.end(1006);
    await clock.pass(1_000);
    const before = browser.sockets.length;
    browser.socket.end(1006);
    await clock.pass(1_100);
    tab.surroundings?.visible();
    await clock.pass(20);
    assert.ok(browser.sockets.length > before);
  });

  test('notices a gateway that has fallen silent', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    await clock.pass(81_000 - 50);
    assert.equal(browser.socket.asked('ping'), 0);
    await clock.pass(100);
    assert.equal(browser.socket.asked('ping'), 1);
    browser.socket.say('pong');
    await clock.pass(90_000);
    assert.equal(browser.socket.asked('ping'), 2);
    await clock.pass(11_000);
    assert.notEqual(store.getState().connection, 'open');
  });

  test('a new token is tried for until the old one ends', async () => {
    let works = false;
    const { browser, clock, store, open } = setup({
      token: () => (works || browser.sockets.length === 0 ? tokenOf('u') : Promise.reject(new Error('no'))),
    });
    const errors: string[] = [];
    store.on('error', ({ code, message }) => errors.push(`${code} ${message}`));
    await open();
    browser.socket.say('token_expiring', { in_s: 30 });
    await clock.pass(6_000);
    assert.deepEqual(errors, ['token no', 'token no']);
    works = true;
    await clock.pass(5_000);
    browser.socket.answer('refresh', 'refreshed', {});
    assert.equal(browser.socket.asked('refresh'), 1);
    assert.equal(store.getState().connection, 'open');
  });

  test('a token of another user ends it', async () => {
    let user = 'u';
    const { browser, clock, store, open } = setup({ token: () => tokenOf(user) });
    await open();
    user = 'v';
    browser.socket.end(1006);
    await clock.pass(2_000);
    assert.deepEqual([store.getState().connection, store.getState().error?.code], ['closed', 'other_user']);
  });

  test('without sockets a stream is tried after two, and in turns', async () => {
    const streams: string[] = [];
    const { browser, clock, store } = setup({
      platform: {
        fetch: ((url: string) => {
          streams.push(url);
          return Promise.reject(new Error('away'));
        }) as typeof fetch,
      },
    });
    store.connect();
    for (let round = 0; round < 6; round++) {
      await clock.pass(20);
      if (browser.socket.readyState === 0) browser.socket.end(1006);
      await clock.pass(31_000);
    }
    assert.ok(streams.length >= 2);
    assert.ok(browser.sockets.length >= 4);
  });

  test('a stream stands in until a socket is greeted', async () => {
    let events: ReadableStreamDefaultController<Uint8Array> | undefined;
    const write = (text: string) => events?.enqueue(new TextEncoder().encode(`${text}\n\n`));
    const stream = () => new ReadableStream<Uint8Array>({ start: (controller) => void (events = controller) });
    const headers = { 'content-type': 'text/event-stream' };
    const { browser, clock, store } = setup({
      platform: {
        fetch: (async (url: string) =>
          url.endsWith('/stream')
            ? new Response(stream(), { headers })
            : Response.json({ success: true, data: { items: [], next: null } })) as typeof fetch,
      },
    });
    const titles: string[] = [];
    store.on('notification', ({ item }) => titles.push(item.title));
    store.connect();
    for (let round = 0; round < 2; round++) {
      await clock.pass(20);
      browser.socket.end(1006);
      await clock.pass(2_000);
    }
    write('event: connected\ndata: {"cursor":"0-1","unread_count":0,"version":1,"recovered":null,"replayed":0}');
    write('event: notification\ndata: {"id":"a","title":"streamed","cursor":"1-1"}');
    await clock.pass(50);
    assert.deepEqual([store.getState().connection, titles], ['open', ['streamed']]);
    assert.equal(browser.sockets.length, 2);
    for (let minute = 0; minute < 5; minute++) {
      write(':');
      await clock.pass(60_000);
    }
    assert.equal(browser.sockets.length, 3);
    assert.match(browser.socket.url, /cursor=1-1$/);
    assert.equal(store.getState().connection, 'open');
    browser.socket.greet({ recovered: true, cursor: '1-1' });
    write('event: notification\ndata: {"id":"b","title":"too late","cursor":"2-1"}');
    browser.socket.notify(2);
    await clock.pass(50);
    assert.deepEqual([store.getState().connection, titles], ['open', ['streamed', '2']]);
    const read = store.markRead('n2');
    await clock.settle();
    browser.socket.answer('mark_read', 'marked', { count: 0, version: 2 });
    await read;
    assert.equal(store.getState().items[0]?.read, true);
  });
});

describe('a store', () => {
  test('takes an early sight back, and keeps what came meanwhile', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    browser.socket.notify(1);
    browser.socket.notify(2);
    await clock.pass(50);
    const shown: number[] = [];
    store.subscribe(({ items }) => shown.push(items.length));
    const removed = assert.rejects(store.remove('n1'), { code: 'redis_away' });
    assert.deepEqual(shown, [1]);
    browser.socket.notify(3);
    await clock.pass(50);
    browser.socket.answer('delete', 'error', { code: 'redis_away', message: 'away' });
    await clock.settle();
    await removed;
    assert.deepEqual(store.getState().items.map(({ id }) => id), ['n3', 'n2', 'n1']);
  });

  test('an aborted action rejects at once and is taken back', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    browser.socket.notify(1);
    await clock.pass(50);
    const over = new AbortController();
    const read = assert.rejects(store.markRead('n1', { signal: over.signal }), { name: 'AbortError' });
    assert.equal(store.getState().items[0]?.read, true);
    over.abort();
    await read;
    assert.equal(store.getState().items[0]?.read, false);
  });

  test('what the gateway does not keep is dismissed here alone', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    browser.socket.notify(1, { cursor: undefined });
    await clock.pass(50);
    const read = store.markRead('n1');
    await clock.settle();
    browser.socket.answer('mark_read', 'error', { code: 'not_found', message: '' });
    await clock.settle();
    await read;
    assert.equal(store.getState().items[0]?.read, true);
  });

  test('what is for everybody is in no count, so it is never unread', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    const told: boolean[] = [];
    store.on('notification', ({ item }) => told.push(item.read));
    browser.socket.notify(1, { cursor: undefined, user_id: undefined });
    browser.socket.notify(2, { cursor: undefined });
    browser.socket.notify(3);
    await clock.pass(50);
    assert.deepEqual(store.getState().items.map(({ read }) => read), [false, false, true]);
    assert.deepEqual(told, [true, false, false]);
  });

  test('a page from before a change does not undo it', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    browser.socket.notify(1);
    browser.socket.say('connected', { recovered: false, cursor: '1-1', unread_count: 1, version: 5 });
    await clock.pass(50);
    browser.socket.say('notification_update', { notification_id: 'n1', status: 'read' });
    browser.socket.page([{ notification_id: 'n1', cursor: '1-1', read: false }]);
    await clock.pass(50);
    assert.equal(store.getState().items[0]?.read, true);
  });

  test('the list is asked for again when it fails', async () => {
    const { browser, clock, store } = setup();
    store.connect();
    await clock.pass(20);
    browser.socket.greet();
    await clock.pass(20);
    browser.socket.answer('list', 'error', { code: 'redis_away', message: 'away' });
    await clock.pass(50);
    assert.deepEqual([store.getState().list, store.getState().error?.code], ['failed', 'redis_away']);
    await clock.pass(1_000);
    browser.socket.page([{ id: 'a', cursor: '1-1' }]);
    await clock.pass(50);
    assert.deepEqual([store.getState().list, store.getState().error], ['ready', undefined]);
  });

  test('a thousand a second are shown in few steps', async () => {
    const { browser, clock, store, open } = setup();
    await open();
    let changes = 0;
    let told = 0;
    store.subscribe(() => changes++);
    store.on('notification', () => told++);
    for (let place = 1; place <= 1_000; place++) {
      browser.socket.notify(place);
      if (place % 10 === 0) await clock.pass(10);
    }
    await clock.pass(50);
    assert.equal(told, 1_000);
    assert.equal(store.getState().items.length, 50);
    assert.ok(changes <= 70, `${changes} changes`);
  });

  test('nothing is touched before it is wanted', () => {
    const store = new Campanile({ url: '/nowhere', token: 'x' });
    assert.equal(store.getState().connection, 'idle');
    assert.throws(() => store.connect(), TypeError);
    assert.throws(() => new Campanile({ url: '', token: '' }), TypeError);
  });

  test('a storage that throws is one that forgets', async () => {
    const broken = () => {
      throw new Error('forbidden');
    };
    const { browser, clock, store, open } = setup({
      storage: { getItem: broken, setItem: broken },
    });
    await open();
    browser.socket.notify(1);
    await clock.pass(5_000);
    assert.equal(store.getState().items.length, 1);
  });
});
