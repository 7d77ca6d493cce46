import type { Connection, Failure } from '../types.js';
import { Backoff } from './backoff.js';
import { closed, type Gone } from './closing.js';
import type { Endpoints } from './endpoints.js';
import { CampanileError, failureOf } from './failure.js';
import { Gate } from './gate.js';
import { Heartbeat } from './heartbeat.js';
import type { Answer, Api } from './http.js';
import type { Link } from './link.js';
import { Pending } from './pending.js';
import type { Platform } from './platform.js';
import { Renewal } from './renewal.js';
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
/** Until sockets are tried again while a stream works; doubles with every failure. */
const PROBE_MS = 5 * 60_000;
const MAX_PROBE_MS = 60 * 60_000;
/** The most that advice of the gateway can hold a client back. */
const MAX_ADVICE_MS = 5 * 60_000;

const TIMERS = ['wait', 'deadline', 'beat', 'probe'] as const;
type Timer = (typeof TIMERS)[number];

export interface Status {
  readonly connection: Connection;
  readonly retryAt: number | undefined;
  readonly error: Failure | undefined;
}

/** Whom a session serves. */
export interface Owner {
  /** From where to go on. */
  cursor(): string | undefined;
  frame(frame: Frame): void;
  status(status: Status): void;
  /** Something failed that does not end the connection. */
  error(failure: Failure): void;
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
  readonly #owner: Owner;
  readonly #user: string | undefined;
  readonly #backoff: Backoff;
  readonly #gate: Gate;
  readonly #pending: Pending;
  readonly #over = new AbortController();
  readonly #renewal: Renewal;

  /** The connection in use, or being made. */
  #link: Link | undefined;
  /** A second one that takes its place once it is greeted. */
  #rival: Link | undefined;
  /** Of the attempt under way; what belongs to an older one is late. */
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
  #timers: { [name in Timer]?: unknown } = {};

