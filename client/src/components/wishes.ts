// What somebody may want beside the list: notifications of the operating system, a quiet sound. Both are off until they
// are switched on; what makes them comes with the menu.

export type Option = 'alerts' | 'sound';

/** Remembered for all tabs of this origin. */
export function isWanted(option: Option): boolean {
  try {
    return localStorage.getItem(`campanile:${option}`) === '1';
  } catch {
    // A page without storage has what is off by default.
    return false;
  }
}

/** A lock that every tab shares while it is seen. */
export const VISIBLE = 'campanile:visible';
let watching = false;

/** While a tab is seen it says so to the others of this browser: one of them may have been told to alert. */
export function watchVisibility(): void {
  if (watching || !navigator.locks) return;
  watching = true;
  let hide: (() => void) | undefined;
  const change = () => {
    hide?.();
    if (document.hidden) return;
    const seen = new Promise<void>((resolve) => (hide = resolve));
    void navigator.locks.request(VISIBLE, { mode: 'shared' }, () => seen);
  };
  document.addEventListener('visibilitychange', change);
  change();
}
