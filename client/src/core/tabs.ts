import { failureOf } from './failure.js';
import { LEADER_ANSWER_MS, LEADER_COMMAND_MS, LEADER_PING_MS } from './limits.js';
import type { Answer } from './link.js';
import { createPending } from './pending.js';
import type { Platform } from './platform.js';
import type { Command, Frame } from './wire.js';

/** What the page of one tab is for the others of the same browser. */
export interface Tab<Picture> {
  /** The socket is yours now. */
  lead(): void;
  /** It is not any more. */
  resign(): void;
  /** All that a tab has to know that has just come. */
  picture(): Picture;
  /** The leader's. */
  follow(picture: Picture): void;
  /** What the leader has heard, in order. */
  frames(frames: readonly Frame[]): void;
  /** Another tab wants this done. */
  perform(command: Command, signal: AbortSignal): Promise<Answer>;
  /** Another tab wants to be connected now. */
  connect(): void;
}

/** What tabs say to each other. */
type Message<Picture> =
  | Hail
  | Asked
  | { readonly kind: 'answer'; readonly frame: Frame }
  | (Leading & Said<Picture>);

interface Hail {
  readonly kind: 'hello' | 'ping' | 'connect';
  readonly from: string;
}

interface Asked {
  readonly kind: 'ask';
  readonly from: string;
  readonly ref: string;
  readonly command: Command;
}

/** What a leader says. */
type Said<Picture> =
  | { readonly kind: 'lead' | 'pong' }
  | { readonly kind: 'picture'; readonly to: string; readonly picture: Picture }
  | { readonly kind: 'frames'; readonly frames: readonly Frame[] };

/** And with it. */
interface Leading {
  readonly from: string;
  /** When its time began; a leader that was frozen may not know that it is over. */
  readonly since: number;
  /** Rises by one with each `frames`. */
  readonly at: number;
}

/**
 * One socket for all tabs. Who holds the lock leads; the others hear what the leader hears, and ask it. That
 * saves connections and nothing depends on it: every tab drops what it has by id, so a tab may take over at any time,
 * and two that lead for a moment do no harm.
 */
export interface Tabs {
  /** Tells the others; together with what comes until `flush`. */
  publish(frame: Frame): void;
  flush(): void;
  /** Has the leader do it. */
  ask(command: Command): Promise<Answer>;
  /** Has the leader try to connect. */
  connect(): void;
  /** Whether the leader is alive; if not, this tab leads. */
  check(): void;
  /** Leads, whoever does now. */
  seize(): void;
  leave(): void;
}

/** @param name the same in all tabs that share */
export function joinTabs<Picture>(platform: Platform, name: string, tab: Tab<Picture>): Tabs {
  const id = `${platform.random()} ${platform.now()} `;
  const pending = createPending(platform, id);
  const channel = new platform.channel!(name);
  const over = new AbortController();
  /** Ends the wait for our turn. */
  let turn = over;
  /** Gives the lock back. */
  let release: (() => void) | undefined;
  let leads = false;
  /** Of the leader, which may be this tab. */
  let leader: Pick<Leading, 'from' | 'since'> = { from: '', since: -1 };
  let at = 0;
  /** Whether anybody listens. */
  let heard = false;
  let waiting: Frame[] = [];
  let cancel: (() => void) | undefined;

  const later = (ms: number, run: () => void) => {
    cancel?.();
    cancel = platform.after(ms, run);
  };

  const post = (message: Message<Picture>): boolean => {
    if (over.signal.aborted) return false;
    channel.postMessage(message);
    return true;
  };

  const hail = (kind: Hail['kind']) => post({ kind, from: id });

  const say = (said: Said<Picture>) => post({ ...said, ...leader, at });

  const request = (options: { signal: AbortSignal } | { steal: true }) => {
    const held = () =>
      new Promise<void>((resolve) => {
        if (over.signal.aborted) return resolve();
        release = resolve;
        lead();
      });
    platform.locks!.request(name, options, held).catch(() => {
      // Given up by ourselves, or taken by a tab that thought us dead.
      if (!leads) return;
      leads = false;
      waiting = [];
      tab.resign();
      stand();
    });
  };

  /** Waits for its turn, and hears meanwhile. */
  const stand = () => {
    turn = new AbortController();
    request({ signal: turn.signal });
    hail('hello');
    // Tabs that were opened together do not all seize together.
    later(LEADER_ANSWER_MS * (1 + platform.random()), seize);
  };

  const lead = () => {
    cancel?.();
    leads = true;
    heard = false;
    at = 0;
    leader = { from: id, since: Math.max(platform.now(), leader.since + 1) };
    say({ kind: 'lead' });
    pending.drop();
    tab.lead();
  };

  const seize = () => {
    if (leads) return;
    turn.abort();
    request({ steal: true });
  };

  const check = () => {
    if (leads) return;
    hail('ping');
    later(LEADER_ANSWER_MS, seize);
  };

  const flush = () => {
    if (waiting.length === 0) return;
    at++;
    say({ kind: 'frames', frames: waiting });
    waiting = [];
  };

  /** As the leader. */
  const serve = (message: Hail | Asked) => {
    if (message.kind === 'ask') {
      const { ref, command } = message;
      const answer = (type: string, data: Answer) => post({ kind: 'answer', frame: { type, data, ref } });
      tab.perform(command, over.signal).then(
        (data) => answer('done', data),
        (thrown: unknown) => answer('error', { ...failureOf(thrown) }),
      );
    } else if (message.kind === 'hello') {
      // What waits belongs to the picture already.
      flush();
      heard = true;
      say({ kind: 'picture', to: message.from, picture: tab.picture() });
    } else if (message.kind === 'ping') {
      say({ kind: 'pong' });
    } else {
      tab.connect();
    }
  };

  /** As one of the others. */
  const follow = (message: Leading & Said<Picture>) => {
    const { kind, from, since } = message;
    if (since < leader.since) return;
    later(LEADER_PING_MS * (1 + platform.random()), check);
    const known = from === leader.from;
    if (kind === 'picture') {
      if (message.to !== id) return;
      leader = { from, since };
      at = message.at;
      tab.follow(message.picture);
    } else if (kind === 'frames' && known && message.at <= at + 1) {
      if (message.at <= at) return;
      at = message.at;
      tab.frames(message.frames);
    } else if (kind !== 'pong' || !known) {
      // A new leader, or some of its words were lost.
      hail('hello');
    }
  };

  channel.onmessage = ({ data }) => {
    const message = data as Message<Picture>;
    if ('since' in message) {
      if (!leads) follow(message);
    } else if (message.kind === 'answer') {
      pending.settle(message.frame);
    } else if (leads) {
      serve(message);
    }
  };
  stand();

  return {
    check,
    seize,
    flush,
    connect: () => void hail('connect'),
    publish(frame) {
      if (leads && heard) waiting.push(frame);
    },
    async ask(command) {
      try {
        return await pending.ask((ref) => post({ kind: 'ask', from: id, ref, command }), LEADER_COMMAND_MS);
      } catch (thrown) {
        if (failureOf(thrown).code === 'timeout') check();
        throw thrown;
      }
    },
    leave() {
      over.abort();
      leads = false;
      turn.abort();
      release?.();
      cancel?.();
      pending.drop();
      channel.close();
    },
  };
}
