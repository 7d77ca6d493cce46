// The parts that need no connection.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { backoff, slowBackoff } from '../../src/core/backoff.js';
import { closed } from '../../src/core/closing.js';
import { endpoints, withCursor } from '../../src/core/endpoints.js';
import { EventReader } from '../../src/core/events.js';
import { createHeartbeat } from '../../src/core/heartbeat.js';
import { createItems } from '../../src/core/items.js';
import { createModel } from '../../src/core/model.js';
import { createOverlay } from '../../src/core/overlay.js';
import { refused } from '../../src/core/sse.js';
import { createSeen } from '../../src/core/seen.js';
import { cursorOf, parseFrame, parseItem, userOf } from '../../src/core/wire.js';
import type { Item } from '../../src/types.js';
import { tokenOf } from './support/browser.js';

const item = (place: number, more: Partial<Item> = {}): Item => ({
  id: `n${place}`,
  type: 'info',
  title: '',
  message: '',
  time: place * 1000,
  data: undefined,
  read: false,
  cursor: `${place}-1`,
  fields: {},
  ...more,
});
const items = (...places: number[]) => places.map((place) => item(place));
const ids = (list: { all(): readonly Item[] }) => list.all().map(({ id }) => id).join(' ');

describe('backoff', () => {
  test('any delay up to a bound that doubles and then stays', () => {
    const delays = Array.from({ length: 8 }, (_, failures) => Math.round(backoff(failures, () => 0.999_999)));
    assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    assert.equal(backoff(5_000, () => 0.5), 15_000);
    assert.equal(backoff(0, () => 0), 100);
  });

  test('who is told to come less often waits at least half of the longest', () => {
    assert.equal(slowBackoff(() => 0), 15_000);
    assert.equal(slowBackoff(() => 0.999_999).toFixed(0), '30000');
  });
});

describe('heartbeat', () => {
  test('asks after one and a half intervals of silence, and gives up without an answer', () => {
    const heart = createHeartbeat(20_000, 0);
    assert.equal(heart.due(), 30_000);
    assert.equal(heart.beat(29_999), 'wait');
    heart.heard(10_000);
    assert.equal(heart.beat(30_000), 'wait');
    assert.equal(heart.beat(40_000), 'ping');
    assert.equal(heart.beat(49_999), 'wait');
    assert.equal(heart.beat(50_000), 'dead');
  });

  test('an answer makes it wait again', () => {
    const heart = createHeartbeat(20_000, 0);
    assert.equal(heart.beat(30_000), 'ping');
    heart.heard(31_000);
    assert.equal(heart.due(), 61_000);
  });

  test('after a sleep it asks once more before it gives up', () => {
    const heart = createHeartbeat(20_000, 0);
    assert.equal(heart.beat(30_000), 'ping');
    assert.equal(heart.beat(3_600_000), 'ping');
    assert.equal(heart.beat(3_610_000), 'dead');
  });

  test('a clock that is set back does not stop it', () => {
    const heart = createHeartbeat(20_000, 1_000_000);
    assert.equal(heart.beat(0), 'wait');
    assert.equal(heart.beat(30_000), 'ping');
  });

  test('a doubt is settled sooner', () => {
    const heart = createHeartbeat(20_000, 0);
    assert.equal(heart.probe(1_000), true);
    assert.equal(heart.probe(1_001), false);
    assert.equal(heart.due(), 5_000);
  });
});

