import type { Failure } from '../types.js';
import type { Endpoints } from './endpoints.js';
import { CampanileError } from './failure.js';
import type { Platform } from './platform.js';
import type { Tokens } from './tokens.js';
import { type Command, parseJson } from './wire.js';

/** What a command brings: a page, or the count after it. */
export type Answer = Record<string, unknown>;

/** Milliseconds until an answer must be there. */
export const DEADLINE_MS = 10_000;

/** The commands over HTTP, for as long as there is no socket. */
export class Api {
  constructor(
    private readonly platform: Platform,
    private readonly endpoints: Endpoints,
    private readonly tokens: Tokens,
  ) {}

  /** Asks once more with another token where the first has expired. */
  async ask(command: Command, signal: AbortSignal): Promise<Answer> {
    const first = await this.tokens.last(signal);
    const answer = await this.#send(command, first, signal);
    if (answer.status !== 401 || this.tokens.isStatic) return open(answer);
    return open(await this.#send(command, await this.tokens.fetch(signal), signal));
  }

  async #send(command: Command, token: string, signal: AbortSignal): Promise<Reply> {
    const { platform } = this;
    if (!platform.fetch) throw new CampanileError('network', 'there is no fetch here');
    const [method, path] = route(command);
    const over = new AbortController();
    const abort = () => over.abort();
    let late = false;
    const timer = platform.setTimeout(() => ((late = true), abort()), DEADLINE_MS);
    signal.addEventListener('abort', abort, { signal: over.signal });
    try {
      const response = await platform.fetch(this.endpoints.api(path), {
        method,
        headers: { authorization: `Bearer ${token}` },
        cache: 'no-store',
        signal: over.signal,
      });
      return { status: response.status, body: parseJson(await response.text()) };
    } catch (thrown) {
      if (late) throw new CampanileError('timeout', 'the gateway did not answer in time');
      throw new CampanileError('network', thrown instanceof Error ? thrown.message : String(thrown));
    } finally {
      platform.clearTimeout(timer as never);
      signal.removeEventListener('abort', abort);
    }
  }
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

function route(command: Command): readonly [method: string, path: string] {
  switch (command.type) {
    case 'mark_all_read':
      return ['POST', '/read_all'];
    case 'mark_read':
      return ['POST', `/${encodeURIComponent(command.notification_id)}/read`];
    case 'delete':
      return ['DELETE', `/${encodeURIComponent(command.notification_id)}`];
    case 'list': {
      const before = command.before === undefined ? '' : `&before=${command.before}`;
      return ['GET', `?limit=${command.limit}${before}`];
    }
  }
}

function open({ status, body }: Reply): Answer {
  const { success, data } = (body ?? {}) as { success?: unknown; data?: Answer };
  if (success === true && data) return data;
  const { code, message } = errorOf(status, body);
  throw new CampanileError(code, message);
}

/** Of `{"success":false,"error":{code,message}}`, or of what something in between has answered. */
export function errorOf(status: number, body: unknown): Failure {
  const { error } = (body ?? {}) as { error?: { code?: unknown; message?: unknown } };
  return {
    code: typeof error?.code === 'string' ? error.code : 'network',
    message: typeof error?.message === 'string' ? error.message : `the gateway answered ${status}`,
  };
}
