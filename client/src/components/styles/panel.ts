export const PANEL = `
:host { display: block; block-size: var(--campanile-height, min(36rem, 80dvh)); min-inline-size: 0; }
.panel {
  position: relative; display: flex; flex-direction: column; block-size: 100%; overflow: hidden;
  background: var(--_bg); border: 1px solid var(--_line); border-radius: var(--_radius); outline: none;
}
header {
  display: flex; align-items: center; flex: none; gap: 2px; min-height: 56px;
  padding-inline: 16px 6px; border-block-end: 1px solid var(--_line);
}
h2 { margin: 0; font-size: 1.0625rem; font-weight: 650; line-height: 1.3; }
.head { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.icon[aria-disabled=true] { opacity: .4; cursor: default; background: none; }
.menu {
  position: absolute; z-index: 2; inset-block-start: 52px; inset-inline-end: 8px; min-width: 15rem;
  max-width: calc(100% - 16px); padding: 6px; background: var(--_bg); border: 1px solid var(--_line);
  border-radius: 12px; box-shadow: 0 8px 28px rgb(0 0 0 / .2);
}
.menu button {
  display: flex; align-items: center; justify-content: space-between; gap: 16px; width: 100%;
  min-height: 44px; padding: 4px 12px; border-radius: 8px; text-align: start;
}
.menu button:hover { background: var(--_hover); }
.menu p { margin: 0; padding: 0 12px 6px; color: var(--_muted); font-size: .8125rem; }
.menu .clear { color: var(--_red); }
[role=switch]::after {
  content: ""; flex: none; width: 36px; height: 20px; border-radius: 10px; border: 2px solid var(--_muted);
  background: radial-gradient(circle at 8px, var(--_muted) 5px, transparent 5.5px);
}
[role=switch]:dir(rtl)::after { transform: scaleX(-1); }
[role=switch][aria-checked=true]::after {
  border-color: var(--_accent);
  background: radial-gradient(circle at 24px, var(--_on-accent) 6px, transparent 6.5px) var(--_accent);
}
.banner, .notice {
  display: flex; align-items: center; flex: none; gap: 12px; min-height: 44px;
  padding-inline: 16px 8px; border-block-end: 1px solid var(--_line); font-size: .875rem;
  background: color-mix(in srgb, var(--_amber) 12%, var(--_bg)); color: var(--_fg);
}
.banner > :first-child { flex: 1; padding-block: 8px; }
.banner small { display: block; color: var(--_muted); font-size: .8125rem; }
.banner button, .blank button, .more {
  flex: none; min-height: 44px; padding: 4px 14px; border-radius: 10px; color: var(--_accent);
  font-weight: 600;
}
.banner button:hover, .blank button:hover, .more:hover { background: var(--_hover); }
.scroll {
  position: relative; display: flex; flex-direction: column; flex: 1; min-height: 0; overflow-y: auto;
  overscroll-behavior: contain; overflow-anchor: none; border-end-end-radius: inherit;
  border-end-start-radius: inherit;
}
.float { position: sticky; z-index: 1; inset-block-start: 8px; height: 0; text-align: center; }
.pill {
  min-height: 44px; padding: 0; background: none; font-weight: 600; font-size: .875rem;
}
.pill span {
  display: inline-flex; align-items: center; gap: 6px; min-height: 32px; padding-inline: 10px 14px;
  border-radius: 16px; background: var(--_accent); color: var(--_on-accent);
  box-shadow: 0 4px 14px rgb(0 0 0 / .25);
}
.pill:hover span { text-decoration: underline; text-underline-offset: 3px; }
.pill svg { width: 16px; height: 16px; }
.pill { animation: pop .2s ease-out; }
@keyframes pop { from { opacity: 0; transform: translateY(-8px); } }
ul { list-style: none; margin: 0; padding: 0; }
li { content-visibility: auto; contain-intrinsic-size: auto 104px; }
.arrive { animation: arrive .3s ease-out; }
@keyframes arrive { from { opacity: 0; transform: translateY(-12px); } }
.more { align-self: center; margin: 6px; }
.blank {
  display: grid; justify-items: center; align-content: center; flex: 1; gap: 4px; padding: 24px;
  text-align: center; overflow-wrap: anywhere;
}
.blank > svg {
  width: 72px; height: 72px; margin-block-end: 12px; padding: 18px; border-radius: 50%;
  stroke-width: 1.5; background: var(--_hover); color: var(--_muted);
}
.blank b { font-weight: 600; }
.blank span { color: var(--_muted); }
.bone { display: grid; grid-template-columns: 36px 1fr; gap: 8px 12px; padding: 16px; border-block-end: 1px solid var(--_line); }
.bone i { height: 12px; border-radius: 6px; background: var(--_line); grid-column: 2; animation: breathe 1.4s infinite alternate; }
.bone i:first-child { grid-area: 1 / 1 / 4; height: 36px; border-radius: 50%; }
.bone i:nth-child(2) { width: 55%; }
.bone i:last-child { width: 30%; }
@keyframes breathe { to { opacity: .45; } }
footer { flex: none; border-block-start: 1px solid var(--_line); padding: 4px 16px; }
`;
