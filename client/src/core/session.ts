import type { Connection, Failure } from '../types.js';
import { Backoff } from './backoff.js';
import { cut, type Gone } from './closing.js';
import type { Endpoints } from './endpoints.js';
import { failureOf } from './failure.js';
import { Gate } from './gate.js';
import { Heartbeat } from './heartbeat.js';
import type { Answer, Api } from './http.js';
import type { Link } from './link.js';
import { Pending } from './pending.js';
import type { Platform } from './platform.js';
import { openSocket } from './socket.js';
import { openStream } from './stream.js';
import type { Tokens } from './tokens.js';
import { type Command, type Frame, userOf } from './wire.js';

/** From the first step of an attempt to the greeting. */
const ATTEMPT_MS = 10_000;
/** A connection that lasted less is no sign that things go well. */
const HEALTHY_MS = 10_000;
/** Between two immediate attempts that something outside has caused. */
const NUDGE_MS = 1_000;
/** Sockets that fail in a row before an event stream is tried. */
const BLOCKED = 2;
/** Until sockets are tried again while a stream works; doubles with every failure, up to the second. */
const PROBE_MS = 5 * 60_000;
const MAX_PROBE_MS = 60 * 60_000;
/** The most that advice of the gateway can hold a client back. */
const MAX_ADVICE_MS = 5 * 60_000;
/** Between two tries for a new token; the warning comes half a minute before the end. */
const RENEW_MS = 5_000;
/** Before a command is repeated that was one too many. */
const BUSY_MS = 1_000;
const MAX_BUSY = 10;

export interface Status {
  readonly connection: Connection;
  readonly retryAt: number | undefined;
  readonly error: Failure | undefined;
}

/** Whom a session serves. */
export interface Owner {
  /** From where to go on. */
  cursor(): string | undefined;
  /** Whether to connect as this user, now; `Failure`: never. */
  admit(user: string | undefined): boolean | Failure;
  /**
   * What the gateway says; and of the session itself `status`, whose data is a `Status`, and `error`, a `Failure`
   * that may not end the connection.
   */
  frame(frame: Frame): void;
}

export interface Surrounded {
  readonly platform: Platform;
  readonly endpoints: Endpoints;
  readonly tokens: Tokens;
  readonly api: Api;
  readonly transport: 'auto' | 'socket' | 'stream';
}

/** Keeps one user connected: attempts, waits, heartbeat, tokens; and asks what the page wants asked. */
export class Session {
  readonly #around: Surrounded;
  readonly #platform: Platform;
  readonly #owner: Owner;
  readonly #backoff: Backoff;
  readonly #gate = new Gate();
  readonly #pending: Pending;

  /** The connection in use, or being made. */
  #link: Link | undefined;
  /** A second one that takes its place once it is greeted. */
  #rival: Link | undefined;
  /** Of the attempt or connection; what belongs to an older one is late. */
  #attempt = new AbortController();
  #attemptedAt = -Infinity;
  #openedAt: number | undefined;
  #heartbeat: Heartbeat | undefined;
  #connection: Connection = 'idle';
  #error: Failure | undefined;
  #advice: number | undefined;
  /** Whether the last token was refused; of two in a row the page has no better. */
  #refused = false;
  #muteSockets = 0;
  #probeAfter = PROBE_MS;
  /** What is due, by name; how to call it off. */
  readonly #due = new Map<'next' | 'beat' | 'probe' | 'renew', () => void>();

  constructor(around: Surrounded, owner: Owner) {
    this.#around = around;
    this.#platform = around.platform;
    this.#owner = owner;
    this.#backoff = new Backoff(this.#platform.random);
    this.#pending = new Pending(this.#platform);
  }

