// The paths of the mapping editor: a flow's mapping, edits of its text, fields, checks, previews, code tables.
import type * as T from '../src/api/types.ts';
import { ok, refuse, type Does, type Path } from './answers.ts';
import { now } from './clock.ts';
import { sees } from './overview.ts';
import { evaluate, problemOf, readsOf, WORDS } from './expression.ts';
import { ACCOUNTS, b1Fields, LINES, OPPORTUNITIES, PARTNER_RECORDS, salesforceFields } from './fields.ts';
import { edit as editText, read, type SectionOf } from './toml.ts';

const section = (
  name: string,
  way: T.Way,
  b1: string,
  salesforce: string,
  to_b1: string[] = [],
  to_salesforce: string[] = [],
): SectionOf => ({ name, way, b1, salesforce, reserved: { to_b1, to_salesforce } });

export const SECTIONS: Record<string, SectionOf[]> = {
  orders: [
    section('header', 'to-b1', 'Orders', 'Opportunity', ['U_SF_Id', 'DocEntry', 'CardCode']),
    section('line', 'to-b1', 'Orders/DocumentLines', 'OpportunityLineItem', ['LineNum', 'U_SF_LineId']),
  ],
  accounts: [
    section('account', 'both', 'BusinessPartners', 'Account', ['CardCode'], ['Id']),
    section('new_partner', 'to-b1', 'BusinessPartners', 'Account', ['CardCode']),
  ],
};

const of = (flow: string, name: string | null | undefined) => SECTIONS[flow]?.find((one) => one.name === name);

const tellMapping: Does = ({ world }, { query }, session, flow = '') => {
  const releases = sees(session.account, flow) ? world.releases.get(flow) : undefined;
  const asked = query.get('release') ?? releases?.live ?? '';
  const release = releases?.all.find((one) => one.release.startsWith(asked));
  return release
    ? ok(read(release.mapping_text, SECTIONS[flow] ?? [], release.release))
    : refuse(404, `There is no release ${asked} of ${flow}.`);
};

const edit: Does = (_, asked, __, flow = '') => {
  const { text, edits } = asked.body as { text: string; edits: T.Edit[] };
  return ok(read(editText(text, edits), SECTIONS[flow] ?? [], null));
};

const tellFields: Does = (_, { query }, __, flow = '') => {
  const object = query.get('object');
  if (object) return ok({ b1: [], salesforce: salesforceFields(object), unread: null } satisfies T.SectionFields);
  const found = of(flow, query.get('section'));
  if (!found) return refuse(404, `There is no section ${query.get('section') ?? ''}.`);
  return ok({
    b1: b1Fields(found.b1),
    salesforce: salesforceFields(found.salesforce),
    unread: null,
  } satisfies T.SectionFields);
};

const check: Does = (_, asked, __, flow = '') => {
  const { text } = asked.body as { text: string };
  const doc = read(text, SECTIONS[flow] ?? [], null);
  const findings = doc.sections.flatMap((one) => one.rules.flatMap((rule) => checked(one, rule)));
  if (doc.problem)
    findings.unshift({ section: '', field: '', line: doc.problem.line, grade: 'error', finding: doc.problem.error });
  return ok({ findings, unread: null } satisfies T.Checked);
};

function checked(section: T.MappingSection, rule: T.Rule): T.Finding[] {
  const tell = (grade: T.Finding['grade'], finding: string): T.Finding => ({
    section: section.name,
    field: rule.field,
    line: rule.line,
    grade,
    finding,
  });
  const found: T.Finding[] = rule.problem ? [tell('error', rule.problem)] : [];
  const target = b1Fields(section.b1).find((field) => field.name === rule.field);
  if (!target) found.push(tell('error', `${section.b1} has no field ${rule.field}.`));
  if (section.reserved.to_b1.includes(rule.field)) found.push(tell('error', 'The flow sets this field itself.'));
  for (const path of rule.kind === 'one-way' ? rule.reads : [rule.salesforce]) {
    const [name = ''] = path.split('.');
    const source = salesforceFields(section.salesforce).find(
      (field) => field.name === name || field.relation?.name === name,
    );
    if (!source) found.push(tell('error', `${section.salesforce} has no field ${name}.`));
    else if (
      rule.kind === 'one-way' &&
      rule.rule === `source.${path}` &&
      target?.length &&
      (source.length ?? 0) > target.length
    ) {
      found.push(
        tell(
          'warning',
          `${path} has up to ${source.length} letters, ${rule.field} takes ${target.length}: what is longer is refused.`,
        ),
      );
    }
  }
  return found;
}

const expression: Does = (_, asked) => {
  const { text, tables } = asked.body as { text: string; tables?: string[] };
  const wrong = problemOf(text, tables ?? []);
  return ok({
    ok: !wrong,
    error: wrong?.error ?? null,
    at: wrong?.at ?? null,
    reads: readsOf(text),
  } satisfies T.ExpressionSaid);
};

