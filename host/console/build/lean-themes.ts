// Takes out of the themes what nothing reads. A theme of the components names some 3,000 values for all of them; the console
// uses a part of the components. What is read is found by following the imports from `src/`, so it needs no list.
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'vite';

const THEME = /@ui5\/[\w-]+\/dist\/generated\/(?:assets\/)?themes\/\w+\/parameters-bundle\.css\.js(?:on)?$/;
const IMPORT = /(?:from|import)\s*\(?\s*["']([^"']+)["']/g;
const VALUE = /--[\w-]+/g;

export function leanThemes(root: string): Plugin {
  let read: Promise<Set<string>> | undefined;
  return {
    name: 'lean-themes',
    apply: 'build',
    enforce: 'pre',
    async load(id) {
      const file = id.split('?')[0] ?? id;
      if (!THEME.test(file)) return undefined;
      read ??= valuesRead(root);
      return { code: `export default ${JSON.stringify(lean(await cssOf(file), await read))};`, moduleType: 'js' };
    },
  };
}

/** A theme's text: a module that exports it, or JSON that is it. */
async function cssOf(file: string): Promise<string> {
  if (file.endsWith('.json')) return JSON.parse(readFileSync(file, 'utf8'));
  return (await import(pathToFileURL(file).href)).default;
}

/** All custom properties that are named in a module which the pages import, directly or not, in our own styles, or in the
 * value of one that is read. */
async function valuesRead(root: string): Promise<Set<string>> {
  const named = new Set<string>();
  const themes = new Set<string>();
  const seen = new Set<string>();
  const left: string[] = [];
  for (const entry of await readdir(join(root, 'src'), { recursive: true })) {
    if (/\.(tsx?|css)$/.test(entry)) left.push(join(root, 'src', entry));
  }
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    if (THEME.test(file)) {
      themes.add(file);
      continue;
    }
    const text = textOf(file);
    for (const [name] of text.matchAll(VALUE)) named.add(name);
    if (!file.endsWith('.css')) {
      for (const [, said = ''] of text.matchAll(IMPORT)) left.push(...target(root, file, said));
    }
  }
  return closure(named, await Promise.all([...themes].map(cssOf)));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // not a file: a module of Node, or a folder
  }
}

/** Where an import of ours or of the components leads; others name no values. */
function target(root: string, from: string, said: string): string[] {
  if (said.startsWith('.')) return [resolve(dirname(from), said)];
  const modules = join(root, 'node_modules');
  const wrapper = /^@ui5\/webcomponents-react\/(\w+)$/.exec(said);
  if (wrapper) return [join(modules, '@ui5/webcomponents-react/dist/webComponents', wrapper[1] ?? '', 'index.js')];
  return said.startsWith('@ui5/') && /\.js(on)?$/.test(said) ? [join(modules, said)] : [];
}

/** What is named, and what the values of that name in turn, across all themes: one package's values lead to another's. */
export function closure(named: ReadonlySet<string>, themes: readonly string[]): Set<string> {
  const leads = new Map<string, string[]>();
  for (const { name, text } of themes.flatMap(declarations)) {
    const inner = [...text.slice(name.length).matchAll(VALUE)].map(([one]) => one);
    leads.set(name, [...(leads.get(name) ?? []), ...inner]);
  }
  const found = new Set<string>();
  const left = [...named];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    left.push(...(leads.get(name) ?? []));
  }
  return found;
}

/** The theme without the values that are not read. */
export function lean(css: string, read: ReadonlySet<string>): string {
  let out = '';
  let at = 0;
  for (const value of declarations(css)) {
    out += css.slice(at, value.from);
    if (read.has(value.name)) out += value.text;
    at = value.to;
  }
  return out + css.slice(at);
}

interface Declaration {
  name: string;
  text: string;
  from: number;
  to: number;
}

/** Each `--name: value;`, by a walk that knows quotes, brackets and escapes. */
function declarations(css: string): Declaration[] {
  const found: Declaration[] = [];
  let start = -1;
  let depth = 0;
  let quote = '';
  for (let at = 0; at < css.length; at++) {
    const letter = css[at] ?? '';
    if (quote !== '') {
      if (letter === '\\') at++;
      else if (letter === quote) quote = '';
      continue;
    }
    if (start < 0) {
      if (css.startsWith('--', at) && /[{;\s]/.test(css[at - 1] ?? ';')) start = at;
      else if (letter === '"' || letter === "'") quote = letter;
      continue;
    }
    if (letter === '"' || letter === "'") quote = letter;
    else if (letter === '(' || letter === '{') depth++;
    else if (letter === ')' || (letter === '}' && depth > 0)) depth--;
    else if (depth === 0 && (letter === ';' || letter === '}')) {
      const to = letter === ';' ? at + 1 : at;
      const text = css.slice(start, to);
      found.push({ name: /^--[\w-]+/.exec(text)?.[0] ?? '', text, from: start, to });
      start = -1;
    }
  }
  return found;
}
