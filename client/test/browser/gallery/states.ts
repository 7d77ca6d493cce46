// Every state of the elements, by name.

import type { Item, State } from '../../../src/types.js';

const MINUTE = 60_000;
let count = 0;

export function sample(fields: Partial<Item> = {}): Item {
  count += 1;
  return {
    id: `n${count}`,
    type: 'info',
    title: `Notification ${count}`,
    message: 'Something happened.',
    time: Date.now() - count * MINUTE,
    data: undefined,
    read: false,
    cursor: String(count),
    fields: {},
    ...fields,
  };
}

const ago = (minutes: number) => Date.now() - minutes * MINUTE;

function everyKind(): Item[] {
  return [
    ['trade.created', 'Trade created', 'Bought 25 ACME at 84.20.', 0, false],
    ['error', 'Import failed', 'Row 17 of orders.csv has no date.', 4, false],
    ['csv.import', 'Import finished', '1,204 rows from orders.csv are in your journal.', 12, false],
    ['trade.updated', 'Trade updated', 'The stop of ACME is now at 80.00.', 47, true],
    ['trade.deleted', 'Trade removed', 'ACME of 3 March is gone from your journal.', 130, true],
    ['journal.created', 'New journal entry', 'What I learned this week', 1500, true],
    ['journal.updated', 'Journal entry changed', 'What I learned this week', 3000, true],
    ['success', 'Payment received', 'Invoice 2041 has been paid in full.', 12_000, true],
    ['info', 'Scheduled maintenance', 'On Sunday from 2 to 3 in the morning.', 50_000, true],
  ].map(([type, title, message, minutes, read]) =>
    sample({ type, title, message, time: ago(minutes as number), read } as Partial<Item>),
  );
}

function arabicItems(): Item[] {
  return [
    ['trade.created', 'تم إنشاء صفقة', 'تم شراء 25 سهمًا من ACME بسعر 84.20.', 0, false],
    ['error', 'فشل الاستيراد', 'السطر 17 من orders.csv بلا تاريخ.', 4, false],
    ['csv.import', 'اكتمل الاستيراد', 'أضيف 1204 سطرًا إلى دفترك.', 12, false],
    ['info', 'صيانة مجدولة', 'يوم الأحد من الثانية إلى الثالثة صباحًا.', 1500, true],
    ['info', 'An English title', 'And an English message. Each text has its own direction.', 3000, true],
  ].map(([type, title, message, minutes, read]) =>
    sample({ type, title, message, time: ago(minutes as number), read } as Partial<Item>),
  );
}

function difficult(): Item[] {
  return [
    sample({ type: 'info', title: '<b>Not bold</b><img src=x onerror="window.harmed = true">', message: '<script>window.harmed = true</script> & &amp; shown as it is' }),
    sample({ type: 'error', title: 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft', message: `https://example.org/${'a-very-long-path/'.repeat(12)}` }),
    sample({ type: 'success', title: '🎉 Wörld 👩‍👩‍👧‍👦 日本語のお知らせ', message: '🚀🚀🚀 مرحبا hello שלום 🇩🇪 naïve ﷽' }),
    sample({ type: 'no.such.type', title: '', message: 'It has no title.' }),
    sample({ type: 'constructor', title: 'It has no message', message: '' }),
    sample({ type: 'info', title: 'A long one. '.repeat(20), message: 'It goes on and on, and then it goes on. '.repeat(30), read: true }),
    sample({ type: 'info', title: 'Two lines', message: 'First line\nSecond line', read: true }),
  ];
}

const many = (amount: number) => Array.from({ length: amount }, () => sample({ read: count > 3 }));

export interface Shown {
  readonly state: Partial<State>;
  /** Done to the page once it stands. */
  readonly then?: 'fresh' | 'menu' | 'sure' | 'undone' | 'closed-bell';
}

const token = { code: 'token_expired', message: 'the token has expired' };

export const STATES: Readonly<Record<string, () => Shown>> = {
  list: () => ({ state: { items: everyKind(), unread: 3, hasMore: true } }),
  bell: () => ({ state: { items: everyKind(), unread: 3 }, then: 'closed-bell' }),
  'bell-many': () => ({ state: { items: everyKind(), unread: 128 }, then: 'closed-bell' }),
  'bell-offline': () => ({ state: { items: everyKind(), unread: 3, connection: 'offline' }, then: 'closed-bell' }),
  arabic: () => ({ state: { items: arabicItems(), unread: 3, connection: 'waiting', retryAt: Date.now() + 7900 } }),
  difficult: () => ({ state: { items: difficult(), unread: 5 } }),
  loading: () => ({ state: { list: 'loading', connection: 'connecting', unread: undefined } }),
  empty: () => ({ state: {} }),
  failed: () => ({ state: { list: 'failed', error: { code: 'timeout', message: 'no answer' } } }),
  'failed-offline': () => ({ state: { list: 'failed', connection: 'offline' } }),
  offline: () => ({ state: { items: everyKind(), unread: 3, connection: 'offline' } }),
  waiting: () => ({ state: { items: everyKind(), unread: 3, connection: 'waiting', retryAt: Date.now() + 7900 } }),
  crowded: () => {
    const error = { code: 'user_limit', message: 'at most 8 connections' };
    return { state: { items: everyKind(), unread: 3, connection: 'waiting', retryAt: Date.now() + 20_000, error } };
  },
  closed: () => ({ state: { items: everyKind(), unread: 3, connection: 'closed', error: token } }),
  fresh: () => ({ state: { items: everyKind(), unread: 3 }, then: 'fresh' }),
  menu: () => ({ state: { items: everyKind(), unread: 3 }, then: 'menu' }),
  sure: () => ({ state: { items: everyKind(), unread: 3 }, then: 'sure' }),
  undone: () => ({ state: { items: everyKind(), unread: 3 }, then: 'undone' }),
  more: () => ({ state: { items: many(60), unread: 3, hasMore: true, loadingMore: true } }),
};
