// Against the real gateway, which CAMPANILE_BIN names.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { Campanile, type Options, type Platform } from '../../src/index.js';
import type { Events } from '../../src/types.js';
import { binary, Gateway, token } from './support/gateway.js';
import { socket } from './support/socket.js';
import { until } from './support/until.js';

describe('a store at a gateway', { skip: !binary && 'CAMPANILE_BIN names no gateway' }, () => {
  let gateway: Gateway;
  let user = 0;
  const stores: Campanile[] = [];

  before(async () => void (gateway = await Gateway.start()));
  after(() => gateway?.end());
  afterEach(() => stores.splice(0).forEach((store) => store.disconnect()));

  /** Of a user of its own, with all that it tells. */
  function store(options: Partial<Options> = {}) {
    const name = `user-${++user}`;
    const made = new Campanile({
      url: gateway.url,
      token: () => token(name),
      storage: false,
      ...options,
      platform: { socket, ...options.platform },
    });
    stores.push(made);
    const told: Events['notification'][] = [];
    const lost: unknown[] = [];
    made.on('notification', (event) => told.push(event));
    made.on('lost', (event) => lost.push(event));
    const open = async () => {
      made.connect();
      await until('open and listed', () => {
        const { connection, list } = made.getState();
        return connection === 'open' && list === 'ready';
      });
    };
    return { store: made, name, told, lost, open, ids: () => told.map(({ item }) => item.id) };
  }

  const many = (count: number, from = 0) =>
    Array.from({ length: count }, (_, at) => ({ id: `n${from + at}`, title: `Number ${from + at}` }));

  test('it connects, lists what is there and receives what comes', async () => {
    const { store: one, name, told, open } = store();
    await gateway.publish(name, [{ id: 'old', title: 'Before' }]);
    await open();
    assert.deepEqual(one.getState().items.map(({ id }) => id), ['old']);
    assert.equal(one.getState().unread, 1);
    await gateway.publish(name, [{ id: 7, type: 'trade.created', title: 'Now', message: 'm', data: { a: 1 } }]);
    await until('it is there', () => told.length === 1 && one.getState().unread === 2);
    const [item] = one.getState().items;
    assert.equal(item?.id, '7');
    assert.equal(item?.type, 'trade.created');
    assert.deepEqual(item?.data, { a: 1 });
    assert.match(item?.cursor ?? '', /^\d+-\d+$/);
    assert.equal(told[0]?.missed, false);
  });

  test('after a restart with 100 notifications in between, all are told, once and in order', async () => {
    const { store: one, name, told, open, ids } = store();
    await open();
    await gateway.publish(name, many(3));
    await until('three', () => told.length === 3);
    await gateway.down();
    await until('it is noticed', () => one.getState().connection !== 'open');
    for (const notification of many(100, 3)) gateway.notify(name, notification);
    await gateway.up();
    one.connect();
    await until('all are there', () => told.length >= 103);
    await gateway.publish(name, many(1, 103));
    await until('the live one too', () => told.length >= 104);
    assert.deepEqual(ids(), many(104).map(({ id }) => id));
    assert.deepEqual(told.map(({ missed }) => missed), [
      ...Array(3).fill(false),
      ...Array(100).fill(true),
      false,
    ]);
    await until('the count', () => one.getState().unread === 104);
    const { items, hasMore } = one.getState();
    assert.deepEqual(items.map(({ id }) => id), many(104).map(({ id }) => id).reverse().slice(0, 50));
    assert.equal(hasMore, true);
    await one.loadMore();
    await one.loadMore();
    assert.deepEqual(one.getState().items.map(({ id }) => id), many(104).map(({ id }) => id).reverse());
  });

  test('a reload goes on from the cursor that was kept', async () => {
    const kept = new Map<string, string>();
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
    };
    const first = store({ storage });
    await first.open();
    await gateway.publish(first.name, many(1));
    await until('one', () => first.told.length === 1);
    first.store.disconnect();
    await gateway.publish(first.name, many(2, 1));
    const second = store({ storage, token: () => token(first.name) });
    await second.open();
    await until('what was missed', () => second.told.length === 2);
    assert.deepEqual(second.ids(), ['n1', 'n2']);
    assert.deepEqual(second.store.getState().items.map(({ id }) => id), ['n2', 'n1', 'n0']);
  });

  test('a cursor older than the log is told as lost, and the list is loaded anew', async () => {
    const { store: one, name, lost, open } = store();
    await open();
    await gateway.publish(name, many(1));
    await until('one', () => one.getState().items.length === 1);
    one.disconnect();
    await gateway.publish(name, many(250, 1));
    one.connect();
    await until('lost', () => lost.length === 1);
    assert.equal(one.getState().items[0]?.id, 'n250');
    assert.equal(one.getState().items.length, 50);
  });

  test('marks are shown at once, confirmed, and heard by other devices', async () => {
    const { store: one, name, open } = store();
    await gateway.publish(name, many(5));
    const other = store({ token: () => token(name) });
    await Promise.all([open(), other.open()]);
    const read = one.markRead('n2');
    assert.equal(one.getState().items.find(({ id }) => id === 'n2')?.read, true);
    await read;
    await until('the other device', () => other.store.getState().unread === 4);
    assert.equal(other.store.getState().items.find(({ id }) => id === 'n2')?.read, true);
    await one.markAllRead();
    await until('all on the other', () => other.store.getState().items.every((item) => item.read));
    await one.remove('n4');
    await until('gone on the other', () => other.store.getState().items.length === 4);
    await one.clear();
    assert.equal(one.getState().items.length, 0);
    await until('cleared on the other', () => other.store.getState().items.length === 0);
    assert.equal(other.store.getState().unread, 0);
  });

  test('clearing more than a gateway takes at once works, in its time', async () => {
    const { store: one, name, open } = store();
    await gateway.publish(name, many(40));
    await open();
    const cleared = one.clear();
    assert.equal(one.getState().items.length, 0);
    await cleared;
    assert.equal(one.getState().connection, 'open');
    await until('the count', () => one.getState().unread === 0);
  });

  test('what the gateway refuses is taken back', async () => {
    const { store: one, name, open } = store();
    await gateway.publish(name, many(2));
    await open();
    await gateway.down('SIGKILL');
    const read = one.markRead('n0');
    assert.equal(one.getState().items.find(({ id }) => id === 'n0')?.read, true);
    await assert.rejects(read, { name: 'CampanileError', code: 'network' });
    await until('taken back', () => one.getState().items.every((item) => !item.read));
    await gateway.up();
  });

  test('a token that expires is replaced on the open connection', async () => {
    let asked = 0;
    const name = 'refresher';
    const { store: one, told, open } = store({ token: () => token(name, asked++ === 0 ? 4 : 3600) });
    const connections: string[] = [];
    one.on('connection', ({ connection }) => connections.push(connection));
    await open();
    await until('asked again', () => asked === 2);
    // Longer than the first token and the leeway of the gateway last.
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    await gateway.publish(name, many(1));
    await until('still heard', () => told.length === 1);
    assert.deepEqual(connections, ['connecting', 'open']);
  });

  test('a refused token is asked for once more, and then it is over', async () => {
    let asked = 0;
    const { store: one } = store({ token: () => (asked++, token('late', -60)) });
    one.connect();
    await until('closed', () => one.getState().connection === 'closed');
    assert.equal(asked, 2);
    assert.equal(one.getState().error?.code, 'token_expired');
  });

  test('a fixed token that is refused closes at once, and so does being cut off with one', async () => {
    const refused = store({ token: token('fixed', -60) });
    refused.store.connect();
    await until('closed', () => refused.store.getState().connection === 'closed');
    const cut = store({ token: token('cut') });
    await cut.open();
    await gateway.disconnect('cut');
    await until('closed', () => cut.store.getState().connection === 'closed');
    assert.equal(cut.store.getState().error?.code, 'token_expired');
  });

  test('where sockets are blocked an event stream does the same', async () => {
    class Blocked {
      onclose: ((event: { code: number; reason: string }) => void) | null = null;
      constructor() {
        setTimeout(() => this.onclose?.({ code: 1006, reason: '' }), 5);
      }
      send() {}
      close() {}
    }
    const { store: one, name, told, open, ids } = store({
      platform: { socket: Blocked as unknown as Platform['socket'] },
    });
    await gateway.publish(name, many(1));
    await open();
    assert.equal(one.getState().unread, 1);
    await gateway.publish(name, many(1, 1));
    await until('live', () => told.length === 1);
    await one.markRead('n1');
    await until('counted', () => one.getState().unread === 1);
    await gateway.down();
    await until('it is noticed', () => one.getState().connection !== 'open');
    for (const notification of many(20, 2)) gateway.notify(name, notification);
    await gateway.up();
    one.connect();
    await until('all are there', () => told.length >= 21);
    assert.deepEqual(ids(), many(21, 1).map(({ id }) => id));
  });

  test('on a stream, too, an expired token is replaced', async () => {
    let asked = 0;
    const name = 'streaming';
    const { store: one, told, open } = store({
      transport: 'stream',
      token: () => token(name, asked++ === 0 ? 4 : 3600),
    });
    await open();
    await until('asked again', () => asked === 2);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    await gateway.publish(name, many(1));
    await until('still heard', () => told.length === 1);
    assert.equal(one.getState().connection, 'open');
    assert.equal(asked, 2);
  });

  test('a plain notification is told, counted, and not told again after coming back', async () => {
    const { store: one, name, told, open } = store();
    await open();
    gateway.plain(name, { id: 'p1', title: 'Plain' });
    await until('told and counted', () => told.length === 1 && one.getState().unread === 1);
    one.disconnect();
    one.connect();
    await until('open', () => one.getState().connection === 'open');
    await gateway.publish(name, many(1));
    await until('the next', () => told.length === 2);
    assert.deepEqual(told.map(({ item }) => item.id), ['p1', 'n0']);
  });
});
