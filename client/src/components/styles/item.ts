export const ITEM = `
:host { display: block; position: relative; }
.row {
  display: grid; grid-template-columns: 36px 1fr 44px; gap: 0 12px;
  padding-block: 6px; padding-inline: 16px 8px;
  min-height: 64px; border-block-end: 1px solid var(--_line);
}
.unread { background: var(--_unread); min-height: 104px; }
.row:hover { background: var(--_hover); }
.kind {
  position: relative; display: grid; place-items: center; width: 36px; height: 36px; margin-top: 8px;
  border-radius: 50%; color: var(--_kind);
  background: color-mix(in srgb, var(--_kind) 14%, transparent);
}
.unread .kind::after {
  content: ""; position: absolute; inset-block-start: -2px; inset-inline-end: -2px; width: 12px;
  height: 12px; border-radius: 50%; background: var(--_accent); border: 2px solid var(--_bg);
  forced-color-adjust: none;
}
.open {
  display: block; min-width: 0; padding-block: 6px; padding-inline: 0; text-align: start;
  overflow-wrap: anywhere; user-select: text;
}
/* The whole row is the target; the buttons beside it lie above. */
.open::before { content: ""; position: absolute; inset: 0; }
.open:focus-visible { outline: none; }
.open:focus-visible::before { outline: 2px solid var(--_accent); outline-offset: -2px; }
.title, .message {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: var(--campanile-lines, 4);
  overflow: hidden; unicode-bidi: plaintext;
}
.title { font-weight: 500; -webkit-line-clamp: 2; }
.unread .title { font-weight: 650; }
.message { color: var(--_muted); white-space: pre-line; }
.full .title, .full .message { display: block; }
time { display: block; margin-top: 2px; color: var(--_muted); font-size: .8125rem; }
:is(.title, .message):empty { display: none; }
.actions { position: relative; align-self: center; }
@media (hover: hover) {
  .actions { opacity: 0; }
  .row:hover .actions, .actions:focus-within, .open:focus-visible ~ .actions { opacity: 1; }
}
`;
