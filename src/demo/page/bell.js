// The bell of one user: how many are unread, and a gentle ring.

const SWING = [0, 14, -12, 9, -6, 3, 0].map((degrees) => ({ transform: `rotate(${degrees}deg)` }));
const calm = matchMedia('(prefers-reduced-motion: reduce)');

export class Bell {
  #button;
  #unread = 0;

  /** Pressing the button marks everything as read, and then calls `onRead`. */
  constructor(button, onRead) {
    this.#button = button;
    this.#show();
    button.addEventListener('click', () => {
      this.#unread = 0;
      this.#show();
      onRead();
    });
  }

  ring() {
    this.#unread += 1;
    this.#show();
    if (calm.matches) return;
    this.#button.querySelector('svg').animate(SWING, { duration: 900, easing: 'ease-out' });
  }

  #show() {
    const badge = this.#button.querySelector('.badge');
    badge.hidden = this.#unread === 0;
    badge.textContent = this.#unread > 99 ? '99+' : this.#unread;
    this.#button.ariaLabel = `Notifications, ${this.#unread} unread`;
  }
}
