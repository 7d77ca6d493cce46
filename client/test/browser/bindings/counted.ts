import { Campanile, type Options } from '../../../src/index.js';

/** A store that knows how many listen to it. */
export class Counted extends Campanile {
  listeners = 0;

  constructor(options: Options) {
    super(options);
    const { subscribe } = this;
    this.subscribe = (listener) => {
      this.listeners += 1;
      const stop = subscribe(listener);
      return () => {
        this.listeners -= 1;
        stop();
      };
    };
  }
}
