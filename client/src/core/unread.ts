/** The count, as the gateway tells it; it is never computed here, so it cannot drift. */
export class Unread {
  count: number | undefined;
  version: number | undefined;

  /**
   * Returns whether the count has changed. A lower version is news from the past.
   * @param anew the gateway could not say that the log is the one that we know: versions may begin again
   */
  set(count: unknown, version: unknown, anew = false): boolean {
    if (typeof count !== 'number' || typeof version !== 'number') return false;
    if (!anew && version <= (this.version ?? -1)) return false;
    const changed = count !== this.count;
    Object.assign(this, { count, version });
    return changed;
  }
}
