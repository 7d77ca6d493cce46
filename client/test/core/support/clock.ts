/** A clock that goes when it is told to. */
export class Clock {
  time = 1_000_000_000_000;
  readonly #timers = new Set<{ at: number; run: () => void }>();

  now = () => this.time;

  after = (ms: number, run: () => void) => {
    const timer = { at: this.time + Math.max(0, ms), run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  /** Lets promises settle. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await this.settle();
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (!next || next.at > end) break;
      this.#timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
    await this.settle();
  }
}