describe('the list', () => {
  test('keeps the newest, newest first, and says that there are more', () => {
    const list = createItems(3);
    for (const one of items(1, 2, 3)) list.add(one);
    assert.equal(list.more(), false);
    list.add(item(4));
    assert.equal(ids(list), 'n4 n3 n2');
    assert.equal(list.more(), true);
    assert.equal(list.all(), list.all());
  });

  test('a page replaces what was there; what came meanwhile stays on top', () => {
    const list = createItems(10);
    for (const one of items(1, 2, 3)) list.add(one);
    const before = new Set(['n1', 'n2', 'n3']);
    list.add(item(5));
    list.reload(items(4, 2), before, false);
    assert.equal(ids(list), 'n5 n4 n2');
  });

  test('what is in no log stays, at its time', () => {
    const list = createItems(10);
    list.add(item(0, { id: 'plain', cursor: undefined, time: 2_500 }));
    list.reload(items(3, 2), new Set(['plain']), false);
    assert.equal(ids(list), 'n3 plain n2');
  });

  test('a replay that a page has overtaken does not go on top', () => {
    const list = createItems(2);
    list.reload(items(9, 8), new Set(), true);
    for (const one of items(5, 8, 10)) list.add(one);
    assert.equal(ids(list), 'n10 n9');
  });

  test('older ones are appended, and make room for themselves', () => {
    const list = createItems(2);
    list.reload(items(9, 8), new Set(), true);
    assert.equal(list.append(items(7, 6), '8-1', true), true);
    list.add(item(10));
    assert.equal(ids(list), 'n10 n9 n8 n7');
    assert.equal(list.append(items(6), '6-1', true), false);
  });

  test('delivered twice it is one, and learns its place', () => {
    const list = createItems(5);
    list.add(item(1, { cursor: undefined }));
    list.add(item(1, { read: true }));
    assert.equal(ids(list), 'n1');
    assert.deepEqual(list.all()[0], item(1, { read: true }));
  });

  test('marks', () => {
    const list = createItems(5);
    for (const one of items(1, 2, 3)) list.add(one);
    const untouched = list.all()[2];
    list.mark({ id: 'n2', status: 'read' });
    list.mark({ id: 'n3', status: 'deleted' });
    assert.equal(ids(list), 'n2 n1');
    assert.equal(list.all()[0]?.read, true);
    assert.equal(list.all()[1], untouched);
    list.mark({ id: undefined, status: 'all_read' });
    assert.ok(list.all().every(({ read }) => read));
  });

  test('a flood costs as little as what is kept', () => {
    const list = createItems(50);
    for (let place = 1; place <= 100_000; place++) list.add(item(place));
    assert.equal(list.all().length, 50);
    assert.equal(list.all()[0]?.id, 'n100000');
  });
});

describe('what is shown early', () => {
  test('is taken back alone: other changes and what came meanwhile stay', () => {
    const overlay = createOverlay();
    const first = overlay.put(['n1'], false);
    const second = overlay.put(['n2'], true);
    const told = items(3, 2, 1);
    assert.deepEqual(overlay.over(told).map(({ id, read }) => `${id} ${read}`), ['n3 false', 'n1 true']);
    second();
    const later = [item(4), ...told];
    const shown = overlay.over(later);
    assert.deepEqual(shown.map(({ id, read }) => `${id} ${read}`), ['n4 false', 'n3 false', 'n2 false', 'n1 true']);
    assert.equal(overlay.over(later), shown);
    first();
    assert.equal(overlay.over(later), later);
  });

  test('does not reach what comes after all were marked', () => {
    const overlay = createOverlay();
    overlay.put(['n1', 'n2'], false);
    assert.deepEqual(overlay.over(items(3, 2, 1)).map(({ read }) => read), [false, true, true]);
  });
});

describe('the count', () => {
  test('only a higher version is news, unless the log is another', () => {
    const told: unknown[] = [];
    const model = createModel(50, () => 0, (...event) => told.push(event));
    const count = (count: unknown, version: unknown) => model.frame({ type: 'unread_count', data: { count, version } });
    const greet = (recovered: boolean, unread_count: unknown, version: unknown) =>
      model.frame({ type: 'connected', data: { recovered, unread_count, version } });
    count(3, 7);
    count(9, 6);
    count(9, 7);
    assert.equal(model.unread, 3);
    count(3, 8);
    greet(true, 9, 2);
    assert.deepEqual(told, [['unread', { count: 3 }]]);
    greet(false, 1, 2);
    count('5', undefined);
    assert.deepEqual(told.slice(1), [['unread', { count: 1 }]]);
    assert.equal(model.unread, 1);
  });
});

describe('ids that were told', () => {
  test('are bounded, and the newest are known', () => {
    const isNew = createSeen(100);
    for (let id = 0; id < 10_000; id++) assert.equal(isNew(`${id}`), true);
    for (let id = 9_950; id < 10_000; id++) assert.equal(isNew(`${id}`), false);
    for (let id = 9_850; id < 9_900; id++) assert.equal(isNew(`${id}`), true);
  });
});

