// Mapping files, read and edited as far as the mock needs: line by line, so that comments and order stay.
import type * as T from '../src/api/types.ts';
import { problemOf, readsOf } from './expression.ts';

export type SectionOf = Omit<T.MappingSection, 'rules'>;

interface Line {
  at: number;
  /** "header", "tables.region", "account.CardName"; "" before the first. */
  section: string;
  key?: string;
  value?: string;
  /** From where on the value stands, and what follows it. */
  from?: number;
  rest?: string;
}

const KEY = /^(\s*(?:"([^"]+)"|([\w.-]+))\s*=\s*)(.*)$/;

function linesOf(text: string): Line[] {
  let section = '';
  return text.split('\n').map((line, at): Line => {
    const head = /^\s*\[([^\]]+)\]/.exec(line);
    if (head) {
      section = (head[1] ?? '').trim();
      return { at, section };
    }
    const found = /^\s*(#|$)/.test(line) ? null : KEY.exec(line);
    if (!found) return { at, section };
    const [, before = '', quoted, bare, after = ''] = found;
    const length = valueLength(after);
    return {
      at,
      section,
      key: quoted ?? bare,
      value: after.slice(0, length),
      from: before.length,
      rest: after.slice(length),
    };
  });
}

/** How long the value is at the start of a text: a string, an inline table or a bare word. */
function valueLength(text: string): number {
  let quote = '';
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] ?? '';
    if (quote !== '') {
      if (quote === '"' && letter === '\\') at++;
      else if (letter === quote) {
        quote = '';
        if (depth === 0) return at + 1;
      }
    } else if (letter === '"' || letter === "'") quote = letter;
    else if (letter === '{') depth++;
    else if (letter === '}' && --depth === 0) return at + 1;
    else if (letter === '#' && depth === 0) return text.slice(0, at).trimEnd().length;
  }
  return text.trimEnd().length;
}

function string(value: string): string | undefined {
  if (value.startsWith("'") && value.endsWith("'") && value.length > 1) return value.slice(1, -1);
  if (!value.startsWith('"')) return undefined;
  try {
    return JSON.parse(value) as string;
  } catch {
    return undefined;
  }
}

function inline(value: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, key = '', said = ''] of value.matchAll(/([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*')/g)) {
    found[key] = string(said) ?? '';
  }
  return found;
}

const quoted = (text: string) =>
  text.includes('"') && !text.includes("'") && !text.includes('\n') ? `'${text}'` : JSON.stringify(text);
const keyed = (key: string) => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key));

export function tablesOf(text: string): Record<string, Record<string, string>> {
  const tables: Record<string, Record<string, string>> = {};
  for (const line of linesOf(text)) {
    const name = /^tables\.(.+)$/.exec(line.section)?.[1];
    if (name === undefined) continue;
    const table = (tables[name] ??= {});
    if (line.key !== undefined) table[line.key] = string(line.value ?? '') ?? '';
  }
  return tables;
}

