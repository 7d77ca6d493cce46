// Numbers, plurals and times of one language.

import type { Messages, Plural } from './messages/table.js';

/** How many of each make the next. */
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['second', 60],
  ['minute', 60],
  ['hour', 24],
  ['day', 7],
  ['week', 4.345],
  ['month', 12],
  ['year', Infinity],
];
/** What is younger than this is "now": seconds that count up draw the eye for nothing. */
const NOW_MS = 45_000;
const MOST = 99;

export class Format {
  readonly #number: Intl.NumberFormat;
  readonly #plural: Intl.PluralRules;
  readonly #relative: Intl.RelativeTimeFormat;
  readonly #exact: Intl.DateTimeFormat;

  constructor(readonly messages: Messages) {
    const { locale } = messages;
    this.#number = new Intl.NumberFormat(locale);
    this.#plural = new Intl.PluralRules(locale);
    this.#relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' });
    this.#exact = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'medium' });
  }

  /** `99+` for what is more than that. */
  number(count: number): string {
    return this.#number.format(Math.min(count, MOST)) + (count > MOST ? '+' : '');
  }

  plural(texts: Plural, count: number): string {
    const text = texts[this.#plural.select(count)] ?? texts.other;
    return text.replace('{n}', this.number(count));
  }

  /** Such as `in 5 sec.` */
  relative(amount: number, unit: Intl.RelativeTimeFormatUnit): string {
    return this.#relative.format(amount, unit);
  }

  /** Such as `5 min. ago`. A clock that runs ahead does not bring the future. */
  age(time: number): string {
    let amount = Math.max(0, Date.now() - time);
    if (amount < NOW_MS) return this.relative(0, 'second');
    amount /= 1000;
    for (const [unit, size] of UNITS) {
      if (Math.round(amount) < size) return this.relative(-Math.round(amount), unit);
      amount /= size;
    }
    return '';
  }

  exact(time: number): string {
    return this.#exact.format(time);
  }
}

const formats = new WeakMap<Messages, Format>();

/** One for each table: making them is not cheap, and every item needs it. */
export function formatOf(messages: Messages): Format {
  let format = formats.get(messages);
  if (!format) formats.set(messages, (format = new Format(messages)));
  return format;
}