function recordsOf(object: string): Record<string, unknown>[] {
  if (object === 'Opportunity') return OPPORTUNITIES;
  if (object === 'OpportunityLineItem') return LINES;
  return object === 'Account' ? ACCOUNTS : object === 'BusinessPartners' ? PARTNER_RECORDS : [];
}
const sourceOf = (section: SectionOf | undefined, way: string | null) =>
  recordsOf((way === 'to-salesforce' ? section?.b1 : section?.salesforce) ?? '');
const idOf = (record: Record<string, unknown>) => String(record.Id ?? record.CardCode);

const listRecords: Does = (_, { query }, __, flow = '') =>
  ok({
    records: sourceOf(of(flow, query.get('section')), query.get('way')).map((record, n): T.TryRecord => ({
      id: idOf(record),
      words: String(record.Name ?? record.CardName ?? record.Description),
      at: new Date(now() - (n + 1) * 3_600_000).toISOString(),
    })),
  });

const preview: Does = (_, asked, __, flow = '') => {
  const {
    text,
    section: name,
    way,
    records,
  } = asked.body as { text: string; section: string; way: T.OneWay; records: string[] };
  const doc = read(text, SECTIONS[flow] ?? [], null);
  const section = doc.sections.find((one) => one.name === name);
  if (!section) return refuse(404, `There is no section ${name}.`);
  const from = sourceOf(section, way);
  return ok({
    records: records.map((record): T.Previewed => {
      const source = from.find((one) => idOf(one) === record);
      if (!source) return { record, source: null, error: `There is no record ${record}.`, mapper: false, values: [] };
      return {
        record,
        source,
        error: null,
        mapper: false,
        values: section.rules.flatMap((rule) => valued(rule, way, source, doc.tables)),
      };
    }),
  });
};

function valued(
  of: T.Rule,
  way: T.OneWay,
  source: Record<string, unknown>,
  tables: T.MappingDoc['tables'],
): T.Previewed['values'] {
  if (of.kind === 'both' && of.direction !== 'both' && of.direction.replace('_', '-') !== way) return [];
  const field = of.kind === 'both' && way === 'to-salesforce' ? of.salesforce : of.field;
  const rule =
    of.kind === 'one-way'
      ? of.rule
      : way === 'to-b1'
        ? (of.to_b1 ?? `source.${of.salesforce}`)
        : (of.to_salesforce ?? `source.${of.field}`);
  const told = { field, rule, by_plugin: false, not_here: false };
  try {
    return [{ ...told, value: evaluate(rule, source, tables), error: null }];
  } catch (why) {
    return [{ ...told, value: null, error: why instanceof Error ? why.message : String(why) }];
  }
}

const table: Does = (_, asked, __, flow = '') => {
  const { section: name, b1, salesforce } = asked.body as { section: string; b1: string; salesforce: string };
  const section = of(flow, name);
  const own = b1Fields(section?.b1 ?? '').find((field) => field.name === b1)?.values ?? [];
  const other = salesforceFields(section?.salesforce ?? '').find((field) => field.name === salesforce)?.values ?? [];
  const [codes, values] = section?.way === 'to-b1' ? [other, own] : [own, other];
  const rows = codes.flatMap((code): T.TableProposal['rows'] => {
    const value = (test: (one: T.Choice) => boolean) => values.find(test)?.value;
    const same = value((one) => one.value === code.value);
    const label = value((one) => one.label.toLowerCase() === code.label.toLowerCase());
    const alike = value((one) => one.label.toLowerCase().startsWith(code.label.toLowerCase().slice(0, 3)));
    if (same) return [{ code: code.value, value: same, why: 'same value' }];
    if (label) return [{ code: code.value, value: label, why: 'same label' }];
    return alike ? [{ code: code.value, value: alike, why: 'alike' }] : [];
  });
  return ok({ b1: own, salesforce: other, rows } satisfies T.TableProposal);
};

export const MAPPING_PATHS: readonly Path[] = [
  ['GET', /^\/flows\/([^/]+)\/mapping$/, 'viewer', tellMapping],
  ['POST', /^\/flows\/([^/]+)\/mapping\/edit$/, 'operator', edit],
  ['GET', /^\/flows\/([^/]+)\/mapping\/fields$/, 'viewer', tellFields],
  ['POST', /^\/flows\/([^/]+)\/mapping\/check$/, 'operator', check],
  ['POST', /^\/expression$/, 'viewer', expression],
  ['GET', /^\/expression\/words$/, 'viewer', () => ok({ words: WORDS })],
  ['GET', /^\/flows\/([^/]+)\/mapping\/records$/, 'operator', listRecords],
  ['POST', /^\/flows\/([^/]+)\/mapping\/preview$/, 'operator', preview],
  ['POST', /^\/flows\/([^/]+)\/mapping\/table$/, 'operator', table],
];
