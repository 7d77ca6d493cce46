// The bell of one user: how many are unread, as the gateway counts, and a gentle ring.

const SWING = [0, 14, -12, 9, -6, 3, 0].map((degrees) => ({ transform: `rotate(${degrees}deg)` }));
const calm = matchMedia('(prefers-reduced-motion: reduce)');

export class Bell {
  #button;
  #unread = 0;

  constructor(button, onPress) {
    this.#button = button;
    this.#show();
    button.addEventListener('click', onPress);
  }

  set unread(count) {
    this.#unread = count;
    this.#show();
  }

  ring() {
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
