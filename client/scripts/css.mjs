// Takes the air out of style texts, which a minifier of JavaScript leaves as they are.
import { readFileSync } from 'node:fs';

import { transformSync } from 'esbuild';

const TEMPLATE = /(?<==\s*)`([^`]*)`/;

export const cssMin = {
  name: 'styles',
  setup(build) {
    build.onLoad({ filter: /styles[\\/]\w+\.(ts|js)$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const minify = (_, css) => {
        const { code } = transformSync(css, { loader: 'css', minify: true });
        // The values of variables are left as they are; ours have no texts in them.
        return `\`${code.trim().replace(/(?<=[,:]) /g, '')}\``;
      };
      return { contents: source.replace(TEMPLATE, minify), loader: path.endsWith('ts') ? 'ts' : 'js' };
    });
  },
};