describe('the wire', () => {
  test('an event stream is read in whatever pieces it comes', () => {
    const text = ': \n\nretry: 1000\nevent: connected\ndata: {"a":1}\n\nid: 3-1\r\nevent: x\r\ndata: 2\r\n\r\nretry: 250\n\n';
    for (const size of [1, 2, 3, 7, 1000]) {
      const reader = new EventReader();
      const events = [];
      for (let at = 0; at < text.length; at += size) events.push(...reader.feed(text.slice(at, at + size)));
      assert.deepEqual(
        events.filter(({ type, retry }) => type ?? retry),
        [
          { type: 'connected', data: '{"a":1}', retry: '1000' },
          { type: 'x', data: '2', retry: undefined },
          { type: undefined, data: '', retry: '250' },
        ],
        `pieces of ${size}`,
      );
    }
    assert.throws(() => new EventReader().feed('x'.repeat(5 * 1024 * 1024)), RangeError);
  });

  test('items have an id as text, and what is missing is filled in', () => {
    assert.equal(parseItem({ id: 7 }, 5)?.id, '7');
    assert.deepEqual(parseItem({ notification_id: 'a', timestamp: 'never' }, 5)?.time, 5);
    assert.equal(parseItem({ id: 1, timestamp: '1970-01-01T00:00:02Z' }, 5)?.time, 2000);
    assert.equal(parseItem({ title: 'no id' }, 5), undefined);
    assert.equal(parseItem('text', 5), undefined);
    assert.equal(cursorOf('17-1767323045678'), '17-1767323045678');
    assert.equal(cursorOf('17-1767&x=1'), undefined);
  });

  test('what is no frame is none', () => {
    for (const text of ['', '[]', 'null', '{"type":1}', '{', undefined]) assert.equal(parseFrame(text), undefined);
    assert.deepEqual(parseFrame('{"type":"pong"}')?.data, {});
  });

  test('a token names its user, if it can be read', () => {
    assert.equal(userOf(tokenOf('u-1')), 'u-1');
    assert.notEqual(userOf(tokenOf('Jörg')), userOf(tokenOf('Jürg')));
    for (const token of ['', 'opaque', 'a.b.c', 'e30.e30.x']) assert.equal(userOf(token), undefined);
  });

  test('addresses are made from the gateway’s, and hold no token', () => {
    const at = endpoints('https://n.example/base/?x=1', undefined);
    assert.equal(withCursor(at.socket(), '3-1'), 'wss://n.example/base/ws/notifications?cursor=3-1');
    assert.equal(withCursor(at.api('/stream'), undefined), 'https://n.example/base/api/notifications/stream');
    assert.equal(endpoints('ws://n.example', undefined).api('/x'), 'http://n.example/api/notifications/x');
    assert.equal(endpoints('/', 'https://p.example/a/b').base(), 'https://p.example');
    assert.throws(() => endpoints('/', undefined).base(), TypeError);
  });
});

describe('what the end of a connection means', () => {
  test('close codes', () => {
    const verdicts = [1000, 1001, 1006, 1008, 1009, 1012, 4000, 4001, 4003, 4007, 4008, 4009, 4029];
    assert.deepEqual(
      verdicts.map((code) => closed(code, '').verdict),
      ['again', 'again', 'again', 'slow', 'slow', 'again', 'final', 'token', 'final', 'final', 'again', 'final', 'slow'],
    );
    assert.equal(closed(4001, '', { code: 'keys_unavailable', message: '' }).verdict, 'again');
    assert.equal(closed(4003, '', { code: 'user_limit', message: '' }).verdict, 'slow', 'another one may end');
  });

  test('answers in place of a stream', () => {
    const verdicts = [400, 401, 403, 404, 429, 500, 503].map(
      (status) => refused(status, { code: '', message: '' }, undefined).verdict,
    );
    assert.deepEqual(verdicts, ['slow', 'token', 'final', 'slow', 'again', 'again', 'again']);
  });
});
