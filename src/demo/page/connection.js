// One user's socket: opens it, keeps it open, and says how it is doing.

const SUBPROTOCOL = 'campanile.v1';
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/** Whether the gateway said with this close code that the same attempt would fail again. */
const isFinal = (code) => (code >= 4000 && code <= 4007) || code === 4009;

/**
 * Events: `notification` (detail: the notification), `count` (detail: how many are unread), `read` (everything is, on
 * some device) and `state` (detail: `{name, ...}` with name `connecting`, `connected` (`missing`: not everything could
 * be caught up), `offline` (`reason`) or `waiting` (`until`, ms since the epoch)).
 */
export class Connection extends EventTarget {
  #token;
  #socket = null;
  #timer = 0;
  /** What belongs to an older ticket is late and ignored. */
  #ticket = null;
  #failures = 0;
  #advised = null;
  /** Where the log of the user goes on for this page; a page that was just opened begins with the unread. */
  #cursor = 'unread';
  #version = 0;

  /** `token()` resolves to a token; it is asked before each attempt, since tokens expire. */
  constructor(token) {
    super();
    this.#token = token;
  }

  open() {
    this.#drop();
    this.#failures = 0;
    this.#dial();
  }

  close(reason = '') {
    this.#drop();
    this.#state({ name: 'offline', reason });
  }

  async #dial() {
    const ticket = (this.#ticket = {});
    this.#state({ name: 'connecting' });
    const token = await this.#token().catch(() => null);
    if (this.#ticket !== ticket) return;
    if (!token) return this.#wait();

    const url = new URL('/ws/notifications', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    url.searchParams.set('cursor', this.#cursor);
    // A URL ends up in logs; a subprotocol does not.
    const socket = new WebSocket(url, [SUBPROTOCOL, `bearer.${token}`]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#ticket === ticket && this.#heard(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      if (this.#ticket !== ticket) return;
      if (isFinal(code)) this.close(reason || `code ${code}`);
      else this.#wait();
    };
  }

  #heard({ type, data }) {
    if (type === 'connected') {
      this.#failures = 0;
      this.#count(data.unread_count, data.version);
      this.#state({ name: 'connected', missing: data.recovered === false });
    } else if (type === 'notification') {
      this.dispatchEvent(new CustomEvent('notification', { detail: data }));
    } else if (type === 'unread_count') {
      this.#count(data.count, data.version);
    } else if (type === 'notification_update' && data.status === 'all_read') {
      this.dispatchEvent(new Event('read'));
    }
    this.#cursor = data?.cursor ?? this.#cursor;
    if (type === 'reconnect') {
      this.#advised = data.after_ms;
    }
  }

  /** Has everything marked as read, on all devices. */
  readAll() {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type: 'mark_all_read' }));
    }
  }

  /** Of two counts, the one with the higher version is newer. */
  #count(count, version) {
    if (count === undefined || version < this.#version) return;
    this.#version = version;
    this.dispatchEvent(new CustomEvent('count', { detail: count }));
  }

  /** Jittered, so that the clients of a gateway that went away do not all come back at once. */
  #wait() {
    const backoff = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures);
    const delay = this.#advised ?? backoff * (0.5 + Math.random() / 2);
    this.#advised = null;
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#dial(), delay);
    this.#state({ name: 'waiting', until: Date.now() + delay });
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#ticket = null;
    this.#advised = null;
    this.#socket?.close(1000);
    this.#socket = null;
  }

  #state(detail) {
    this.dispatchEvent(new CustomEvent('state', { detail }));
  }
}
