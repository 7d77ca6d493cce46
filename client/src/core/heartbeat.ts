/** How long an answer to our ping may take. */
const ANSWER_MS = 10_000;
/** The same where there is a reason to doubt, and a user who waits. */
const PROBE_MS = 4_000;
/** Silence of this many ping intervals is worth a question. */
const PATIENCE = 1.5;

/**
 * When to ask whether the gateway is still there, and when to give up. No clock and no timer of its own.
 * A page does not see the pings of RFC 6455, so silence is no proof: it asks with a frame.
 */
export interface Heartbeat {
  /** Anything arrived. */
  heard(now: number): void;
  /** Asks at once, as after the network has changed; returns whether a ping is to be sent. */
  probe(now: number): boolean;
  beat(now: number): 'wait' | 'ping' | 'dead';
  /** When `beat` has something to say next. */
  due(): number;
}

/** @param interval milliseconds between two pings of the gateway */
export function createHeartbeat(interval: number, heard: number): Heartbeat {
  let asked: number | undefined;
  let answer = ANSWER_MS;
  /** Whether the question was repeated because this side had slept. */
  let again = false;
  const due = () => (asked ? asked + answer : heard + interval * PATIENCE);
  return {
    due,
    heard(now) {
      heard = now;
      asked = undefined;
      again = false;
      answer = ANSWER_MS;
    },
    probe(now) {
      if (asked) return false;
      asked = now;
      answer = PROBE_MS;
      return true;
    },
    beat(now) {
      // The clock was set back; what is measured from the future would never be due.
      heard = Math.min(heard, now);
      asked &&= Math.min(asked, now);
      if (now < due()) return 'wait';
      if (asked) {
        // Unless it is much too late: the page was frozen or throttled, and the answer may be in the queue behind us.
        if (again || now - asked < 2 * answer) return 'dead';
        again = true;
      }
      asked = now;
      return 'ping';
    },
  };
}
