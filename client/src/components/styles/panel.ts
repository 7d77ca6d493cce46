export const PANEL = `
:host { display: block; height: var(--campanile-height, min(36rem, 80dvh)); }
.box { height: 100%; }
.panel {
  position: relative; display: flex; flex-direction: column; height: 100%; overflow: hidden; outline: 0;
  color: var(--_fg); background: var(--_bg); border: 1px solid var(--_line); border-radius: var(--_radius);
}
.header, .banner {
  display: flex; align-items: center; gap: 2px; padding: 5px 6px; padding-inline-start: 16px;
  border-bottom: 1px solid var(--_line);
}
.heading, slot[name=header]::slotted(*), .banner span { flex: 1; margin: 0; }
.heading { font-size: 1.0625rem; font-weight: 650; }
.options svg { stroke-width: 3.5; }
.icon[aria-disabled=true] { opacity: .4; cursor: default; background: none; }
.banner {
  min-height: 50px; font-size: .875rem; background: color-mix(in srgb, #fa0 14%, var(--_bg));
}
.retry:hover, .more:hover { background: var(--_hover); }
.retry, .more {
  min-height: 44px; padding: 4px 14px; border-radius: 10px; color: var(--_accent); font-weight: 600;
}
.scroll {
  display: flex; flex-direction: column; flex: 1; min-height: 0; overflow-y: auto;
  overscroll-behavior: contain; overflow-anchor: none;
}
.float { position: sticky; z-index: 1; top: 4px; height: 0; text-align: center; }
.pill { min-height: 44px; font-weight: 600; font-size: .875rem; animation: in .2s; }
.pill span {
  display: flex; align-items: center; gap: 6px; min-height: 32px; padding: 0 12px; border-radius: 16px;
  border: 1px solid transparent; background: var(--_accent); color: var(--_bg); box-shadow: 0 4px 14px rgb(0 0 0 / .25);
}
.pill svg { width: 16px; }
.list { list-style: none; margin: 0; padding: 0; }
li { content-visibility: auto; contain-intrinsic-size: auto 88px; }
.arrive { animation: in .3s; }
@keyframes in { from { opacity: 0; translate: 0 -12px; } }
.more { align-self: center; margin: 6px; }
.blank {
  display: grid; place-items: center; align-content: center; flex: 1; gap: 4px; padding: 24px;
  text-align: center; color: var(--_muted);
}
.blank svg {
  width: 72px; margin-bottom: 12px; padding: 18px; border-radius: 50%; stroke-width: 1.5;
  background: var(--_hover);
}
.blank b { font-weight: 600; color: var(--_fg); }
.skeleton {
  flex: 1; animation: pulse 1.2s infinite alternate;
  --_bar: linear-gradient(var(--_line) 12px, transparent 0) repeat-y 64px;
  background: radial-gradient(circle at 34px 32px, var(--_line) 18px, transparent 18.5px) 0 0 / 100% 97px,
    linear-gradient(var(--_line) 1px, transparent 0) 0 96px / 100% 97px, var(--_bar) 18px / 40% 97px,
    var(--_bar) 42px / 70% 97px, var(--_bar) 66px / 20% 97px;
}
.skeleton:dir(rtl) { scale: -1 1; }
@keyframes pulse { to { opacity: .45; } }
`;
