import type { Item } from '../types.js';

/** What the gateway says, whichever way it comes. */
export interface Frame {
  readonly type: string;
  readonly data: Record<string, unknown>;
  /** What it answers. */
  readonly ref?: unknown;
}

/** What it can be asked. */
export type Command =
  | { readonly type: 'mark_all_read' }
  | { readonly type: 'mark_read' | 'delete'; readonly notification_id: string }
  | { readonly type: 'list'; readonly limit: number; readonly before?: string };

/** `undefined` for what is no frame; a newer gateway may say things that we do not know. */
export function parseFrame(text: unknown): Frame | undefined {
  try {
    const { type, data, ref } = JSON.parse(text as string) as Record<string, unknown>;
    return typeof type === 'string' ? { type, data: fieldsOf(data), ref } : undefined;
  } catch {
    return undefined;
  }
}

/** What is no object has none. */
const fieldsOf = (value: unknown) => Object(value) as Record<string, unknown>;

const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? `${value}` : '';

/** `undefined` without an id: it could be neither shown once nor marked. */
export function parseItem<Data>(value: unknown, now: number): Item<Data> | undefined {
  const fields = fieldsOf(value);
  const id = text(fields.notification_id) || text(fields.id);
  if (!id) return undefined;
  return {
    id,
    type: text(fields.notification_type) || text(fields.type) || 'info',
    title: text(fields.title),
    message: text(fields.message),
    time: Date.parse(text(fields.timestamp)) || now,
    data: fields.data as Data | undefined,
    // What is for everybody is in nobody's inbox, and in no count: it is never unread.
    read: fields.read === true || !(fields.cursor || fields.user_id),
    cursor: cursorOf(fields.cursor),
    fields,
  };
}

/** A cursor reads `position-time`, such as `17-1767323045678`. */
export function cursorOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^\d+-\d+$/.test(value) ? value : undefined;
}

/** Where in the user's log; -1 for what is not in it. */
export function position(cursor: string | undefined): number {
  return cursor ? parseInt(cursor, 10) : -1;
}

/** Whom a token names; not verified. Letters beyond ASCII stay as their bytes: it only tells users apart. */
export function userOf(token: string): string | undefined {
  try {
    const [, part] = token.replace(/-/g, '+').replace(/_/g, '/').split('.');
    const claims = JSON.parse(atob(part ?? '')) as Record<string, unknown>;
    return text(claims.sub) || text(claims.user_id) || text(claims.userId) || undefined;
  } catch {
    return undefined;
  }
}
