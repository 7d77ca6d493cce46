/**
 * What all elements share: a page sets `--campanile-*`, the rest reads `--_*`. A colour is mixed with that of the text,
 * so that one is legible on light and on dark.
 */
export const TOKENS = `
:host {
  --_bg: var(--campanile-background, light-dark(#fff, #1f1d24));
  --_fg: var(--campanile-foreground, light-dark(#1e1b26, #f2f0f6));
  --_accent: color-mix(in srgb, var(--campanile-accent, #63f) 55%, var(--_fg));
  --_danger: color-mix(in srgb, var(--campanile-danger, #e22) 65%, var(--_fg));
  --_muted: color-mix(in srgb, var(--_fg) 68%, var(--_bg));
  --_line: color-mix(in srgb, var(--_fg) 12%, var(--_bg));
  --_hover: color-mix(in srgb, var(--_fg) 6%, var(--_bg));
  --_radius: var(--campanile-radius, 14px);
  font: var(--campanile-font, .9375rem/1.4 system-ui, sans-serif);
  color: var(--_fg); overflow-wrap: anywhere;
}
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }
:host([theme=auto]) { color-scheme: light dark; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
button { font: inherit; color: inherit; margin: 0; padding: 0; border: 0; background: none; cursor: pointer; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: -2px; }
svg {
  display: block; width: 20px; fill: none; stroke: currentcolor; stroke-width: 2;
  stroke-linecap: round; stroke-linejoin: round;
}
.icon {
  display: grid; place-items: center; flex: none; width: 44px; height: 44px; border-radius: 10px;
  color: var(--_muted);
}
.icon:hover { background: var(--_hover); color: var(--_fg); }
.hidden { position: absolute; width: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion) {
  *, ::before, ::after { animation: none !important; }
}
`;