  /** Tries now, whatever there was before. */
  start(): void {
    if (this.#openedAt !== undefined) return;
    this.#backoff.reset();
    this.#refused = false;
    this.#try();
  }

  /** Ends it, without a word. */
  stop(): void {
    this.#drop();
    this.#connection = 'idle';
    this.#error = undefined;
  }

  /** The network may be back, or the page is looked at again: one attempt now, or a question to the peer. */
  nudge(): void {
    const now = this.#platform.now();
    if (this.#openedAt !== undefined) {
      // A stream cannot be asked; its comments come often enough.
      if (this.#link?.kind === 'socket' && this.#heartbeat?.probe(now)) this.#link.send(PING);
      this.#beat();
    } else if (this.#isWaiting && now - this.#attemptedAt >= NUDGE_MS) {
      this.#try();
    }
  }

  /** The browser says that the network is gone. It may be wrong, so attempts go on. */
  offline(): void {
    if (this.#link || this.#isWaiting) this.#gone(cut('the browser is offline'));
  }

  /** Over the socket; over HTTP while there is none. */
  async request(command: Command, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#gate.pass(() => this.#ask(command, signal), signal);
    if (command.type !== 'list') this.#owner.frame({ type: 'unread_count', data: answer });
    return answer;
  }

  async #ask(command: Command, signal: AbortSignal): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      try {
        if (this.#openedAt !== undefined && this.#link?.kind === 'socket') {
          return await this.#pending.ask((ref) => this.#link?.send({ ...command, ref }));
        }
        return await this.#around.api.ask(command, signal);
      } catch (thrown) {
        const { code } = failureOf(thrown);
        const isBusy = code === 'busy' || code === 'rate_limited';
        // Commands can be repeated without harm, so one that was cut off goes over HTTP.
        const isCut = code === 'network' && tries === 0 && this.#openedAt === undefined;
        if (signal.aborted || tries >= MAX_BUSY || !(isBusy || isCut)) throw thrown;
        if (isBusy) await new Promise<void>((resolve) => this.#platform.after(BUSY_MS, resolve));
      }
    }
  }

  get #isWaiting(): boolean {
    return this.#connection === 'waiting' || (this.#connection === 'offline' && !this.#link);
  }

  #try(): void {
    this.#drop();
    const { tokens } = this.#around;
    const { signal } = (this.#attempt = new AbortController());
    this.#attemptedAt = this.#platform.now();
    this.#report('connecting');
    tokens.next(signal).then(
      (token) => {
        if (signal.aborted) return;
        const admitted = this.#owner.admit(userOf(token));
        if (admitted !== true) {
          tokens.spare = true;
          return admitted && this.#end(admitted);
        }
        this.#later('next', ATTEMPT_MS, () => this.#gone({ ...cut('no greeting in time'), mute: true }));
        this.#link = this.#dial(this.#kind(), token, (gone) => this.#gone(gone));
      },
      (thrown: unknown) => {
        if (!signal.aborted) this.#gone({ verdict: 'again', failure: failureOf(thrown, 'token') });
      },
    );
  }

