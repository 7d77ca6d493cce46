import type { Connection, Failure } from '../types.js';
import { backoff, slowBackoff } from './backoff.js';
import { cut, type Gone } from './closing.js';
import { failureOf } from './failure.js';
import { createGate } from './gate.js';
import { createHeartbeat, type Heartbeat } from './heartbeat.js';
import {
  ATTEMPT_MS,
  BLOCKED,
  BUSY_MS,
  HEALTHY_MS,
  MAX_ADVICE_MS,
  MAX_BUSY,
  NUDGE_MS,
  RENEW_MS,
} from './limits.js';
import type { Answer, Hearing, Link, Reach } from './link.js';
import { createPending } from './pending.js';
import { openSocket } from './socket.js';
import { ask, openStream } from './stream.js';
import { type Command, type Frame, userOf } from './wire.js';

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

/** Keeps one user connected: attempts, waits, heartbeat, tokens; and asks what the page wants asked. */
export interface Session {
  /** Tries now, whatever there was before. */
  start(): void;
  /** Ends it, without a word. */
  stop(): void;
  /** The network may be back, or the page is looked at again: one attempt now, or a question to the peer. */
  nudge(): void;
  /** The browser says that the network is gone. It may be wrong, so attempts go on. */
  offline(): void;
  /** Over the socket; over HTTP while there is none. */
  request(command: Command, signal: AbortSignal): Promise<Answer>;
}

type Timer = 'next' | 'beat' | 'renew';

const PING = { type: 'ping' };

