import { CompletionContext } from '@codemirror/autocomplete';
import { EditorState } from '@codemirror/state';
import { expect, test } from 'vitest';
import type { Field, MappingSection, Rule } from '../../src/api/types.ts';
import { complete, Known } from '../../src/pages/mapping/expression.ts';
import { found, isPlain, joined, joins, ordered, rowsOf, withMissing } from '../../src/pages/mapping/fields.ts';
import { begin, keep, kept, put, redo, undo } from '../../src/pages/mapping/history.ts';
import { isSheet, pasteAt, pasted, tableName, tableOfRows, twice } from '../../src/pages/mapping/rows.ts';

test('a step is taken back and done again; another change makes what was taken back go', () => {
  let history = put(put(begin('a'), 'b'), 'c');
  history = undo(undo(history));
  expect(history).toMatchObject({ past: [], now: 'a', future: ['b', 'c'] });
  expect(undo(history).now).toBe('a');
  history = redo(history);
  expect(history.now).toBe('b');
  history = put(history, 'd');
  expect(history).toMatchObject({ past: ['a', 'b'], now: 'd', future: [] });
  expect(redo(history).now).toBe('d');
});

test('letters typed to the same rule are one step, to another one they are two', () => {
  const history = put(put(put(begin('a'), 'ab', 'x'), 'abc', 'x'), 'abcd', 'y');
  expect(history.past).toEqual(['a', 'abc']);
  // After a step back the next letter is a step of its own.
  expect(put(undo(history), 'abc!', 'y').past).toEqual(['a', 'abc']);
  expect(put(history, 'abcd', 'y')).toBe(history);
});

test('what was kept is read again, and what is not whole is nothing', () => {
  const history = put(begin('a'), 'b');
  expect(kept(keep(history, 'r1'))).toEqual({ release: 'r1', past: ['a'], now: 'b', future: [] });
  expect([null, '', '{', '{"now":1}', '{"now":"a","past":[1],"future":[]}'].map(kept)).toEqual(
    Array(5).fill(undefined),
  );
});

test('rows are pasted from a sheet: tabs, lines, quotes, and nothing for an empty line', () => {
  expect(pasted('N\tNorth\r\nS\tSouth\r\n')).toEqual([
    { code: 'N', value: 'North' },
    { code: 'S', value: 'South' },
  ]);
  expect(pasted('"a ""b"""\t"two\nlines"\textra\n\nc')).toEqual([
    { code: 'a "b"', value: 'two\nlines' },
    { code: 'c', value: '' },
  ]);
  expect([isSheet('one\n'), isSheet('a\tb'), isSheet('a\nb')]).toEqual([false, true, true]);
  const rows = [
    { code: 'A', value: '1' },
    { code: '', value: '' },
    { code: 'Z', value: '9' },
  ];
  expect(pasteAt(rows, 1, pasted('B\t2\nC\t3')).map((row) => row.code)).toEqual(['A', 'B', 'C']);
});

test('a table has no row without a code, and says which codes stand twice', () => {
  const rows = pasted('A\t1\n\t2\nA\t3');
  expect(tableOfRows(rows)).toEqual({ A: '3' });
  expect(twice(rows)).toEqual(['A']);
  expect(tableName('U_SalesRegion', [])).toBe('sales_region');
  expect(tableName('Region__c', ['region', 'region_2'])).toBe('region_3');
  expect(tableName('Ü', [])).toBe('codes');
});

const field = (name: string, more: Partial<Field> = {}): Field => ({
  name,
  label: name,
  type: 'string',
  length: 10,
  custom: name.endsWith('__c'),
  settable: true,
  required: false,
  values: null,
  relation: null,
  ...more,
});

test('what is mapped stands first, then custom fields; related ones below the field that leads to them', () => {
  const fields = [field('A'), field('B__c'), field('C', { relation: { name: 'Account', object: 'Account' } })];
  expect(ordered(fields, ['C']).map((one) => one.name)).toEqual(['C', 'B__c', 'A']);
  expect(
    withMissing(fields, ['A', 'Account.Region__c', 'Gone__c', 'Gone__c'], 'salesforce').map((one) => one.name),
  ).toEqual(['A', 'B__c', 'C', 'Gone__c']);
  const rows = rowsOf(fields, new Map([['Account', [field('Region__c')]]]));
  expect(rows.map((row) => row.path)).toEqual(['A', 'B__c', 'C', 'Account.Region__c']);
  expect(found(rows, 'region').map((row) => row.path)).toEqual(['C', 'Account.Region__c']);
  expect(withMissing([], ['BillTo.City'], 'b1').map((one) => one.type)).toEqual(['composed']);
});

const section = (way: MappingSection['way'], rules: Rule[] = []): MappingSection => ({
  name: 's',
  b1: 'Orders',
  salesforce: 'Opportunity',
  way,
  reserved: { to_b1: [], to_salesforce: [] },
  rules,
});

test('a line becomes a rule that copies; a pair keeps how it was', () => {
  expect(joined(section('to-b1'), 'Account.Region__c', 'U_Region')).toEqual({
    kind: 'one-way',
    field: 'U_Region',
    rule: 'source.Account.Region__c',
  });
  const before: Rule = {
    kind: 'both',
    field: 'Phone1',
    salesforce: 'Fax',
    direction: 'to_b1',
    policy: 'review',
    to_salesforce: null,
    to_b1: 'source.Fax',
    reads: ['Fax'],
    line: 3,
    problem: null,
  };
  expect(isPlain(before)).toBe(false);
  expect(joins(before)).toEqual({ left: ['Phone1'], right: 'Fax' });
  expect(joined(section('both', [before]), 'Phone1', 'Phone')).toMatchObject({
    salesforce: 'Phone',
    direction: 'to_b1',
    policy: 'review',
    to_b1: null,
  });
});

test('completion knows fields, those of related records, tables, functions and methods', async () => {
  const known = new Known(() => undefined);
  known.learn({
    words: [
      { name: 'day', kind: 'function', signature: 'day(moment)', does: '', example: '' },
      { name: 'startsWith', kind: 'method', signature: 'text.startsWith(text)', does: '', example: '' },
    ],
    tables: ['region'],
    fields: async (path) => (path.length === 0 ? [field('Type')] : [field(`Of_${path.join('_')}`)]),
  });
  const at = async (text: string) => {
    const state = EditorState.create({ doc: text });
    const result = await complete(known, new CompletionContext(state, text.length, false));
    return result?.options.map((one) => one.label);
  };
  expect(await at('source.')).toEqual(['Type']);
  expect(await at('source.Account.Owner.Na')).toEqual(['Of_Account_Owner']);
  expect(await at('tables.re')).toEqual(['region']);
  expect(await at('da')).toEqual(['source', 'day']);
  expect(await at('"x".st')).toEqual(['startsWith']);
  expect(await at('1 + ')).toBeUndefined();
});
