// What a server makes of the hook.
import { renderToString } from 'react-dom/server';

import { Campanile } from '../../../src/index.js';
import { Inbox } from './inbox.js';

/** Connecting is an effect of the page; here it is only made. */
export function render(token: () => string): string {
  return renderToString(<Inbox store={new Campanile({ url: 'https://notify.example.com', token })} />);
}