  constructor(around: Surrounded, owner: Owner, user: string | undefined) {
    this.#around = around;
    this.#owner = owner;
    this.#user = user;
    this.#backoff = new Backoff(around.platform.random);
    this.#gate = new Gate(around.platform);
    this.#pending = new Pending(around.platform);
    this.#renewal = new Renewal(around.platform, around.tokens, {
      renewed: (token) => this.#renewed(token),
      error: (failure) => owner.error(failure),
    });
    this.#try();
  }

  /** Ends it for good. */
  stop(): void {
    this.#over.abort();
    this.#drop();
    this.#pending.drop();
    this.#report('idle');
  }

  /** Tries now, whatever there was before. */
  restart(): void {
    if (this.#connection === 'open' || this.#over.signal.aborted) return;
    this.#backoff.reset();
    this.#refused = false;
    this.#try();
  }

  /** The network may be back, or the page is looked at again: one attempt now, or a question to the peer. */
  nudge(): void {
    if (this.#openedAt !== undefined) return this.#probePeer();
    const now = this.#around.platform.now();
    if (!this.#timers.wait || now - this.#attemptedAt < NUDGE_MS) return;
    this.#try();
  }

  /** The browser says that the network is gone. It may be wrong, so attempts go on. */
  offline(): void {
    if (this.#link || this.#timers.wait) {
      this.#gone(closed(1006, 'the browser is offline', undefined));
    }
  }

  /** Over the socket; over HTTP while there is none. */
  async request(command: Command, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#gate.pass(() => this.#ask(command, signal), signal);
    if (command.type !== 'list') {
      this.#owner.frame({ type: 'unread_count', data: answer, ref: undefined });
    }
    return answer;
  }

  async #ask(command: Command, signal: AbortSignal): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      try {
        if (this.#openedAt !== undefined && this.#link?.kind === 'socket') {
          return await this.#pending.ask((ref) => this.#link?.send({ ...command, ref }) === true);
        }
        return await this.#around.api.ask(command, signal);
      } catch (thrown) {
        const { code } = failureOf(thrown, 'network');
        if (signal.aborted || tries >= 2) throw thrown;
        // Commands can be repeated without harm, so one that was cut off goes over HTTP.
        if (code === 'network' && tries === 0 && this.#openedAt === undefined) continue;
        if (code !== 'busy' && code !== 'rate_limited') throw thrown;
        await this.#pause(1_000);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#around.platform.setTimeout(resolve, ms));
  }

  #try(): void {
    this.#drop();
    const attempt = (this.#attempt = new AbortController());
    const { platform, tokens } = this.#around;
    this.#attemptedAt = platform.now();
    this.#report('connecting');
    tokens.next(attempt.signal).then(
      (token) => {
        if (attempt.signal.aborted) return;
        if (userOf(token) !== this.#user) return this.#end(OTHER_USER);
        this.#link = this.#dial(this.#kind(), token, (gone) => this.#gone(gone));
        this.#timers.deadline = platform.setTimeout(() => {
          this.#link?.close();
          const gone = closed(1006, 'the gateway did not greet in time', undefined);
          this.#gone({ ...gone, mute: this.#link?.kind === 'socket' });
        }, ATTEMPT_MS);
      },
      (thrown: unknown) => {
        if (attempt.signal.aborted) return;
        this.#gone({ verdict: 'again', failure: failureOf(thrown, 'token') });
      },
    );
  }

  #kind(): Link['kind'] {
    const { transport } = this.#around;
    if (transport !== 'auto') return transport;
    // In turns, so that a gateway that is merely away does not leave everyone on streams.
    return this.#muteSockets >= BLOCKED && this.#muteSockets % 2 === 0 ? 'stream' : 'socket';
  }

  #dial(kind: Link['kind'], token: string, gone: (gone: Gone) => void): Link {
    const { platform, endpoints } = this.#around;
    const open = kind === 'socket' ? openSocket : openStream;
    const link = open(platform, endpoints, token, this.#owner.cursor(), {
      heard: () => {
        if (link === this.#link) this.#heartbeat?.heard(platform.now());
      },
      frame: (frame) => this.#frame(link, frame),
      gone: (end) => {
        if (link === this.#link || link === this.#rival) gone(end);
      },
    });
    return link;
  }

  #frame(link: Link, frame: Frame): void {
    const { type, data } = frame;
    if (link === this.#rival) {
      // The first word of a second connection: from here on it is the first.
      if (type !== 'connected') return;
      this.#link?.close();
      this.#link = link;
      this.#rival = undefined;
      this.#pending.drop();
      this.#opened(data);
      return this.#owner.frame(frame);
    }
    if (link !== this.#link) return;
    if (this.#pending.settle(frame)) return;
    if (type === 'connected' && this.#openedAt === undefined) this.#opened(data);
    if (type === 'reconnect') {
      this.#advice = Math.min(Math.max(0, Number(data.after_ms) || 0), MAX_ADVICE_MS);
    } else if (type === 'token_expiring') {
      this.#renewal.expiring(Number(data.in_s) * 1000 || 0);
    } else if (type === 'error') {
      if (this.#openedAt !== undefined) {
        this.#owner.error({ code: String(data.code), message: String(data.message) });
      }
    } else if (type !== 'pong') {
      this.#owner.frame(frame);
    }
  }

  #opened(data: Record<string, unknown>): void {
    const { platform } = this.#around;
    this.#clear('deadline');
    this.#openedAt = platform.now();
    this.#advice = undefined;
    this.#refused = false;
    const interval = (Number(data.ping_interval) || 54) * 1000;
    this.#heartbeat = new Heartbeat(interval, platform.now());
    this.#beat();
    this.#report('open');
    if (this.#link?.kind === 'socket') {
      this.#muteSockets = 0;
      this.#probeAfter = PROBE_MS;
      this.#clear('probe');
    } else if (this.#around.transport === 'auto') {
      this.#probeSocketLater();
    }
  }

  #gone(gone: Gone): void {
    const { platform, tokens } = this.#around;
    const opened = this.#openedAt !== undefined;
    const healthy = platform.now() - (this.#openedAt ?? Infinity) >= HEALTHY_MS;
    if (healthy) this.#backoff.reset();
    if (this.#link && !opened && platform.isOnline()) {
      const mute = this.#link.kind === 'stream' || gone.mute;
      this.#muteSockets = mute ? this.#muteSockets + 1 : 0;
    }
    const advice = this.#advice;
    this.#drop();

    if (gone.verdict === 'final') return this.#end(gone.failure);
    if (gone.verdict === 'token') {
      if (tokens.isStatic || this.#refused) return this.#end(gone.failure);
      this.#refused = true;
      // One that is cut off again and again, whatever its token, has to wait like others.
      if (healthy || !opened) return this.#try();
    }
    const usual = gone.verdict === 'slow' ? this.#backoff.slow() : this.#backoff.next();
    this.#wait(advice ?? (gone.after ?? 0) + usual, gone.failure);
  }

  #wait(delay: number, failure: Failure): void {
    const { platform } = this.#around;
    this.#report('waiting', failure, platform.now() + delay);
    this.#timers.wait = platform.setTimeout(() => this.#try(), delay);
    this.#owner.error(failure);
  }

  #end(failure: Failure): void {
    this.#drop();
    this.#report('closed', failure);
    this.#owner.error(failure);
  }

  /** Lets go of all that belongs to the attempt or connection. */
  #drop(): void {
    this.#attempt.abort();
    this.#renewal.stop();
    this.#link?.close();
    this.#rival?.close();
    this.#link = this.#rival = this.#openedAt = this.#heartbeat = this.#advice = undefined;
    for (const name of TIMERS) this.#clear(name);
    this.#pending.drop();
  }

  #clear(name: Timer): void {
    if (this.#timers[name] !== undefined) this.#around.platform.clearTimeout(this.#timers[name] as never);
    delete this.#timers[name];
  }

  #report(connection: Connection, error = this.#error, retryAt?: number): void {
    const away = connection === 'connecting' || connection === 'waiting';
    this.#error = connection === 'open' || connection === 'idle' ? undefined : error;
    this.#connection = away && !this.#around.platform.isOnline() ? 'offline' : connection;
    this.#owner.status({
      connection: this.#connection,
      retryAt: this.#connection === 'waiting' ? retryAt : undefined,
      error: this.#error,
    });
  }

  #probePeer(): void {
    // A stream cannot be asked; its comments come often enough.
    if (this.#link?.kind === 'socket' && this.#heartbeat?.probe(this.#around.platform.now())) {
      this.#link.send({ type: 'ping' });
    }
    this.#beat();
  }

  #beat(): void {
    const { platform } = this.#around;
    const now = platform.now();
    this.#clear('beat');
    switch (this.#heartbeat?.beat(now)) {
      case undefined:
        return;
      case 'dead':
        return this.#gone(closed(1006, 'the gateway has fallen silent', undefined));
      case 'ping':
        this.#link?.send({ type: 'ping' });
        break;
      case 'wait':
    }
    const due = this.#heartbeat?.due() ?? now;
    this.#timers.beat = platform.setTimeout(() => this.#beat(), Math.max(0, due - now));
  }

  /** In place on a socket; a stream is replaced by one with the new token. */
  async #renewed(token: string): Promise<void> {
    if (userOf(token) !== this.#user) throw new CampanileError(OTHER_USER.code, OTHER_USER.message);
    if (this.#link?.kind === 'socket') {
      await this.#pending.ask((ref) => this.#link?.send({ type: 'refresh', token, ref }) === true);
    } else {
      this.#challenge('stream', token);
    }
  }

  #probeSocketLater(): void {
    const { platform, tokens } = this.#around;
    this.#clear('probe');
    this.#timers.probe = platform.setTimeout(() => {
      const { signal } = this.#attempt;
      tokens.last(signal).then(
        (token) => {
          if (!signal.aborted) this.#challenge('socket', token);
        },
        () => {},
      );
      this.#probeAfter = Math.min(MAX_PROBE_MS, this.#probeAfter * 2);
      this.#probeSocketLater();
    }, this.#probeAfter);
  }

  /** Opens a second connection beside the first, which goes when the second is greeted. */
  #challenge(kind: Link['kind'], token: string): void {
    this.#rival?.close();
    this.#rival = this.#dial(kind, token, () => {
      this.#rival?.close();
      this.#rival = undefined;
    });
  }
}

const OTHER_USER: Failure = {
  code: 'other_user',
  message: 'the new token names another user; make a new Campanile for another user',
};
