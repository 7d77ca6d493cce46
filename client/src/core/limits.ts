// Every figure of the core in one place, without imports: a bundler then writes the numbers where they are used.

/** From the first step of an attempt to the greeting. */
export const ATTEMPT_MS = 10_000;
/** A connection that lasted less is no sign that things go well. */
export const HEALTHY_MS = 10_000;
/** Between two immediate attempts that something outside has caused. */
export const NUDGE_MS = 1_000;
/** Sockets that fail in a row before an event stream is tried. */
export const BLOCKED = 2;
/** Until sockets are tried again while a stream stands in; doubles with every failure, up to the second. */
export const PROBE_MS = 5 * 60_000;
export const MAX_PROBE_MS = 60 * 60_000;
/** The most that advice of the gateway can hold a client back. */
export const MAX_ADVICE_MS = 5 * 60_000;

/** Until the answer to a command must be there. */
export const DEADLINE_MS = 10_000;
/** A gateway does 8 commands of one connection at a time. */
export const COMMANDS_AT_ONCE = 6;
/** Before a command is repeated that was one too many. */
export const BUSY_MS = 1_000;
export const MAX_BUSY = 10;

/** How long the page may take to come up with a token. */
export const TOKEN_MS = 30_000;
/** Between two tries for a new token; the warning comes half a minute before the end. */
export const RENEW_MS = 5_000;

/** Silence of a leading tab after which it is asked whether it is alive. */
export const LEADER_PING_MS = 10_000;
/** A leader that does not answer within this is frozen, and replaced. */
export const LEADER_ANSWER_MS = 3_000;
/** A command that the leader has not done within this is done without it. */
export const LEADER_COMMAND_MS = 5_000;

/** The cursor is written at most this often, and when the page may be left. */
export const STORAGE_MS = 1_000;
/** Changes are shown together at most this often: once per frame of a screen. */
export const FRAME_MS = 16;
/** The same while nobody looks. */
export const HIDDEN_MS = 250;

/** Notifications held unless `Options.keep` says otherwise. */
export const KEEP = 50;
/** The most that one page of the gateway holds. */
export const MAX_PAGE = 200;
/** Events that wait for a flush; with more of them there is one at once. */
export const MAX_TOLD = 500;
/** Ids that were told and are remembered; an inbox holds 200 unless configured. */
export const MAX_SEEN = 2_000;
