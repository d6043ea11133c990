// The fields of a side as they are listed, and which rule joins which.
import type { Field, MappingDoc, MappingSection, OneWay, Rule, RulePut } from '../../api/types.ts';

/** A field in a list: its path from the record, and how deep it lies in related ones. */
export interface FieldRow {
  path: string;
  field: Field;
  depth: number;
  /** The path of its related record's fields, such as "Account". */
  leads: string | undefined;
}

/** Which system stands on which side. */
export function sides(section: MappingSection): { left: 'b1' | 'salesforce'; right: 'b1' | 'salesforce' } {
  return section.way === 'to-b1' ? { left: 'salesforce', right: 'b1' } : { left: 'b1', right: 'salesforce' };
}

/** What the flow sets itself, on the side that is written to. */
export function reservedOf(section: MappingSection): ReadonlySet<string> {
  return new Set(section.way === 'to-b1' ? section.reserved.to_b1 : section.reserved.to_salesforce);
}

/** Without what a host may put before it. */
export function bare(path: string): string {
  return path.replace(/^source\./, '');
}

/** The paths on the left that a rule joins with `right`. */
export function joins(rule: Rule): { left: string[]; right: string } {
  return rule.kind === 'both'
    ? { left: [rule.field], right: rule.salesforce }
    : { left: rule.reads.map(bare), right: rule.field };
}

/** The rule of a target's field. */
export function ruleTo(section: MappingSection, right: string): Rule | undefined {
  return section.rules.find((rule) => joins(rule).right === right);
}

/** That of a section of a mapping, by its name. */
export function ruleFor(doc: MappingDoc, section: string, right: string): Rule | undefined {
  const of = doc.sections.find(({ name }) => name === section);
  return of && ruleTo(of, right);
}

/** Whether a rule hands a field on as it is. */
export function isPlain(rule: Rule): boolean {
  return rule.kind === 'both'
    ? rule.to_b1 === null && rule.to_salesforce === null
    : /^source(\.[A-Za-z_]\w*)+$/.test(rule.rule.trim());
}

/** What a rule says in a line. */
export function wordsOf(rule: Rule): string {
  if (rule.kind === 'one-way') return rule.rule;
  const way = rule.direction === 'both' ? '↔' : rule.direction === 'to_b1' ? '←' : '→';
  return `${rule.field} ${way} ${rule.salesforce}`;
}

/** Those of a rule's field first, then the company's own, then the others; in this order they stay while one works. */
export function ordered(fields: readonly Field[], mapped: readonly string[]): Field[] {
  const rank = (field: Field) => {
    const place = mapped.indexOf(field.name);
    return place >= 0 ? place : mapped.length + (field.custom ? 0 : 1);
  };
  return [...fields].sort((one, other) => rank(one) - rank(other));
}

/** Fields that rules name and the system does not have, or could not be asked for: a rule is seen all the same. What is within a property of B1 the flow
 * puts together, such as `BillTo.City`. */
export function withMissing(fields: readonly Field[], paths: readonly string[], side: 'b1' | 'salesforce'): Field[] {
  const there = (path: string) =>
    fields.some(({ name, relation }) => name === path || (relation && path.startsWith(`${relation.name}.`)));
  const missing = [...new Set(paths)].filter((path) => !there(path));
  return [
    ...fields,
    ...missing.map((name): Field => ({
      name,
      label: name,
      type: side === 'b1' && name.includes('.') ? 'composed' : 'missing',
      length: null,
      custom: false,
      settable: true,
      required: false,
      values: null,
      relation: null,
    })),
  ];
}

/** The rows of a list, with the fields of related records that are open below the field that leads to them. */
export function rowsOf(
  fields: readonly Field[],
  opened: ReadonlyMap<string, readonly Field[]>,
  before = '',
  depth = 0,
): FieldRow[] {
  return fields.flatMap((field): FieldRow[] => {
    const leads = field.relation ? before + field.relation.name : undefined;
    const inner = leads === undefined ? undefined : opened.get(leads);
    return [
      { path: before + field.name, field, depth, leads },
      ...(inner ? rowsOf(inner, opened, `${leads}.`, depth + 1) : []),
    ];
  });
}

/** Rows in whose name or label all the words are; what leads to one stays. */
export function found(rows: readonly FieldRow[], words: string): FieldRow[] {
  const all = words.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ path, field }: FieldRow) => {
    const text = `${path} ${field.label}`.toLowerCase();
    return all.every((word) => text.includes(word));
  };
  const hits = rows.filter(fits);
  return rows.filter(
    (row) =>
      hits.includes(row) || (row.leads !== undefined && hits.some((hit) => hit.path.startsWith(`${row.leads}.`))),
  );
}

/** The rule that joins two fields. Where there is one for the target it is replaced; a pair keeps its direction and policy. */
export function joined(section: MappingSection, left: string, right: string): RulePut {
  if (section.way !== 'both') return { kind: 'one-way', field: right, rule: `source.${left}` };
  const before = section.rules.find((rule) => rule.kind === 'both' && rule.field === left);
  return {
    kind: 'both',
    field: left,
    salesforce: right,
    direction: before?.kind === 'both' ? before.direction : 'both',
    policy: before?.kind === 'both' ? before.policy : 'newest',
    to_salesforce: null,
    to_b1: null,
  };
}

/** A rule without what the host says of it. */
export function bareRule(rule: Rule): RulePut {
  if (rule.kind === 'one-way') return { kind: rule.kind, field: rule.field, rule: rule.rule };
  const { kind, field, salesforce, direction, policy, to_salesforce, to_b1 } = rule;
  return { kind, field, salesforce, direction, policy, to_salesforce, to_b1 };
}

/** What a path of a record leads to. */
export function at(source: Record<string, unknown> | null, path: string): unknown {
  return path.split('.').reduce<unknown>((of, name) => {
    return typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined;
  }, source);
}

/** The way in which records are tried. */
export function wayOf(section: MappingSection): OneWay {
  return section.way === 'both' ? 'to-b1' : section.way;
}
