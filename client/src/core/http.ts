import type { Failure } from '../types.js';
import type { Endpoints } from './endpoints.js';
import { failureOf, thrown } from './failure.js';
import type { Platform } from './platform.js';
import { onAbort, within } from './signals.js';
import type { Tokens } from './tokens.js';
import type { Command } from './wire.js';

/** What a command brings: a page, or the count after it. */
export type Answer = Record<string, unknown>;

/** Milliseconds until an answer must be there. */
export const DEADLINE_MS = 10_000;

/** The commands over HTTP, for as long as there is no socket. */
export class Api {
  readonly #platform: Platform;
  readonly #endpoints: Endpoints;
  readonly #tokens: Tokens;

  constructor(platform: Platform, endpoints: Endpoints, tokens: Tokens) {
    this.#platform = platform;
    this.#endpoints = endpoints;
    this.#tokens = tokens;
  }

  /** @param again whether another token is fetched when this one is refused */
  async ask(command: Command, signal: AbortSignal, again = !this.#tokens.isStatic): Promise<Answer> {
    const token = await this.#tokens.last(signal);
    const over = new AbortController();
    const abort = () => over.abort();
    const off = onAbort(signal, abort);
    try {
      const [status, body] = await within(
        this.#send(command, token, over.signal),
        signal,
        this.#platform,
        DEADLINE_MS,
      );
      if (body?.success && body.data) return body.data;
      if (status !== 401 || !again) {
        throw thrown(errorOf(status, body));
      }
    } catch (error) {
      throw thrown(failureOf(error));
    } finally {
      off();
      abort();
    }
    await this.#tokens.fetch(signal);
    return this.ask(command, signal, false);
  }

  async #send(
    command: Command,
    token: string,
    signal: AbortSignal,
  ): Promise<[status: number, body: Body | undefined]> {
    const [method, path] = route(command);
    const headers = { authorization: `Bearer ${token}` };
    const url = this.#endpoints.api(path);
    const response = await this.#platform.fetch(url, { method, headers, cache: 'no-store', signal });
    return [response.status, await bodyOf(response)];
  }
}

function route(command: Command): readonly [method: string, path: string] {
  switch (command.type) {
    case 'mark_all_read':
      return ['POST', '/read_all'];
    case 'mark_read':
      return ['POST', `/${encodeURIComponent(command.notification_id)}/read`];
    case 'delete':
      return ['DELETE', `/${encodeURIComponent(command.notification_id)}`];
    case 'list':
      return ['GET', `?limit=${command.limit}${command.before ? `&before=${command.before}` : ''}`];
  }
}

interface Body {
  readonly success?: boolean;
  readonly data?: Answer;
  readonly error?: Failure;
}

/** `undefined` where something in between has answered. */
export const bodyOf = (response: Response): Promise<Body | undefined> =>
  response.json().catch(() => undefined) as Promise<Body | undefined>;

export const errorOf = (status: number, body: Body | undefined): Failure =>
  body?.error ?? { code: 'network', message: `the gateway answered ${status}` };
