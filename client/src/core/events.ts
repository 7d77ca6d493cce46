/** Longer than any frame of a gateway; what has no end in sight is no event stream. */
const MAX_EVENT = 4 * 1024 * 1024;

export interface ServerEvent {
  /** `undefined` for a block that only sets `retry`. */
  readonly type: string | undefined;
  readonly data: string;
  readonly retry: number | undefined;
}

/** Reads `text/event-stream` piece by piece, as the HTML standard has it; ids are left to `data`. */
export class EventReader {
  #rest = '';
  #type: string | undefined;
  #data: string[] = [];
  #retry: number | undefined;
  #length = 0;

  /** @throws RangeError when an event has no end */
  feed(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    // A \r at the very end may be half of a line break.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.#line(line);
      if (event) events.push(event);
    }
    if (this.#rest.length + this.#length > MAX_EVENT) throw new RangeError('an event is too long');
    return events;
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') return this.#end();
    this.#length += line.length;
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'retry' && /^\d+$/.test(value)) this.#retry = Number(value);
    return undefined;
  }

  #end(): ServerEvent | undefined {
    const data = this.#data.join('\n');
    const type = this.#data.length > 0 ? (this.#type ?? 'message') : undefined;
    const retry = this.#retry;
    this.#type = this.#retry = undefined;
    this.#data = [];
    this.#length = 0;
    return type === undefined && retry === undefined ? undefined : { type, data, retry };
  }
}
