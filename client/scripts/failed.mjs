// A reporter: one line of JSON for each test that failed; a file that failed as a whole has no name.
import { relative } from 'node:path';

export default async function* failed(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:fail') continue;
    const { name, file, details } = data;
    // What fails because of something in it is told by that.
    if (details.error?.failureType === 'subtestsFailed') continue;
    // A hook fails all tests of its file.
    const isFile = details.error?.failureType === 'hookFailed' || !file || name === file || name === relative('', file);
    yield `${JSON.stringify(isFile ? { file: file ?? name } : { file, name })}\n`;
  }
}
