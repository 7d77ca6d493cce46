export const BELL = `
:host { display: inline-block; position: relative; }
.bell {
  position: relative; display: grid; place-items: center; min-width: 44px; min-height: 44px; padding: 8px;
  border-radius: 12px; anchor-name: --bell;
}
.bell:hover { background: light-dark(rgb(0 0 0 / .07), rgb(255 255 255 / .1)); }
.bell svg { width: 24px; height: 24px; transform-origin: 50% 15%; }
.badge {
  position: absolute; inset-block-start: 2px; inset-inline-start: 50%; min-width: 20px; padding-inline: 5px;
  border-radius: 10px; background: var(--_badge); color: var(--_on-badge); font-size: .75rem;
  font-weight: 700; line-height: 20px; text-align: center; font-variant-numeric: tabular-nums;
  pointer-events: none; forced-color-adjust: none;
}
.status {
  position: absolute; inset-block-end: 5px; inset-inline-end: 5px; width: 14px; height: 14px;
  border-radius: 50%; border: 2px solid var(--_bg); background: var(--_amber); pointer-events: none;
  forced-color-adjust: none;
}
.trouble .bell > slot, .trouble .bell > svg { opacity: .65; }
.ring svg { animation: ring .8s ease-out; }
@keyframes ring {
  15% { rotate: 14deg; } 35% { rotate: -11deg; } 55% { rotate: 7deg; } 75% { rotate: -4deg; }
}
.popover {
  position: absolute; z-index: 1000; inset: auto; inset-block-start: calc(100% + 6px);
  inset-inline-end: 0; margin: 0; padding: 0; border: 0; overflow: visible;
  inline-size: min(var(--campanile-width, 25rem), 100vw - 16px);
  background: none; color: inherit; outline: none; border-radius: var(--_radius);
  box-shadow: var(--campanile-shadow, 0 2px 6px rgb(0 0 0 / .1), 0 16px 48px -8px rgb(0 0 0 / .3));
}
campanile-panel { block-size: 100%; }
.popover { block-size: min(var(--campanile-height, 36rem), 100dvh - 16px); }
.popover[popover] {
  position: fixed; inset: auto; position-anchor: --bell; position-area: block-end span-inline-start;
  position-try-fallbacks: flip-inline, flip-block, flip-block flip-inline;
  margin-block: 6px; min-block-size: 18rem; max-block-size: calc(100% - 12px);
}
@media (max-width: 30rem) {
  .popover, .popover[popover] {
    position: fixed; position-area: none; inset: auto 0 0; margin: 0; inline-size: 100%;
    max-inline-size: none; block-size: calc(100dvh - 40px); max-block-size: none;
    border-end-end-radius: 0; border-end-start-radius: 0;
  }
  .popover::backdrop { background: rgb(0 0 0 / .45); }
}
`;