/** What a text says, by the flow's sections. */
export function read(text: string, of: readonly SectionOf[], release: string | null): T.MappingDoc {
  const lines = linesOf(text);
  const tables = tablesOf(text);
  const names = Object.keys(tables);
  let problem: T.MappingDoc['problem'] = null;
  for (const { at, key, value = '', rest = '' } of lines) {
    const whole = text.split('\n')[at] ?? '';
    const bad = key === undefined ? !/^\s*(#.*|\[[^\]]+\]\s*(#.*)?)?$/.test(whole) : !/^\s*(#.*)?$/.test(rest);
    const usable = key === undefined || string(value) !== undefined || /^(\{.*\}|\d+)$/.test(value);
    if (bad || !usable) problem ??= { line: at + 1, error: `Line ${at + 1} is no TOML: ${whole.trim()}` };
  }
  const sections = of.map((section): T.MappingSection => {
    const rules: T.Rule[] = [];
    for (const line of lines) {
      if (line.key === undefined || line.value === undefined) continue;
      const at = line.at + 1;
      if (section.way !== 'both') {
        const rule = line.section === section.name ? string(line.value) : undefined;
        if (rule === undefined) continue;
        const reads = readsOf(rule);
        rules.push({
          kind: 'one-way',
          field: line.key,
          rule,
          reads,
          line: at,
          problem: problemOf(rule, names)?.error ?? null,
        });
      } else if (line.section === section.name && line.value.startsWith('{')) {
        rules.push(pair(line.key, inline(line.value), at, names));
      } else if (line.section.startsWith(`${section.name}.`) && line.key === 'salesforce') {
        const said = Object.fromEntries(
          lines
            .filter((one) => one.section === line.section && one.key !== undefined)
            .map((one) => [one.key ?? '', string(one.value ?? '') ?? '']),
        );
        rules.push(pair(line.section.slice(section.name.length + 1).replaceAll('"', ''), said, at - 1, names));
      }
    }
    return { ...section, rules };
  });
  return { release, text, problem, sections, tables };
}

function pair(field: string, said: Record<string, string>, line: number, tables: string[]): T.Rule {
  const rules = [said.to_salesforce, said.to_b1].filter((rule) => rule !== undefined);
  return {
    kind: 'both',
    field,
    salesforce: said.salesforce ?? '',
    direction: (said.direction ?? 'both') as T.Direction,
    policy: (said.policy ?? 'newest') as T.PairPolicy,
    to_salesforce: said.to_salesforce ?? null,
    to_b1: said.to_b1 ?? null,
    reads: rules.flatMap(readsOf),
    line,
    problem: rules.map((rule) => problemOf(rule, tables)?.error).find((error) => error !== undefined) ?? null,
  };
}

export function edit(text: string, edits: readonly T.Edit[]): string {
  return edits.reduce((now, one) => {
    if (one.do === 'table')
      return editTable(one.instead_of ? editTable(now, one.instead_of, null) : now, one.name, one.rows);
    if (one.do === 'remove') return put(now, one.section, one.field, undefined);
    const { rule } = one;
    return put(now, one.section, one.instead_of ?? rule.field, valueOf(rule), rule.field);
  }, text);
}

function valueOf(rule: T.RulePut): string {
  if (rule.kind === 'one-way') return quoted(rule.rule);
  const said = [
    `salesforce = ${quoted(rule.salesforce)}`,
    ...(rule.direction === 'both' ? [] : [`direction = "${rule.direction}"`]),
    ...(rule.policy === 'newest' ? [] : [`policy = "${rule.policy}"`]),
    ...(rule.to_salesforce === null ? [] : [`to_salesforce = ${quoted(rule.to_salesforce)}`]),
    ...(rule.to_b1 === null ? [] : [`to_b1 = ${quoted(rule.to_b1)}`]),
  ];
  return `{ ${said.join(', ')} }`;
}

/** Sets a key of a section, or takes it away; what follows it on its line stays. */
function put(text: string, section: string, key: string, value: string | undefined, renamed = key): string {
  const lines = text.split('\n');
  const found = linesOf(text);
  const there = found.find((line) => line.section === section && line.key === key);
  if (there) {
    if (value === undefined) lines.splice(there.at, 1);
    else lines[there.at] = `${keyed(renamed)} = ${value}${there.rest ?? ''}`;
    return lines.join('\n');
  }
  // As a section of its own: it becomes a line, where it stood.
  const own = found.filter((line) => line.section.replaceAll('"', '') === `${section}.${key}`);
  const [first] = own;
  if (first) {
    const kept = own.filter((line) => line.key === undefined && line !== first).map((line) => lines[line.at] ?? '');
    lines.splice(first.at, own.length, ...kept);
    text = lines.join('\n');
  }
  if (value === undefined) return text;
  return add(text, section, `${keyed(renamed)} = ${value}`);
}

/** A line more at the end of a section, which is made where it lacks. */
function add(text: string, section: string, line: string): string {
  const lines = text.split('\n');
  const own = linesOf(text).filter((one) => one.section === section);
  const last = own.filter((one) => one.key !== undefined).at(-1) ?? own[0];
  if (!last) return `${text.trimEnd()}\n\n[${section}]\n${line}\n`;
  lines.splice(last.at + 1, 0, line);
  return lines.join('\n');
}

function editTable(text: string, name: string, rows: Record<string, string> | null): string {
  const section = `tables.${name}`;
  const known = tablesOf(text)[name];
  if (rows === null) {
    const own = new Set(
      linesOf(text)
        .filter((line) => line.section === section)
        .map((line) => line.at),
    );
    return text
      .split('\n')
      .filter((_, at) => !own.has(at))
      .join('\n');
  }
  let now = known ? text : `${text.trimEnd()}\n\n[${section}]\n`;
  for (const code of Object.keys(known ?? {})) if (!(code in rows)) now = put(now, section, code, undefined);
  for (const [code, value] of Object.entries(rows)) {
    if (known?.[code] !== value) now = put(now, section, code, quoted(value));
  }
  return now;
}
