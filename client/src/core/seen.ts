/** The ids that were told, the newest of them; an inbox holds 200 unless configured. */
export class Seen {
  #ids = new Set<string>();
  #older = new Set<string>();

  constructor(private readonly room = 2_000) {}

  /** `false`: it was there before. */
  add(id: string): boolean {
    if (this.has(id)) return false;
    this.#ids.add(id);
    // Two halves that take turns forget in one step what a queue would forget one by one.
    if (this.#ids.size >= this.room / 2) {
      this.#older = this.#ids;
      this.#ids = new Set();
    }
    return true;
  }

  has(id: string): boolean {
    return this.#ids.has(id) || this.#older.has(id);
  }

  get size(): number {
    return this.#ids.size + this.#older.size;
  }
}
