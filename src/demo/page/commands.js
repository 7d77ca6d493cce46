// What to paste into a terminal to publish what the form says.

import { clone } from '/demo/dom.js';

const COPIED_MS = 1600;

/** Shows the commands for `notification`, the body of `POST /api/publish`. */
export function showCommands(session, notification) {
  const list = document.getElementById('commands');
  const rows = Object.entries(commands(session, notification));
  while (list.children.length < rows.length) list.append(row());
  while (list.children.length > rows.length) list.lastElementChild.remove();
  rows.forEach(([name, text], index) => {
    list.children[index].querySelector('h3').textContent = name;
    list.children[index].querySelector('.copy').ariaLabel = `Copy the ${name} command`;
    list.children[index].querySelector('code').textContent = text;
  });
}

function commands(session, { user_id: user, broadcast, ...fields }) {
  const body = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
  const target = broadcast ? { broadcast } : { user_id: user };
  const options = Object.entries(body).map(([name, value]) => `--${name}=${quote(value)}`);
  const channel = broadcast
    ? session.broadcast_channel
    : session.user_channel.replace('{user_id}', () => user);
  return {
    campanile: lines(
      `${quote(session.program)} publish`,
      `--gateway ${location.origin}`,
      `--key ${quote(session.publish_key)}`,
      broadcast ? '--broadcast' : `--user ${quote(user)}`,
      ...options,
    ),
    curl: lines(
      `curl ${location.origin}/api/publish`,
      `-H ${quote(`authorization: Bearer ${session.publish_key}`)}`,
      `-d ${quote(JSON.stringify({ ...target, ...body }))}`,
    ),
    ...(session.redis && {
      'redis-cli': lines(
        session.redis_cli,
        `PUBLISH ${quote(channel)}`,
        quote(JSON.stringify(body)),
      ),
    }),
  };
}

/** One command over several lines. */
function lines(...parts) {
  return parts.join(' \\\n  ');
}

/** For a POSIX shell. */
function quote(text) {
  return /^[\w./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function row() {
  const element = clone('command');
  const button = element.querySelector('.copy');
  button.addEventListener('click', async () => {
    const code = element.querySelector('code');
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      // There is no clipboard on a page that came over plain HTTP from another machine.
      getSelection().selectAllChildren(code);
      button.textContent = 'Press Ctrl+C';
    }
    setTimeout(() => (button.textContent = 'Copy'), COPIED_MS);
  });
  return element;
}
