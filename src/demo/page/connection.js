// One user's socket: opens it, keeps it open, and says how it is doing.

const SUBPROTOCOL = 'campanile.v1';
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/** Whether the gateway said with this close code that the same attempt would fail again. */
const isFinal = (code) => (code >= 4000 && code <= 4007) || code === 4009;

/**
 * Events: `notification` (detail: the notification) and `state` (detail: `{name, ...}` with name
 * `connecting`, `connected`, `offline` (`reason`) or `waiting` (`until`, ms since the epoch)).
 */
export class Connection extends EventTarget {
  #token;
  #socket = null;
  #timer = 0;
  /** What belongs to an older ticket is late and ignored. */
  #ticket = null;
  #failures = 0;
  #advised = null;

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
      this.#state({ name: 'connected' });
    } else if (type === 'notification') {
      this.dispatchEvent(new CustomEvent('notification', { detail: data }));
    } else if (type === 'reconnect') {
      this.#advised = data.after_ms;
    }
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
