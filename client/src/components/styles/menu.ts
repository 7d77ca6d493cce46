/** With the menu, which most never open. */
export const MENU = `
.menu {
  position: absolute; z-index: 2; top: 52px; inset-inline-end: 8px; min-width: 15rem; padding: 6px;
  background: var(--_bg); border: 1px solid var(--_line); border-radius: 12px;
  box-shadow: 0 8px 28px rgb(0 0 0 / .25);
}
.menu button {
  display: flex; align-items: center; justify-content: space-between; gap: 16px; width: 100%;
  min-height: 44px; padding: 4px 12px; border-radius: 8px; text-align: start;
}
.menu button:hover { background: var(--_hover); }
.menu p { margin: 0 12px; color: var(--_muted); }
.menu .clear { color: var(--_danger); }
[role=switch]::after {
  content: ""; width: 36px; height: 20px; border-radius: 10px; border: 2px solid var(--_muted);
  background: radial-gradient(circle at 8px, var(--_muted) 5px, transparent 5.5px);
  forced-color-adjust: none;
}
[role=switch]:dir(rtl)::after { rotate: 180deg; }
[role=switch][aria-checked=true]::after {
  border-color: var(--_accent);
  background: radial-gradient(circle at 24px, var(--_bg) 6px, transparent 6.5px) var(--_accent);
}
`;
