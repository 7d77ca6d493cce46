import type { Failure } from '../types.js';
import { failureOf } from './failure.js';
import type { Answer, Reach } from './link.js';
import type { Snapshot } from './model.js';
import type { Keeper } from './platform.js';
import { createSession, type Owner, type Status } from './session.js';
import { createPlace, type Place } from './storage.js';
import { joinTabs, type Tabs } from './tabs.js';
import type { Command, Frame } from './wire.js';

/** What one tab tells another that has just come. */
interface Picture {
  readonly snapshot: Snapshot<never>;
  readonly status: Status;
}

/** Whom a line serves. */
export interface Listener extends Omit<Owner, 'admit'> {
  /** Whom the token names, before anything is heard. */
  user(user: string | undefined): void;
  /** Whether the socket is this tab's. */
  leads(leads: boolean): void;
  snapshot(): Snapshot<never>;
  adopt(snapshot: Snapshot<never>): void;
}

const OTHER_USER: Failure = {
  code: 'other_user',
  message: 'the token names another user: call disconnect() first',
};

/** The way to the gateway from this tab: its own session, or that of the tab which leads. */
export interface Line {
  stop(): void;
  /** Tries now, whatever there was before. */
  connect(): void;
  /** Through the leader where that is another; what it does not do is done over HTTP. */
  request(command: Command, signal: AbortSignal): Promise<Answer>;
  /** Sends to the other tabs what was heard. */
  flush(): void;
}

/** @param storage where the cursor is kept: unless given, where the browser keeps things */
export function createLine(
  around: Reach,
  listener: Listener,
  shared: boolean,
  storage: Keeper | false | undefined,
): Line {
  const { platform } = around;
  let status: Status = { connection: 'connecting', retryAt: undefined, error: undefined };
  /** Unknown until the first token is there. */
  let user: { readonly name: string | undefined } | undefined;
  let leads = false;
  let tabs: Tabs | undefined;
  let place: Place | undefined;

  const setLeads = (now: boolean) => listener.leads((leads = now));

  const frame = (frame: Frame) => {
    if (frame.type === 'status') status = frame.data as unknown as Status;
    listener.frame(frame);
  };

  const session = createSession(around, {
    cursor: () => listener.cursor() ?? place?.read(),
    frame(heard) {
      frame(heard);
      place?.keep(listener.cursor());
      tabs?.publish(heard);
    },
    /** Whom the token names decides with which tabs this one shares. */
    admit(name) {
      if (user) return name === user.name ? leads : OTHER_USER;
      user = { name };
      listener.user(name);
      // Without a name there is nothing to tell the users of this browser apart.
      if (name !== undefined) {
        const key = `campanile:${around.endpoints.base()}:${name}`;
        place = createPlace(platform, storage, key);
        if (shared && platform.locks && platform.channel) {
          tabs = share(key);
          return false;
        }
      }
      setLeads(true);
      return true;
    },
  });

  const share = (key: string) =>
    joinTabs<Picture>(platform, key, {
      lead() {
        setLeads(true);
        session.start();
      },
      resign() {
        session.stop();
        setLeads(false);
      },
      picture: () => ({ snapshot: listener.snapshot(), status }),
      follow(picture) {
        listener.adopt(picture.snapshot);
        frame({ type: 'status', data: { ...picture.status } });
      },
      frames: (frames) => frames.forEach(frame),
      perform: session.request,
      connect,
    });

  const connect = () => {
    if (leads || !tabs) session.start();
    // The leader's token may be what is wrong; ours may be better.
    else if (status.connection === 'closed') tabs.seize();
    else tabs.connect();
  };

  const nudge = () => {
    session.nudge();
    tabs?.check();
  };
  const unwatch = platform.watch({
    online: nudge,
    visible: nudge,
    offline: session.offline,
    hidden: () => place?.flush(),
  });
  session.start();

  return {
    connect,
    stop() {
      unwatch();
      place?.flush();
      session.stop();
      tabs?.leave();
    },
    async request(command, signal) {
      if (!leads && tabs) {
        try {
          return await tabs.ask(command);
        } catch (thrown) {
          const { code } = failureOf(thrown);
          if (signal.aborted || (code !== 'timeout' && code !== 'network')) throw thrown;
        }
      }
      return session.request(command, signal);
    },
    flush: () => tabs?.flush(),
  };
}
