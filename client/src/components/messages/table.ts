/** One text for each plural category that the language has; `{n}` becomes the number. */
export type Plural = { readonly other: string } & {
  readonly [category in Intl.LDMLPluralRule]?: string;
};

/** All that the components say themselves, in one language. */
export interface Messages {
  /** BCP 47, for numbers, plurals and times. */
  readonly locale: string;
  readonly dir: 'ltr' | 'rtl';
  readonly title: string;
  /** Part of the bell's name. */
  readonly unread: Plural;
  /** Said of one item. */
  readonly unreadItem: string;
  /** Announced; what arrived last follows if it was one. */
  readonly arrived: Plural;
  /** On the button that brings in what arrived meanwhile. */
  readonly fresh: Plural;
  readonly markAll: string;
  readonly options: string;
  readonly close: string;
  readonly alerts: string;
  readonly alertsBlocked: string;
  readonly sound: string;
  readonly clear: string;
  readonly clearSure: Plural;
  readonly markRead: string;
  readonly remove: string;
  readonly older: string;
  readonly loading: string;
  readonly empty: string;
  readonly emptyHint: string;
  readonly failed: string;
  readonly offline: string;
  readonly connecting: string;
  /** `{when}` becomes such as `in 5 seconds`. */
  readonly waiting: string;
  /** The user has as many connections as the gateway allows. */
  readonly crowded: string;
  readonly signIn: string;
  readonly closed: string;
  readonly idle: string;
  readonly tryNow: string;
  readonly connected: string;
  readonly undone: string;
  readonly lost: string;
}
