import { expect, test } from 'vitest';
import type { RunRow } from '../../src/api/types.ts';
import { filterOf, searchOf } from '../../src/pages/events/filter.ts';
import { different, rows } from '../../src/pages/reviews/pairs.ts';
import { differences, effectsOf } from '../../src/pages/story/differences.ts';
import { address, said } from '../../src/way/places.ts';

const NOW = Date.parse('2026-11-27T14:32:05.120Z');

test('an address says what is looked for, as text, and nothing that is empty', () => {
  expect(address({ to: '/events', search: { q: '0042', flow: '', state: 'review,rejected' } })).toBe(
    '/events?q=0042&state=review%2Crejected',
  );
  expect(address({ to: '/events/$id', params: { id: '20301' } })).toBe('/events/20301');
  expect(said('/events', 'q=0042&other=1&flow=')).toEqual({ q: '0042' });
});

test('a view of the last day ends now, whenever it is opened', () => {
  const search = searchOf('state=rejected&within=day');
  expect(filterOf(search, NOW)).toEqual({ state: 'rejected', since: '2026-11-26T14:32:00.000Z' });
  expect(filterOf(search, NOW + 60_000).since).toBe('2026-11-26T14:33:00.000Z');
});

test('what is no time is handed on, so that the host says what is wrong with it', () => {
  expect(filterOf({ since: 'tomorrowish' }, NOW)).toEqual({ since: 'tomorrowish' });
});

test('fields of both systems that say the same stand in one row, and only what differs is marked', () => {
  const found = rows([
    { Name: 'Maxi-Teq GmbH', BillingCity: 'Mannheim', Website: 'maxi-teq.example' },
    { CardName: 'Maxi-Teq', City: 'mannheim ', CardCode: 'C20500' },
  ]);
  expect(found.map((row) => row.names)).toEqual([
    ['Name', 'CardName'],
    ['BillingCity', 'City'],
    ['Website'],
    ['CardCode'],
  ]);
  expect(found.map(different)).toEqual([true, false, false, false]);
  expect(found[0]?.cells.map((cell) => cell.differs)).toEqual([false, true]);
});

test('a rehearsal is compared with what the last attempt sent', () => {
  const run = {
    calls: [
      { effect: false, method: 'GET', connection: 'b1', path: '/Orders', request: null },
      {
        effect: true,
        method: 'POST',
        connection: 'b1',
        path: '/Orders',
        request: { body: { CardCode: 'C1', Rows: [1] } },
      },
      { effect: true, method: 'PATCH', connection: 'salesforce', path: '/Opportunity/1', request: { State: 'Done' } },
    ],
  } as unknown as RunRow;
  const now = [
    {
      connection: 'b1',
      method: 'POST',
      path: '/Orders',
      fields: [
        { name: 'CardCode', value: 'C2' },
        { name: 'Rows', value: [1] },
      ],
    },
    { connection: 'b1', method: 'POST', path: '/Drafts', fields: [] },
  ];
  const found = differences(effectsOf(run), now);
  expect(found.map(({ what, path }) => [what, path])).toEqual([
    ['other', '/Orders'],
    ['new', '/Drafts'],
    ['gone', '/Opportunity/1'],
  ]);
  expect(found[0]?.fields).toEqual([
    { name: 'CardCode', then: 'C1', now: 'C2', same: false },
    { name: 'Rows', then: [1], now: [1], same: true },
  ]);
});