export function createSession(around: Reach, owner: Owner): Session {
  const { platform, tokens, transport } = around;
  const pass = createGate();
  const pending = createPending(platform);

  /** The connection in use, or being made. */
  let link: Link | undefined;
  /** Of the attempt or connection; what belongs to an older one is late. */
  let attempt = new AbortController();
  let attemptedAt = -Infinity;
  /** When it was greeted. */
  let openedAt: number | undefined;
  let heartbeat: Heartbeat | undefined;
  let connection: Connection = 'idle';
  let error: Failure | undefined;
  let advice: number | undefined;
  /** Attempts in a row that came to nothing, or to little. */
  let failures = 0;
  /** Whether the last token was refused; of two in a row the page has no better. */
  let refused = false;
  /** A token was fetched ahead: the next attempt is to use it. */
  let spare = false;
  let muteSockets = 0;
  /** What is due, by name; how to call it off. */
  const due: Partial<Record<Timer, () => void>> = {};

  const cancel = (name: Timer) => due[name]?.();

  const later = (name: Timer, ms: number, run: () => void) => {
    cancel(name);
    due[name] = platform.after(ms, run);
  };

  const isWaiting = () => connection === 'waiting' || (connection === 'offline' && !link);

  const report = (next: Connection, why = error, retryAt?: number) => {
    const away = next === 'connecting' || next === 'waiting';
    connection = away && !platform.isOnline() ? 'offline' : next;
    error = next === 'open' ? undefined : why;
    owner.frame({ type: 'status', data: { connection, retryAt, error } });
  };

  const complain = (failure: Failure) => owner.frame({ type: 'error', data: { ...failure } });

  /** Lets go of all that belongs to the attempt or connection. */
  const drop = () => {
    attempt.abort();
    link?.close();
    link = openedAt = heartbeat = advice = undefined;
    for (const cancel of Object.values(due)) cancel();
    pending.drop();
  };

  const end = (failure: Failure) => {
    drop();
    report('closed', failure);
    complain(failure);
  };

  const start = () => {
    drop();
    const { signal } = (attempt = new AbortController());
    attemptedAt = platform.now();
    report('connecting');
    const token = spare ? tokens.last(signal) : tokens.fetch(signal);
    spare = false;
    token.then(
      (token) => {
        if (signal.aborted) return;
        const admitted = owner.admit(userOf(token));
        if (admitted === true) {
          later('next', ATTEMPT_MS, () => gone(cut('the gateway is silent', true)));
          dial(token);
        } else {
          spare = true;
          if (admitted) end(admitted);
        }
      },
      (thrown: unknown) => {
        if (!signal.aborted) gone({ verdict: 'again', failure: failureOf(thrown, 'token') });
      },
    );
  };

  const dial = (token: string) => {
    let mine: Link | undefined;
    const hearing: Hearing = {
      heard: () => mine === link && heartbeat?.heard(platform.now()),
      frame: (frame) => mine && mine === link && !pending.settle(frame) && hear(mine, frame),
      replaced(by = mine) {
        link = mine = by;
        openedAt = undefined;
        pending.drop();
      },
      gone: (end) => mine && mine === link && gone(end),
    };
    try {
      // In turns, so that a gateway that is merely away does not leave everyone on streams.
      const isBlocked = muteSockets >= BLOCKED && muteSockets % 2 === 0;
      const kind = transport === 'auto' && isBlocked ? 'stream' : transport;
      link = mine = (kind === 'stream' ? openStream : openSocket)(around, token, owner.cursor, hearing);
    } catch (thrown) {
      // There is no WebSocket, or this page may not have this one.
      queueMicrotask(() => gone(cut(failureOf(thrown).message, true)));
    }
  };

  const hear = ({ kind }: Link, frame: Frame) => {
    const { type, data } = frame;
    if (type === 'connected' && !openedAt) opened(kind, data);
    if (type === 'reconnect') advice = Math.min(Number(data.after_ms), MAX_ADVICE_MS);
    else if (type === 'token_expiring') void renew(platform.now() + Number(data.in_s) * 1000);
    // Before the greeting an error says why the connection ends; that is told then.
    else if (type !== 'pong' && openedAt) owner.frame(frame);
  };

  const opened = (kind: Link['kind'], data: Frame['data']) => {
    cancel('next');
    openedAt = platform.now();
    advice = undefined;
    refused = false;
    heartbeat = createHeartbeat((Number(data.ping_interval) || 54) * 1000, openedAt);
    beat();
    report('open');
    if (kind === 'socket') muteSockets = 0;
  };

  const gone = ({ verdict, failure, mute, after = 0 }: Gone) => {
    const now = platform.now();
    const isNew = !openedAt;
    const healthy = now - (openedAt ?? now) >= HEALTHY_MS;
    if (healthy) failures = 0;
    if (isNew && platform.isOnline()) muteSockets = mute || link?.kind === 'stream' ? muteSockets + 1 : 0;
    const advised = advice;
    drop();

    if (verdict === 'final') return end(failure);
    if (verdict === 'token') {
      if (refused || tokens.isStatic) return end(failure);
      refused = true;
      // One that is cut off again and again, whatever its token, has to wait like others.
      if (healthy || isNew) return start();
    }
    const { random } = platform;
    const usual = verdict === 'slow' ? slowBackoff(random) : backoff(failures, random);
    failures++;
    const delay = advised ?? after + usual;
    later('next', delay, start);
    report('waiting', failure, now + delay);
    complain(failure);
  };

  const beat = () => {
    const now = platform.now();
    const word = heartbeat?.beat(now);
    if (!heartbeat) return;
    if (word === 'dead') return gone(cut('the gateway is silent'));
    if (word === 'ping') link?.send(PING);
    later('beat', heartbeat.due() - now, beat);
  };

  /** A new token before the old one ends. */
  const renew = async (end: number): Promise<void> => {
    const { signal } = attempt;
    // Without another the connection ends, and the page is told then.
    if (tokens.isStatic) return;
    try {
      const token = await tokens.fetch(signal);
      if (signal.aborted) return;
      if (link?.renew) link.renew(token);
      else await pending.ask((ref) => link?.send({ type: 'refresh', token, ref }));
    } catch (thrown) {
      if (signal.aborted) return;
      complain(failureOf(thrown, 'token'));
      if (platform.now() + RENEW_MS < end) later('renew', RENEW_MS, () => void renew(end));
    }
  };

  const tell = async (command: Command, signal: AbortSignal): Promise<Answer> => {
    for (let tries = 0; ; tries++) {
      try {
        if (openedAt && link?.kind === 'socket') {
          return await pending.ask((ref) => link?.send({ ...command, ref }));
        }
        return await ask(around, command, signal);
      } catch (thrown) {
        const { code } = failureOf(thrown);
        const isBusy = code === 'busy' || code === 'rate_limited';
        // Commands can be repeated without harm, so one that was cut off goes over HTTP.
        const isCut = code === 'network' && tries === 0 && !openedAt;
        if (signal.aborted || tries >= MAX_BUSY || !(isBusy || isCut)) throw thrown;
        if (isBusy) await new Promise<void>((resolve) => platform.after(BUSY_MS, resolve));
      }
    }
  };

  return {
    start() {
      if (openedAt) return;
      failures = 0;
      refused = false;
      start();
    },
    stop() {
      drop();
      connection = 'idle';
      error = undefined;
    },
    nudge() {
      const now = platform.now();
      if (openedAt) {
        // A stream cannot be asked; its comments come often enough.
        if (link?.kind === 'socket' && heartbeat?.probe(now)) link.send(PING);
        beat();
      } else if (isWaiting() && now - attemptedAt >= NUDGE_MS) {
        start();
      }
    },
    offline() {
      if (link || isWaiting()) gone(cut('the browser is offline'));
    },
    async request(command, signal) {
      const answer = await pass(() => tell(command, signal), signal);
      if (command.type !== 'list') owner.frame({ type: 'unread_count', data: answer });
      return answer;
    },
  };
}
