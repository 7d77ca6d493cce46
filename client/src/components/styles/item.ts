export const ITEM = `
:host { display: block; position: relative; }
.item {
  display: grid; grid-template-columns: 36px 1fr 44px; gap: 12px; padding: 6px 16px;
  padding-inline-end: 8px; border-bottom: 1px solid var(--_line);
}
.unread { background: color-mix(in srgb, var(--_accent) 7%, var(--_bg)); }
.kind {
  position: relative; display: grid; place-items: center; width: 36px; height: 36px; margin-top: 8px;
  border-radius: 50%; color: color-mix(in srgb, var(--_kind) 65%, var(--_fg));
  background: color-mix(in srgb, var(--_kind) 16%, var(--_bg));
}
.unread .kind::after {
  content: ""; position: absolute; top: -2px; inset-inline-end: -2px; width: 12px; height: 12px;
  border-radius: 50%; background: var(--_accent); border: 2px solid var(--_bg);
  forced-color-adjust: none;
}
.open {
  align-self: start; min-width: 0; min-height: 44px; padding: 6px 0; text-align: start;
}
/* The whole row is the target; the buttons beside it lie above. */
.open::before { content: ""; position: absolute; inset: 0; }
.open:focus-visible { outline: 0; }
.open:focus-visible::before { outline: 2px solid var(--_accent); outline-offset: -2px; }
.title, .message {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: var(--campanile-lines, 4);
  overflow: hidden; text-align: left;
}
/* A text of the other direction still begins beside its icon. */
.item:dir(rtl) :is(.title, .message) { text-align: right; }
.title { -webkit-line-clamp: 2; font-weight: 500; }
.unread .title { font-weight: 650; }
.message { color: var(--_muted); white-space: pre-line; }
.full :is(.title, .message) { display: block; }
.time { display: block; margin-top: 2px; color: var(--_muted); font-size: .8125rem; }
:is(.title, .message):empty { display: none; }
.actions { position: relative; align-self: center; }
@media (hover: hover) {
  .item { grid-template-columns: 36px 1fr; padding-inline-end: 16px; }
  .item:hover { background: var(--_hover); }
  .actions {
    position: absolute; top: 8px; inset-inline-end: 8px; display: flex; opacity: 0; border-radius: 10px;
    background: var(--_bg); box-shadow: 0 0 0 1px var(--_line);
  }
  .item:hover .actions, .actions:focus-within, .open:focus-visible ~ .actions { opacity: 1; }
}
`;
