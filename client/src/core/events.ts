/** Longer than any frame of a gateway; what has no end in sight is no event stream. */
const MAX_EVENT = 4 * 1024 * 1024;

export interface ServerEvent {
  /** `undefined` for a block without data. */
  readonly type: string | undefined;
  readonly data: string;
  /** Milliseconds to wait before coming back. */
  readonly retry: string | undefined;
}

/** Reads `text/event-stream` piece by piece, as a gateway writes it: one line of data; ids are in the data too. */
export class EventReader {
  #rest = '';

  /** @throws RangeError when an event has no end */
  feed(text: string): ServerEvent[] {
    const blocks = (this.#rest + text).split(/\r?\n\r?\n/);
    this.#rest = blocks.pop() ?? '';
    if (this.#rest.length > MAX_EVENT) throw new RangeError('an event is too long');
    return blocks.map((block) => {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)`, 'm').exec(block)?.[1];
      const data = field('data');
      return { type: data && (field('event') ?? 'message'), data: data ?? '', retry: field('retry') };
    });
  }
}
