// node componentize.mjs <source.js> <wit folder> <world> <out.wasm>: makes a component without any WASI capability.
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';

import { componentize } from '@bytecodealliance/componentize-js';

const [source, witPath, worldName, out] = process.argv.slice(2);
const { component } = await componentize(await readFile(source, 'utf8'), {
  sourceName: basename(source),
  witPath,
  worldName,
  disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
});
await writeFile(out, component);
