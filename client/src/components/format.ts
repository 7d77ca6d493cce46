// Numbers, plurals and times of one language.

import type { Messages, Plural } from './messages/table.js';

/** How many of each make the next. */
const UNITS = { second: 60, minute: 60, hour: 24, day: 7, week: 4.345, month: 12, year: Infinity };
type Unit = keyof typeof UNITS;
/** What is younger than this is "now": seconds that count up draw the eye for nothing. */
const NOW_MS = 45_000;
const MOST = 99;

export interface Format {
  readonly messages: Messages;
  /** `99+` for what is more than that. */
  number(count: number): string;
  plural(texts: Plural, count: number): string;
  /** Such as `in 5 sec.` */
  relative(amount: number, unit: Unit): string;
  /** Such as `5 min. ago`. A clock that runs ahead does not bring the future. */
  age(time: number): string;
  exact(time: number): string;
}

function createFormat(messages: Messages): Format {
  const { locale } = messages;
  const numbers = new Intl.NumberFormat(locale);
  const plurals = new Intl.PluralRules(locale);
  const ages = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' });
  const times = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'medium' });
  const number = (count: number) => numbers.format(Math.min(count, MOST)) + (count > MOST ? '+' : '');
  const relative = (amount: number, unit: Unit) => ages.format(amount, unit);
  return {
    messages,
    number,
    plural: (texts, count) => (texts[plurals.select(count)] ?? texts.other).replace('{n}', number(count)),
    relative,
    age(time) {
      let amount = Math.max(0, Date.now() - time);
      if (amount < NOW_MS) return relative(0, 'second');
      amount /= 1000;
      for (const [unit, size] of Object.entries(UNITS) as [Unit, number][]) {
        if (Math.round(amount) < size) return relative(-Math.round(amount), unit);
        amount /= size;
      }
      return '';
    },
    exact: (time) => times.format(time),
  };
}

const formats = new WeakMap<Messages, Format>();

/** One for each table: making them is not cheap, and every item needs it. */
export function formatOf(messages: Messages): Format {
  let format = formats.get(messages);
  if (!format) formats.set(messages, (format = createFormat(messages)));
  return format;
}
