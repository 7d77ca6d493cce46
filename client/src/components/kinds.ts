// How each type of notification looks.

/** The look of one type. */
export interface Kind {
  /** A path in a square of 24, drawn with a stroke of 2; or what makes an element. */
  readonly icon: string | (() => Element);
  /** Any CSS colour; it is mixed with the text for the icon and with the background for what is behind it. */
  readonly color: string;
}

/** By type. What is not named is looked for without its last part: `trade.x`, then `trade`, then `info`. */
export type Kinds = Readonly<Record<string, Kind>>;

export const CHECK = 'm5 12.5 4.5 4.5L19 7.5';
export const CHECKS = 'm2 13 4 4 8-9m-3 8 1 1 8-9';
export const CROSS = 'm7 7 10 10m0-10L7 17';
export const DOTS = 'M6 12h0m6 0h0m6 0h0';
export const UP = 'M12 19V5m-6 6 6-6 6 6';
export const BELL = 'M6 16v-5a6 6 0 0 1 12 0v5l1.5 2.5h-15zm4 5.5a2.3 2.3 0 0 0 4 0M12 5V3';
/** A cloud with a stroke through it. */
export const OFF = 'M7 18h10a4 4 0 0 0 .8-8A6 6 0 0 0 6 9.5 4.3 4.3 0 0 0 7 18zM4 4l16 16';
const INFO = 'M12 11v6m0-10h0';
const FOLDER = 'M4 18V6h6l2 2.5h8V18z';
const TRASH = 'M5 7h14m-9 0V5h4v2M7 7l1 12h8l1-12m-7 4v5m4-5v5';

const kind = (icon: string, color: string): Kind => ({ icon, color });
const created = kind(CHECK, '#0a4');
const updated = kind(INFO, '#08f');

export const KINDS: Kinds = {
  // Those of the same groups that were updated look like any other news.
  'trade.created': created,
  'trade.deleted': kind(TRASH, '#888'),
  'journal.created': created,
  'csv.import': kind(FOLDER, '#a3f'),
  error: kind(CROSS, '#e22'),
  info: updated,
  success: created,
};

export function kindOf(kinds: Kinds, type: string): Kind {
  for (let name = type; name; name = name.replace(/\.?[^.]*$/, '')) {
    // A type called `constructor` is not one of the table.
    if (Object.hasOwn(kinds, name)) return kinds[name] as Kind;
  }
  return kinds['info'] ?? updated;
}
