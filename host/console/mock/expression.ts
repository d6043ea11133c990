// Rules of a mapping, checked and evaluated as far as the mock needs: CEL's common part is JavaScript's too.
import { createContext, runInContext, Script } from 'node:vm';
import type * as T from '../src/api/types.ts';

export const WORDS: T.Word[] = [
  word(
    'tables',
    'value',
    'tables.<name>[text]',
    'What a code table has for a code.',
    'tables.region[source.Region__c]',
  ),
  word(
    'reverse',
    'value',
    'reverse.<name>[text]',
    'The code of a value, by the same table.',
    'reverse.region["North"]',
  ),
  word('day', 'function', 'day(moment)', 'The bare day of a moment.', 'day(source.CloseDate)'),
  word('country_name', 'function', 'country_name(code)', 'The name of a country by ISO 3166.', 'country_name("DE")'),
  word(
    'country_code',
    'function',
    'country_code(name)',
    'The code of a country by its name.',
    'country_code("Germany")',
  ),
  word('state_name', 'function', 'state_name(code, country)', 'The name of a state.', 'state_name("CA", "US")'),
  word('state_code', 'function', 'state_code(name, country)', 'The code of a state.', 'state_code("California", "US")'),
  word('string', 'function', 'string(value)', 'A value as text.', 'string(source.Amount)'),
  word('int', 'function', 'int(value)', 'A whole number.', 'int(source.Probability)'),
  word('double', 'function', 'double(value)', 'A number.', 'double(source.Amount) * 1.19'),
  word('size', 'function', 'size(text or list)', 'How long it is.', 'size(source.Description) > 100'),
  word('has', 'function', 'has(source.Field)', 'Whether the record has the field.', 'has(source.Region__c)'),
  word('startsWith', 'method', 'text.startsWith(text)', 'Whether it starts so.', 'source.Name.startsWith("Test")'),
  word('endsWith', 'method', 'text.endsWith(text)', 'Whether it ends so.', 'source.Name.endsWith("GmbH")'),
  word('contains', 'method', 'text.contains(text)', 'Whether it is in it.', 'source.Name.contains("Test")'),
  word('? :', 'operator', 'condition ? one : other', 'One of two values.', 'source.Type == "New" ? "N" : "R"'),
  word('in', 'operator', 'value in list', 'Whether it is one of them.', 'source.Type in ["New", "Old"]'),
  word('null', 'value', 'null', 'Nothing.', 'source.Ref__c == null ? "" : source.Ref__c'),
];

function word(name: string, kind: T.Word['kind'], signature: string, does: string, example: string): T.Word {
  return { name, kind, signature, does, example };
}

const STRINGS = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g;
const blank = (text: string) => text.replace(STRINGS, (found) => ' '.repeat(found.length));
const NAMES = new Set([...WORDS.map(({ name }) => name), 'source', 'true', 'false', 'matches']);

/** The fields that a rule names, without "source.". */
export function readsOf(rule: string): string[] {
  return [
    ...new Set(
      [...blank(rule).matchAll(/\bsource\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)/g)].map(([, path = '']) =>
        path.replace(/\.(startsWith|endsWith|contains|matches)$/, ''),
      ),
    ),
  ];
}

export function problemOf(rule: string, tables: readonly string[]): { error: string; at: number } | undefined {
  if (rule.trim() === '') return { error: 'The rule is empty.', at: 0 };
  const bare = blank(rule);
  for (const found of bare.matchAll(/(?<![\w.])([A-Za-z_]\w*)/g)) {
    const [, name = ''] = found;
    if (!NAMES.has(name)) return { error: `${name} is not known here; a field is source.${name}.`, at: found.index };
  }
  for (const found of bare.matchAll(/\b(?:tables|reverse)\.(\w+)/g)) {
    const [, name = ''] = found;
    if (!tables.includes(name)) return { error: `There is no code table ${name}.`, at: found.index };
  }
  try {
    // It is only read: however slow the machine is, it is an expression or none.
    new Script(`(${script(rule)})`);
  } catch {
    return { error: 'This is no expression: something is missing or too much.', at: rule.length };
  }
  return undefined;
}

function script(rule: string): string {
  return rule
    .replace(/(\b[\w.]+|"[^"]*")\s+in\s+(\[[^\]]*\])/g, '$2.includes($1)')
    .replaceAll('.contains(', '.includes(')
    .replace(/([^=!<>])==([^=])/g, '$1===$2')
    .replaceAll('!=', '!==')
    .replace(/\b(tables|reverse)\.(\w+)\[/g, '$1("$2")[');
}

const COUNTRIES: Record<string, string> = { DE: 'Germany', AT: 'Austria', CH: 'Switzerland', US: 'United States' };

/** What a rule gives for a record; an `Error` where it fails. */
export function evaluate(rule: string, source: unknown, tables: Record<string, Record<string, string>>): unknown {
  const wrong = problemOf(rule, Object.keys(tables));
  if (wrong) throw new Error(wrong.error);
  const path = /^source((?:\.\w+)+)$/.exec(rule.trim())?.[1];
  if (path)
    return path
      .slice(1)
      .split('.')
      .reduce<unknown>((at, name) => (at as (T.Schema & Record<string, unknown>) | null)?.[name] ?? null, source);
  const table = (rows: Record<string, string>, name: string) =>
    new Proxy(rows, {
      get: (of, key) => {
        if (key === 'null' || key === '' || key === 'undefined') return null;
        if (!(key in of)) throw new Error(`The table ${name} has no entry for "${String(key)}".`);
        return of[String(key)];
      },
    });
  const turned = (rows: Record<string, string>) =>
    Object.fromEntries(Object.entries(rows).map(([code, value]) => [value, code]));
  const known = {
    source,
    tables: (name: string) => table(tables[name] ?? {}, name),
    reverse: (name: string) => table(turned(tables[name] ?? {}), name),
    day: (text: unknown) => (typeof text === 'string' ? text.slice(0, 10) : null),
    country_name: (code: string) => COUNTRIES[code] ?? null,
    country_code: (name: string) => Object.entries(COUNTRIES).find(([, one]) => one === name)?.[0] ?? null,
    state_name: (code: string) => code,
    state_code: (name: string) => name,
    string: (value: unknown) => String(value),
    int: (value: unknown) => Math.trunc(Number(value)),
    double: (value: unknown) => Number(value),
    size: (value: string) => value.length,
    has: (value: unknown) => value !== undefined,
  };
  return runInContext(`(${script(rule)})`, createContext(known), { timeout: 5_000 }) ?? null;
}
