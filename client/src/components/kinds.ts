// How each type of notification looks.

/** The look of one type. */
export interface Kind {
  /** A path in a square of 24, drawn with a stroke of 2; or what makes an element. */
  readonly icon: string | (() => Element);
  /** Any CSS colour; it is mixed into the background of the icon. */
  readonly color: string;
}

/** By type. What is not named is looked for without its last part: `trade.x`, then `trade`, then `info`. */
export type Kinds = Readonly<Record<string, Kind>>;

export const CHECK = 'm5 12.5 4.5 4.500L19 7.5';
export const CROSS = 'M7 7l10 10M17 7 7 17';
const INFO = 'M12 11v6M12 7v.01';

const created: Kind = { icon: CHECK, color: 'var(--_green)' };
const updated: Kind = { icon: INFO, color: 'var(--_blue)' };

export const KINDS: Kinds = {
  'trade.created': created,
  'trade.updated': updated,
  'trade.deleted': {
    icon: 'M5 7h14M10 7V5h4v2M7 7l.8 12h8.400L17 7M10.3 10.500v5M13.7 10.500v5',
    color: 'var(--_gray)',
  },
  'journal.created': created,
  'journal.updated': updated,
  'csv.import': { icon: 'M4 18V6h6l2 2.500h8V18z', color: 'var(--_purple)' },
  error: { icon: CROSS, color: 'var(--_red)' },
  info: updated,
  success: created,
};

export function kindOf(kinds: Kinds, type: string): Kind {
  for (let name = type; name; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    // A type called `constructor` is not one of the table.
    if (Object.hasOwn(kinds, name)) return kinds[name] ?? updated;
  }
  return kinds['info'] ?? updated;
}

export const BELL_ICON = 'M6 16V11a6 6 0 0 1 12 0v5l1.5 2.5h-15zM10 21.300a2.3 2.3 0 0 0 4 0M12 5V3';
