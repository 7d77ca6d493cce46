// Notifications of the operating system and a quiet sound: fetched when somebody switches them on, or has.

import type { Item } from '../types.js';
import { isWanted, type Option, VISIBLE } from './wishes.js';

/** Whether it is wanted, and the browser allows it. */
export const isOn = (option: Option): boolean =>
  isWanted(option) && (option === 'sound' || globalThis.Notification?.permission === 'granted');

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

/**
 * Of `item`, or of several that arrived with it. Only where wanted, and by the system only when no tab of the page is
 * seen; `open` is called for a click.
 */
export async function alert(title: string, item: Item, open: () => void): Promise<void> {
  if (isOn('sound')) void chime();
  if (!isOn('alerts') || !(await nobodyLooks())) return;
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

async function nobodyLooks(): Promise<boolean> {
  if (!document.hidden) return false;
  if (!navigator.locks) return true;
  return navigator.locks.request(VISIBLE, { ifAvailable: true }, (lock) => lock !== null);
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
