import type { Store } from '../../../src/index.js';
import { useNotifications } from '../../../src/react.js';

/** What a page may make of the hook. */
export function Inbox({ store }: { store: Store }) {
  const { items, unread, connection, markRead, markAllRead } = useNotifications(store);
  return (
    <section data-connection={connection}>
      <output>{unread ?? '…'}</output>
      <button className="all" onClick={() => void markAllRead()}>
        All
      </button>
      <ul>
        {items.map(({ id, title, read }) => (
          <li key={id} data-read={read}>
            <button onClick={() => void markRead(id)}>{title}</button>
          </li>
        ))}
      </ul>
    </section>
  );
}