  #kind(): Link['kind'] {
    const { transport } = this.#around;
    if (transport !== 'auto') return transport;
    // In turns, so that a gateway that is merely away does not leave everyone on streams.
    return this.#muteSockets >= BLOCKED && this.#muteSockets % 2 === 0 ? 'stream' : 'socket';
  }

  #dial(kind: Link['kind'], token: string, gone: (gone: Gone) => void): Link | undefined {
    const isOurs = () => link && (link === this.#link || link === this.#rival);
    const hearing = {
      heard: () => link === this.#link && this.#heartbeat?.heard(this.#platform.now()),
      frame: (frame: Frame) => link && this.#frame(link, frame),
      gone: (end: Gone) => isOurs() && gone(end),
    };
    let link: Link | undefined;
    try {
      const open = kind === 'socket' ? openSocket : openStream;
      link = open(this.#around, token, this.#owner.cursor(), hearing);
    } catch (thrown) {
      // There is no WebSocket, or this page may not have this one.
      void Promise.resolve().then(() => gone({ ...cut(failureOf(thrown).message), mute: true }));
    }
    return link;
  }

  #frame(link: Link, frame: Frame): void {
    const { type, data } = frame;
    if (link === this.#rival) {
      if (type !== 'connected') return;
      // The first word of a second connection: from here on it is the first.
      this.#link?.close();
      this.#link = link;
      this.#rival = this.#openedAt = undefined;
      this.#pending.drop();
    }
    if (link !== this.#link || this.#pending.settle(frame)) return;
    if (type === 'connected' && this.#openedAt === undefined) this.#opened(link, data);
    if (type === 'reconnect') this.#advice = Math.min(Number(data.after_ms), MAX_ADVICE_MS);
    else if (type === 'token_expiring') this.#renew(this.#platform.now() + Number(data.in_s) * 1000);
    // Before the greeting an error says why the connection ends; that is told then.
    else if (type !== 'pong' && this.#openedAt !== undefined) this.#owner.frame(frame);
  }

  #opened({ kind }: Link, data: Frame['data']): void {
    const now = this.#platform.now();
    this.#cancel('next');
    this.#openedAt = now;
    this.#advice = undefined;
    this.#refused = false;
    this.#heartbeat = new Heartbeat((Number(data.ping_interval) || 54) * 1000, now);
    this.#beat();
    this.#report('open');
    this.#cancel('probe');
    if (kind === 'socket') {
      this.#muteSockets = 0;
      this.#probeAfter = PROBE_MS;
    } else if (this.#around.transport === 'auto') {
      this.#probe();
    }
  }

  #gone({ verdict, failure, mute, after = 0 }: Gone): void {
    const now = this.#platform.now();
    const opened = this.#openedAt;
    const healthy = opened !== undefined && now - opened >= HEALTHY_MS;
    if (healthy) this.#backoff.reset();
    if (opened === undefined && this.#platform.isOnline()) {
      this.#muteSockets = mute || this.#link?.kind === 'stream' ? this.#muteSockets + 1 : 0;
    }
    const advice = this.#advice;
    this.#drop();

    if (verdict === 'final') return this.#end(failure);
    if (verdict === 'token') {
      if (this.#refused || this.#around.tokens.isStatic) return this.#end(failure);
      this.#refused = true;
      // One that is cut off again and again, whatever its token, has to wait like others.
      if (healthy || opened === undefined) return this.#try();
    }
    const usual = verdict === 'slow' ? this.#backoff.slow() : this.#backoff.next();
    const delay = advice ?? after + usual;
    this.#later('next', delay, () => this.#try());
    this.#report('waiting', failure, now + delay);
    this.#complain(failure);
  }

  #end(failure: Failure): void {
    this.#drop();
    this.#report('closed', failure);
    this.#complain(failure);
  }

  #complain(failure: Failure): void {
    this.#owner.frame({ type: 'error', data: { ...failure } });
  }

  /** Lets go of all that belongs to the attempt or connection. */
  #drop(): void {
    this.#attempt.abort();
    this.#link?.close();
    this.#rival?.close();
    this.#link = this.#rival = this.#openedAt = this.#heartbeat = this.#advice = undefined;
    for (const name of this.#due.keys()) this.#cancel(name);
    this.#pending.drop();
  }

  #later(name: 'next' | 'beat' | 'probe' | 'renew', ms: number, run: () => void): void {
    this.#cancel(name);
    this.#due.set(name, this.#platform.after(ms, run));
  }

  #cancel(name: 'next' | 'beat' | 'probe' | 'renew'): void {
    this.#due.get(name)?.();
    this.#due.delete(name);
  }

  #report(connection: Connection, error = this.#error, retryAt?: number): void {
    const away = connection === 'connecting' || connection === 'waiting';
    this.#connection = away && !this.#platform.isOnline() ? 'offline' : connection;
    this.#error = connection === 'open' ? undefined : error;
    const data = { connection: this.#connection, retryAt, error: this.#error };
    this.#owner.frame({ type: 'status', data });
  }

  #beat(): void {
    const now = this.#platform.now();
    const beat = this.#heartbeat?.beat(now);
    if (!this.#heartbeat || !beat) return;
    if (beat === 'dead') return this.#gone(cut('the gateway has fallen silent'));
    if (beat === 'ping') this.#link?.send(PING);
    this.#later('beat', this.#heartbeat.due() - now, () => this.#beat());
  }

  /** A new token before the old one ends; in place on a socket, a stream is replaced by one that has it. */
  async #renew(end: number): Promise<void> {
    const { tokens } = this.#around;
    const { signal } = this.#attempt;
    // Without another the connection ends, and the page is told then.
    if (tokens.isStatic) return;
    try {
      const token = await tokens.fetch(signal);
      if (signal.aborted) return;
      if (this.#link?.kind === 'stream') this.#challenge('stream', token);
      else await this.#pending.ask((ref) => this.#link?.send({ type: 'refresh', token, ref }));
    } catch (thrown) {
      if (signal.aborted) return;
      this.#complain(failureOf(thrown, 'token'));
      if (this.#platform.now() + RENEW_MS < end) this.#later('renew', RENEW_MS, () => this.#renew(end));
    }
  }

  /** Whether sockets get through by now. */
  #probe(): void {
    this.#later('probe', this.#probeAfter, () => {
      this.#probeAfter = Math.min(MAX_PROBE_MS, this.#probeAfter * 2);
      this.#probe();
      const { signal } = this.#attempt;
      const challenge = (token: string) => signal.aborted || this.#challenge('socket', token);
      this.#around.tokens.last(signal).then(challenge, () => {});
    });
  }

  /** Opens a second connection beside the first, which goes when the second is greeted. */
  #challenge(kind: Link['kind'], token: string): void {
    this.#rival?.close();
    this.#rival = this.#dial(kind, token, () => (this.#rival = undefined));
  }
}

const PING = { type: 'ping' };
