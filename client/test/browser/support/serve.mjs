// A server for the tests' pages, under a policy as strict as a page may have.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { compile } from 'svelte/compiler';

const folder = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; " +
  "form-action 'none'; require-trusted-types-for 'script'; connect-src http: ws:; trusted-types ";

/** The text of a script below this folder, with all that it imports. */
export async function bundle(script, options = {}) {
  const { outputFiles } = await build({
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    logLevel: 'warning',
    jsx: 'automatic',
    entryPoints: [folder + script],
    plugins: [svelte(options.platform === 'node' ? 'server' : 'client')],
    ...options,
  });
  return outputFiles[0].text;
}

const svelte = (generate) => ({
  name: 'svelte',
  setup({ onLoad }) {
    onLoad({ filter: /\.svelte$/ }, ({ path }) => {
      const { js } = compile(readFileSync(path, 'utf8'), { generate, dev: false, filename: path });
      return { contents: js.code, loader: 'js' };
    });
  },
});

/** `script` is bundled as `/<name>.js`; resolves to the server's address and how to stop it. */
async function serve(script, pages, { types = "'none'", ...options } = {}) {
  const name = script.replace(/.*\/|\.tsx?$/g, '');
  const files = { [`/${name}.js`]: await bundle(script, options) };
  for (const [path, file] of Object.entries(pages)) files[path] = readFileSync(folder + file);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://here');
    const type = TYPES[extname(pathname) || '.html'];
    const headers = { 'content-type': `${type}; charset=utf-8`, 'content-security-policy': POLICY + types };
    if (files[pathname]) response.writeHead(200, headers).end(files[pathname]);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    /** What the page has inside of `main` from now on. */
    fill(html) {
      files['/'] = files['/'].toString().replace(/(<main[^>]*>).*(?=<\/main>)/s, (_, main) => main + html);
    },
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export const serveGallery = () =>
  serve('gallery/gallery.ts', { '/': 'gallery/index.html', '/gallery.css': 'gallery/gallery.css' });

export const servePage = () => serve('support/library.ts', { '/': 'support/page.html' });

/** With what React says to developers, and what it does twice for them. */
export const serveReact = () =>
  serve('bindings/react.tsx', { '/': 'bindings/react.html' }, { define: { 'process.env.NODE_ENV': '"development"' } });

// Svelte makes its elements from texts of its own, under a policy with this name.
export const serveSvelte = () =>
  serve('bindings/svelte.ts', { '/': 'bindings/svelte.html' }, { types: 'svelte-trusted-html', conditions: ['browser'] });
