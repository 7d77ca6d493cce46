import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Campanile } from '../../src/index.js';
import { Browser, type FakeSocket, type Tab, tokenOf } from './support/browser.js';

function store(tab: Tab, user = 'u') {
  const made = new Campanile({ url: '/', token: () => tokenOf(user), storage: tab.browser.storage, platform: tab.platform });
  const told: string[] = [];
  made.on('notification', ({ item }) => told.push(item.id));
  made.connect();
  return { store: made, told, ids: () => made.getState().items.map(({ id }) => id) };
}

/** Two tabs, the first of which leads, connected and listed. */
async function two() {
  const browser = new Browser();
  const [first, second] = [browser.tab(), browser.tab()];
  const one = store(first);
  await browser.clock.pass(50);
  const { socket } = browser;
  socket.greet();
  socket.page();
  await browser.clock.pass(50);
  const other = store(second);
  await browser.clock.pass(50);
  return { browser, clock: browser.clock, first, second, one, other, socket };
}

const answerMark = (socket: FakeSocket) =>
  socket.answer('mark_read', 'unread_count', { count: 0, version: 9 });

describe('tabs of one browser', () => {
  test('share one socket and agree', async () => {
    const { browser, clock, one, other, socket } = await two();
    assert.equal(browser.sockets.length, 1);
    assert.deepEqual([one.store.getState().leads, other.store.getState().leads], [true, false]);
    assert.equal(other.store.getState().connection, 'open');
    socket.notify(1);
    socket.say('unread_count', { count: 1, version: 2 });
    await clock.pass(50);
    for (const tab of [one, other]) {
      assert.deepEqual(tab.ids(), ['n1']);
      assert.deepEqual(tab.told, ['n1']);
      assert.equal(tab.store.getState().unread, 1);
    }
  });

  test('a tab that comes later is shown what the leader has, and is told only what is new', async () => {
    const { browser, clock, socket } = await two();
    socket.notify(1);
    await clock.pass(50);
    const late = store(browser.tab());
    await clock.pass(50);
    assert.deepEqual(late.ids(), ['n1']);
    assert.deepEqual(late.told, []);
    assert.equal(socket.asked('list'), 1);
  });

  test('commands of a follower go over the socket of the leader, and their failure comes back', async () => {
    const { clock, other, socket } = await two();
    socket.notify(1);
    await clock.pass(50);
    const read = other.store.markRead('n1');
    assert.equal(other.store.getState().items[0]?.read, true);
    await clock.pass(50);
    answerMark(socket);
    await clock.settle();
    await read;
    const removed = assert.rejects(other.store.remove('n1'), { code: 'redis_away' });
    assert.deepEqual(other.ids(), []);
    await clock.pass(50);
    socket.answer('delete', 'error', { code: 'redis_away', message: 'later' });
    await clock.settle();
    await removed;
    assert.deepEqual(other.ids(), ['n1']);
  });

  test('when the leader dies another goes on from its cursor: nothing lost, nothing twice', async () => {
    const { browser, clock, first, other, socket } = await two();
    socket.notify(1);
    socket.notify(2);
    await clock.pass(50);
    first.kill();
    await clock.pass(50);
    assert.equal(browser.sockets.length, 2);
    assert.equal(browser.socket.url, 'wss://page.example/ws/notifications?cursor=2-1');
    assert.equal(other.store.getState().leads, true);
    browser.socket.greet({ recovered: true, replayed: 1, cursor: '2-1' });
    browser.socket.notify(2);
    browser.socket.notify(3);
    await clock.pass(50);
    assert.deepEqual(other.told, ['n1', 'n2', 'n3']);
    assert.deepEqual(other.ids(), ['n3', 'n2', 'n1']);
  });

  test('a leader that is frozen is replaced, and follows when it thaws', async () => {
    const { browser, clock, first, one, other, socket } = await two();
    socket.notify(1);
    await clock.pass(50);
    first.freeze();
    // What the frozen page would have heard.
    first.deliver(() => socket.notify(2));
    for (let second = 0; second < 40 && !other.store.getState().leads; second++) await clock.pass(1_000);
    assert.equal(other.store.getState().leads, true);
    assert.equal(browser.sockets.length, 2);
    browser.socket.greet({ recovered: true, replayed: 2, cursor: '1-1' });
    browser.socket.notify(2);
    browser.socket.notify(3);
    await clock.pass(50);
    assert.deepEqual(other.told, ['n1', 'n2', 'n3']);
    first.thaw();
    await clock.pass(100);
    assert.equal(one.store.getState().leads, false);
    assert.equal(socket.closedByClient, true);
    assert.equal(one.store.getState().connection, 'open');
    assert.deepEqual(one.told, ['n1', 'n2', 'n3']);
    assert.deepEqual(one.ids(), ['n3', 'n2', 'n1']);
  });

  test('a follower that was frozen catches up without hearing anything twice', async () => {
    const { clock, second, other, socket } = await two();
    socket.notify(1);
    await clock.pass(50);
    second.freeze();
    for (const place of [2, 3]) {
      socket.notify(place);
      await clock.pass(50);
    }
    second.thaw();
    await clock.pass(100);
    assert.deepEqual(other.told, ['n1', 'n2', 'n3']);
  });

  test('a tab that disconnects hands the socket on', async () => {
    const { browser, clock, one, other, socket } = await two();
    one.store.disconnect();
    await clock.pass(50);
    assert.equal(socket.closedByClient, true);
    assert.equal(one.store.getState().connection, 'idle');
    assert.equal(other.store.getState().leads, true);
    assert.equal(browser.sockets.length, 2);
  });

  test('another user does not share', async () => {
    const { browser, clock } = await two();
    const stranger = store(browser.tab(), 'stranger');
    await clock.pass(50);
    assert.equal(browser.sockets.length, 2);
    assert.equal(stranger.store.getState().leads, true);
  });

  test('once the connection is closed for good, the tab that connects takes over with its own token', async () => {
    const { browser, clock, other, socket } = await two();
    socket.end(4003, 'forbidden');
    await clock.pass(50);
    assert.equal(other.store.getState().connection, 'closed');
    other.store.connect();
    await clock.pass(50);
    assert.equal(other.store.getState().leads, true);
    assert.equal(browser.sockets.length, 2);
  });
});
