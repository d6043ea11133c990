import { expect, test } from 'vitest';
import type { Reconciled, Report, ReportRow, Sum } from '../../src/api/types.ts';
import { chosen, differing, isZero, same } from '../../src/pages/reconcile/chosen.ts';
import { verdict } from '../../src/pages/reconcile/verdict.tsx';
import { address, said } from '../../src/way/places.ts';
import de from '../../src/words/de.json' with { type: 'json' };
import en from '../../src/words/en.json' with { type: 'json' };
import { amount } from '../../src/words/format.ts';
import { speaker } from '../../src/words/words.ts';

const of = (name: string, more: Partial<Reconciled> = {}): Reconciled => ({
  name,
  title: name,
  salesforce: 1,
  b1: 1,
  in_step: 1,
  differing: 0,
  missing_in_b1: 0,
  missing_in_salesforce: 0,
  double: 0,
  alone: 0,
  sums: [],
  reasons: [],
  unexplained: 0,
  not_again: 0,
  ...more,
});

function report(...comparisons: Reconciled[]): Report {
  const flows = comparisons.map((one) => ({ flow: one.name, failed: false, comparisons: [one] }));
  return { flows, tandem: '', files: [] } as unknown as Report;
}

test('of a report first what nobody can explain is shown, then what differs, else what was compared', () => {
  const cut = of('credit', { not_whole: 'B1 is away' });
  const name = (report: Report, flow?: string, one?: string) => chosen(report, flow, one)?.of.name;
  const differs = of('accounts', { missing_in_b1: 2 });
  const open = of('orders', { differing: 1, unexplained: 1 });
  expect(name(report(cut, of('items'), differs, open))).toBe('orders');
  expect(name(report(cut, of('items'), differs))).toBe('accounts');
  expect(name(report(cut, of('items')))).toBe('items');
  expect(name(report(cut))).toBe('credit');
  expect(name(report())).toBe(undefined);
  expect(name(report(cut, of('items'), open), 'items', 'items')).toBe('items');
  expect(name(report(cut, of('items'), open), 'items', 'gone')).toBe('orders');
});

test('amounts are exact, whatever their length, and money has its cents', () => {
  expect(amount('12345678901234567.89', true, 'en')).toBe('12,345,678,901,234,567.89');
  expect(amount('-40611', true, 'de')).toBe('-40.611,00');
  expect(amount('0.333333', false, 'en')).toBe('0.333333');
  expect(amount('184220', false, 'en')).toBe('184,220');
});

test('a sum differs by its digits', () => {
  expect(['0', '0.00', '-0.0', '0.01', '-5'].map(isZero)).toEqual([true, true, true, false, false]);
  const sum = (difference: string, differences: string) => ({ difference, differences }) as Sum;
  const [none, month, open] = [sum('0.00', '0.00'), sum('-1.00', '0.00'), sum('-0.01', '-0.01')];
  expect(differing([none, month, open])).toEqual([open]);
  expect(same([none, month, open])).toEqual([none]);
});

test('what came of it is said in plain words', () => {
  const row = (more: Partial<ReportRow>) =>
    ({ verdict: 'agree', differences: 0, unexplained: 0, ...more }) as ReportRow;
  const english = speaker(en, 'en');
  expect(verdict(row({}), english)).toBe('Both sides agree.');
  expect(verdict(row({ verdict: 'explained', differences: 1 }), english)).toBe(
    '1 record differs, and it is known why.',
  );
  expect(verdict(row({ verdict: 'unexplained', differences: 1200, unexplained: 3 }), english)).toBe(
    '1,200 records differ. 3 of them nobody can explain.',
  );
  expect(verdict(row({ verdict: 'unexplained', differences: 1200, unexplained: 1 }), speaker(de, 'de'))).toBe(
    '1.200 Datensätze weichen ab. 1 davon kann niemand erklären.',
  );
});

test('each difference has an address of its own, and a report one for what is looked for in it', () => {
  const name = '20261127-033000-000';
  expect(address({ to: '/reconcile/$id/$place', params: { id: name, place: '40125' } })).toBe(
    `/reconcile/${name}/40125`,
  );
  const search = { flow: 'orders', of: 'orders', why: 'unexplained', q: '' };
  expect(address({ to: '/reconcile/$id', params: { id: name }, search })).toBe(
    `/reconcile/${name}?flow=orders&of=orders&why=unexplained`,
  );
  expect(said('/reconcile/$id', 'why=told&place=3')).toEqual({ why: 'told' });
});
