// Against the real gateway, which CAMPANILE_BIN names.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import WebSocket from 'ws';

import { Campanile, type Options, type Platform } from '../../src/index.js';
import type { Events } from '../../src/types.js';
import { binary, Gateway, token } from './support/gateway.js';
import { until } from './support/until.js';

const socket = WebSocket as unknown as NonNullable<Platform['socket']>;

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
});
