// Says what the first page weighs, gzipped, and fails above the limit: the entry, all it imports at once, their styles and
// the fonts, plus the overview, which is the page one lands on.
import { readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT = 350 * 1024;
const EDITOR = 'src/pages/mapping/mapping.tsx';
const ASSISTANT = 'src/pages/setup/setup.tsx';
const FIRST = ['index.html', 'src/pages/overview/overview.tsx', 'src/words/en.json', 'src/look/dark.ts'];
const dist = new URL('../dist/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'));

const add = (files, key) => {
  const chunk = manifest[key];
  if (!chunk) throw new Error(`${key} is not in the manifest: name the files of the first page anew in build/size.mjs`);
  if (files.has(chunk.file)) return;
  for (const file of [chunk.file, ...(chunk.css ?? []), ...(chunk.assets ?? [])]) files.add(file);
  for (const key of chunk.imports ?? []) add(files, key);
};
const files = new Set(['index.html']);
FIRST.forEach((key) => add(files, key));

const weigh = (file) => {
  const bytes = readFileSync(new URL(file, dist));
  return file.endsWith('.woff2') ? bytes.length : gzipSync(bytes).length;
};
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} kB`;
let total = 0;
for (const file of files) {
  const size = weigh(file);
  total += size;
  console.log(kilobytes(size).padStart(10), file);
}
const all = readdirSync(new URL('assets/', dist)).reduce((sum, file) => sum + weigh(`assets/${file}`), 0);
for (const [page, named] of [
  [EDITOR, 'the mapping editor'],
  [ASSISTANT, 'the set-up assistant'],
]) {
  const whole = new Set(files);
  add(whole, page);
  const more = [...whole].filter((file) => !files.has(file)).reduce((sum, file) => sum + weigh(file), 0);
  console.log(kilobytes(more).padStart(10), `more for ${named}`);
}
console.log(
  kilobytes(total).padStart(10),
  `the first page, of at most ${kilobytes(LIMIT)}; ${kilobytes(all)} all pages`,
);
if (total > LIMIT) {
  console.error('The first page is too heavy: make what it does not show at once a lazy import.');
  process.exit(1);
}
