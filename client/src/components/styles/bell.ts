export const BELL = `
:host { display: inline-block; position: relative; height: auto; }
.bell {
  position: relative; display: grid; place-items: center; min-width: 44px; min-height: 44px;
  border-radius: 12px; anchor-name: --bell;
}
.bell:hover { background: color-mix(in srgb, currentcolor 8%, transparent); }
.bell svg { width: 24px; transform-origin: 50% 15%; }
.badge, .status {
  position: absolute; top: 2px; inset-inline-start: 50%; min-width: 20px; padding: 0 5px;
  border-radius: 10px; background: var(--_danger); color: var(--_bg); font-size: .75rem; font-weight: 700;
  line-height: 20px; white-space: nowrap; forced-color-adjust: none;
}
.status {
  top: auto; bottom: 6px; min-width: 0; padding: 5px; border: 2px solid var(--_bg);
  background: #b70;
}
.ring svg { animation: ring .8s; }
@keyframes ring {
  15% { rotate: 14deg; } 35% { rotate: -11deg; } 55% { rotate: 7deg; } 75% { rotate: -4deg; }
}
.popover {
  position: absolute; z-index: 1000; inset: auto; top: 100%; inset-inline-end: 0; margin: 6px 0;
  padding: 0; border: 0; overflow: visible; background: none; color: inherit;
  width: min(var(--campanile-width, 25rem), 100vw - 16px);
  height: min(var(--campanile-height, 36rem), 100dvh - 16px); border-radius: var(--_radius);
  box-shadow: var(--campanile-shadow, 0 2px 6px rgb(0 0 0 / .1), 0 16px 48px -8px rgb(0 0 0 / .3));
}
.popover[popover] {
  position: fixed; inset: auto; position-anchor: --bell; position-area: block-end span-inline-start;
  position-try: flip-inline, flip-block, flip-block flip-inline;
  min-height: 18rem; max-height: calc(100% - 12px);
}
@media (max-width: 30rem) {
  .popover, .popover[popover] {
    position: fixed; position-area: none; inset: auto 0 0; margin: 0; width: 100%;
    height: calc(100dvh - 40px); max-height: none; --_radius: 14px 14px 0 0;
  }
  .popover::backdrop { background: rgb(0 0 0 / .45); }
}
`;
