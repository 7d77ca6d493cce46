// Notifications of the operating system and a quiet sound: both off until somebody switches them on.

import type { Item, Store } from '../types.js';

export type Option = 'alerts' | 'sound';

/** Remembered for all tabs of this origin. */
export function isOn(option: Option): boolean {
  try {
    const on = localStorage.getItem(`campanile:${option}`) === '1';
    return on && (option === 'sound' || globalThis.Notification?.permission === 'granted');
  } catch {
    // A page without storage has what is off by default.
    return false;
  }
}

/**
 * Called for a click only: browsers want one, for the question as for the sound.
 * Resolves to whether it is now as wanted.
 */
export async function turn(option: Option, on: boolean): Promise<boolean> {
  if (on && option === 'alerts' && (await Notification.requestPermission()) !== 'granted') {
    return false;
  }
  if (on && option === 'sound') void chime();
  try {
    localStorage.setItem(`campanile:${option}`, on ? '1' : '0');
    return true;
  } catch {
    return false;
  }
}

const VISIBLE = 'campanile:visible';
let watching = false;
let visible: (() => void) | undefined;

/** While a tab is seen it says so to the others of this browser. */
export function watchVisibility(): void {
  if (watching || !navigator.locks) return;
  watching = true;
  const change = () => {
    visible?.();
    visible = undefined;
    if (document.hidden) return;
    const seen = new Promise<void>((resolve) => (visible = resolve));
    void navigator.locks.request(VISIBLE, { mode: 'shared' }, () => seen);
  };
  document.addEventListener('visibilitychange', change);
  change();
}

async function nobodyLooks(): Promise<boolean> {
  if (!document.hidden) return false;
  if (!navigator.locks) return true;
  return navigator.locks.request(VISIBLE, { ifAvailable: true }, (lock) => lock !== null);
}

/** Only by the tab that holds the socket, and only when no tab of the page is seen. */
export async function alert(
  store: Store,
  title: string,
  item: Item,
  open: () => void,
): Promise<void> {
  if (!isOn('alerts') || !store.getState().leads || !(await nobodyLooks())) return;
  try {
    const alert = new Notification(title, { body: item.message, tag: 'campanile' });
    alert.onclick = () => {
      window.focus();
      alert.close();
      open();
    };
  } catch {
    // Chromium on Android shows none without a service worker.
  }
}

export function ring(store: Store): void {
  if (isOn('sound') && store.getState().leads) void chime();
}

let audio: AudioContext | undefined;

/** Two soft notes, a fourth apart. */
async function chime(): Promise<void> {
  audio ??= new AudioContext();
  // Before a first click on the page a browser lets nothing sound; a note that comes late is worse than none.
  if (audio.state === 'suspended') void audio.resume();
  if (audio.state !== 'running' && !navigator.userActivation?.hasBeenActive) return;
  [880, 1174.7].forEach((frequency, index) => {
    if (!audio) return;
    const at = audio.currentTime + index * 0.14;
    const note = new OscillatorNode(audio, { frequency });
    const volume = new GainNode(audio, { gain: 0 });
    volume.gain.setTargetAtTime(0.05, at, 0.01);
    volume.gain.setTargetAtTime(0, at + 0.08, 0.15);
    note.connect(volume).connect(audio.destination);
    note.start(at);
    note.stop(at + 1.2);
  });
}
