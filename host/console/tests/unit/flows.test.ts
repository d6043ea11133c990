import { expect, test } from 'vitest';
import type { Schema } from '../../src/api/types.ts';
import { diffLines } from '../../src/pages/flows/differs.ts';
import { formOf, numberOf, withSetting } from '../../src/pages/flows/form.ts';

const SCHEMA: Schema = {
  type: 'object',
  required: ['currency'],
  properties: {
    currency: { type: 'string', title: 'Currency', description: 'Of the org', default: 'EUR' },
    series: { type: ['integer', 'null'], minimum: 1, maximum: 99 },
    share: { type: 'number' },
    active: { type: 'boolean', default: true },
    deleted: { $ref: '#/$defs/Deleted', description: 'What becomes of it', default: 'mark' },
    wins: { anyOf: [{ $ref: '#/$defs/Wins' }, { type: 'null' }] },
    whom: { type: 'array', items: { type: 'string' } },
    codes: { type: 'object', additionalProperties: { type: 'string' } },
    weights: { type: 'object', additionalProperties: { type: 'number' } },
    match: { allOf: [{ $ref: '#/$defs/Match' }], description: 'What counts' },
    rules: { type: 'array', items: { type: 'object' } },
    anything: {},
  },
  $defs: {
    Deleted: { type: 'string', enum: ['mark', 'review'] },
    Wins: { oneOf: [{ const: 'b1' }, { const: 'salesforce' }, { enum: ['review'] }] },
    Match: { type: 'object', properties: { tax_id: { type: 'number', default: 100 } } },
  },
};

test('each kind of setting gets its field, and what no field can show is edited as JSON', () => {
  const shapes = Object.fromEntries(formOf(SCHEMA).map(({ name, shape }) => [name, shape]));
  expect(shapes).toMatchObject({
    currency: { is: 'text' },
    series: { is: 'number', whole: true, least: 1, most: 99 },
    share: { is: 'number', whole: false },
    active: { is: 'flag' },
    deleted: { is: 'choice', choices: ['mark', 'review'] },
    wins: { is: 'choice', choices: ['b1', 'salesforce', 'review'] },
    whom: { is: 'texts' },
    codes: { is: 'map', of: 'text' },
    weights: { is: 'map', of: 'number' },
    match: { is: 'group', fields: [{ name: 'tax_id', usual: 100 }] },
    rules: { is: 'json' },
    anything: { is: 'json' },
  });
});

test('a field says its title, its help, what is usual, and whether it may be left empty', () => {
  const fields = new Map(formOf(SCHEMA).map((field) => [field.name, field]));
  expect(fields.get('currency')).toMatchObject({ title: 'Currency', help: 'Of the org', usual: 'EUR', required: true });
  expect(fields.get('deleted')).toMatchObject({ title: 'deleted', help: 'What becomes of it', usual: 'mark' });
  expect(fields.get('series')?.optional).toBe(true);
  expect(fields.get('wins')?.optional).toBe(true);
  expect(fields.get('match')?.help).toBe('What counts');
});

test('a schema that leads back to itself ends', () => {
  const turning: Schema = { properties: { a: { $ref: '#/$defs/A' } }, $defs: { A: { $ref: '#/$defs/A' } } };
  expect(formOf(turning)[0]?.shape).toEqual({ is: 'json' });
  const nested: Schema = { type: 'object', properties: { a: { $ref: '#' } } };
  expect(formOf(nested)[0]?.shape.is).toBe('group');
});

test('a setting that is changed keeps its place, one that is emptied goes', () => {
  expect(JSON.stringify(withSetting({ a: 1, b: 2 }, 'a', 3))).toBe('{"a":3,"b":2}');
  expect(withSetting({ a: 1, b: 2 }, 'a', undefined)).toEqual({ b: 2 });
  expect([numberOf(' '), numberOf('12.5'), numberOf('soon')]).toEqual([undefined, 12.5, null]);
});

test('lines of a mapping are told apart by their sign, and keep what they say', () => {
  expect(diffLines(['-a = "-1"', '+a = "+2"', ' b'])).toEqual([
    { what: 'gone', sign: '−', text: 'a = "-1"' },
    { what: 'new', sign: '+', text: 'a = "+2"' },
    { what: 'same', sign: ' ', text: 'b' },
  ]);
});
