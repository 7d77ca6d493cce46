/** What all elements share: a page sets `--campanile-*`, the rest reads `--_*`. */
export const TOKENS = `
:host {
  --_bg: var(--campanile-background, light-dark(#fff, #1f1d24));
  --_fg: var(--campanile-foreground, light-dark(#1e1b26, #f2f0f6));
  --_muted: var(--campanile-muted, light-dark(#635d70, #aca5ba));
  --_line: var(--campanile-line, light-dark(#e6e3ec, #37333f));
  --_hover: var(--campanile-hover, light-dark(#f4f2f8, #2a2731));
  --_accent: var(--campanile-accent, light-dark(#4a3fc4, #aaa2ff));
  --_on-accent: var(--campanile-on-accent, light-dark(#fff, #17132e));
  --_unread: var(--campanile-unread, light-dark(#f5f3ff, #28243a));
  --_badge: var(--campanile-badge, light-dark(#c8202f, #ff8087));
  --_on-badge: var(--campanile-on-badge, light-dark(#fff, #2b0508));
  --_green: var(--campanile-green, light-dark(#17703a, #62ce8b));
  --_blue: var(--campanile-blue, light-dark(#1d5fae, #7fb5f7));
  --_gray: var(--campanile-gray, light-dark(#5d5a66, #b0acba));
  --_purple: var(--campanile-purple, light-dark(#7a35ad, #cf9cf5));
  --_red: var(--campanile-red, light-dark(#b8202c, #ff8d90));
  --_amber: var(--campanile-amber, light-dark(#7a4b00, #f2c063));
  --_radius: var(--campanile-radius, 14px);
  font: var(--campanile-font, 400 .9375rem/1.4 system-ui, sans-serif);
  color: var(--_fg);
}
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }
:host([theme=auto]) { color-scheme: light dark; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
button { font: inherit; color: inherit; margin: 0; border: 0; background: none; cursor: pointer; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: -2px; }
svg {
  display: block; width: 20px; height: 20px; fill: none; stroke: currentcolor; stroke-width: 2;
  stroke-linecap: round; stroke-linejoin: round;
}
.icon {
  display: grid; place-items: center; flex: none; width: 44px; height: 44px; padding: 0;
  border-radius: 10px; color: var(--_muted);
}
.icon:hover { background: var(--_hover); color: var(--_fg); }
.hidden {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation: none !important; transition: none !important; }
}
`;
