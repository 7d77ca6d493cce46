// A server for the tests' pages, under a policy as strict as a page may have.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const folder = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; " +
  "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; connect-src http: ws:";

/** `script` is bundled as `/<name>.js`; resolves to the server's address and how to stop it. */
async function serve(script, pages) {
  const bundle = { bundle: true, format: 'esm', target: 'es2022', write: false, logLevel: 'warning' };
  const { outputFiles } = await build({ ...bundle, entryPoints: [folder + script] });
  const name = script.replace(/.*\/|\.ts$/g, '');
  const files = { [`/${name}.js`]: outputFiles[0].contents };
  for (const [path, file] of Object.entries(pages)) files[path] = readFileSync(folder + file);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://here');
    const type = TYPES[extname(pathname) || '.html'];
    const headers = { 'content-type': `${type}; charset=utf-8`, 'content-security-policy': POLICY };
    if (files[pathname]) response.writeHead(200, headers).end(files[pathname]);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export const serveGallery = () =>
  serve('gallery/gallery.ts', { '/': 'gallery/index.html', '/gallery.css': 'gallery/gallery.css' });

export const servePage = () => serve('support/library.ts', { '/': 'support/page.html' });
