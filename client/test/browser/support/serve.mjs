// A server for the gallery, under a policy as strict as a page may have.
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const gallery = fileURLToPath(new URL('../gallery/', import.meta.url));
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; " +
  "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** Resolves to its address and how to stop it. */
export async function serveGallery() {
  const { outputFiles } = await build({
    entryPoints: [`${gallery}gallery.ts`],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    logLevel: 'warning',
    plugins: [{ name: 'stub', setup(b) { b.onResolve({ filter: /core\/campanile\.js$/ }, (a) => existsSync(new URL('../../../src/core/campanile.ts', import.meta.url)) ? undefined : ({ path: 'stub', namespace: 'stub' })); b.onLoad({ filter: /.*/, namespace: 'stub' }, () => ({ contents: 'export class Campanile { constructor() { } }' })); } }],
  });
  const files = {
    '/': ['text/html', readFileSync(`${gallery}index.html`)],
    '/gallery.css': ['text/css', readFileSync(`${gallery}gallery.css`)],
    '/gallery.js': ['text/javascript', outputFiles[0].contents],
  };
  const server = createServer((request, response) => {
    const [type, body] = files[new URL(request.url, 'http://gallery').pathname] ?? [];
    const headers = { 'content-type': `${type}; charset=utf-8`, 'content-security-policy': POLICY };
    if (type) response.writeHead(200, headers).end(body);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    stop: () => new Promise((resolve) => server.close(resolve) && server.closeAllConnections()),
  };
}
