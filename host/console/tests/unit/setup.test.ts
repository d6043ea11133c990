import { expect, test } from 'vitest';
import type {
  Load,
  LoadRun,
  LookFinding,
  Setup,
  SetupConnection,
  SetupFlow,
  SetupPlugin,
} from '../../src/api/types.ts';
import { fingerprint } from '../../src/pages/setup/fingerprint.ts';
import { ordered } from '../../src/pages/setup/ordered.ts';
import { leftOf, rateOf, sampled, type Sample } from '../../src/parts/rate.ts';
import { blank, filled, isTimeZone, needsSecret, sameSettings, trimmed } from '../../src/pages/setup/settings.ts';
import { firstOpen, standings } from '../../src/pages/setup/steps.ts';

test('a fingerprint is told in four groups of eight pairs, however it was written', () => {
  const sha256 = '00ff'.repeat(16);
  const group = '00:FF:00:FF:00:FF:00:FF';
  expect(fingerprint(sha256)).toEqual(Array(4).fill(group));
  expect(fingerprint(Array(4).fill(group).join(':'))).toEqual(fingerprint(sha256));
  expect(fingerprint('')).toEqual([]);
});

test('what is wrong stands first, then what soon will be; the rest as it was found', () => {
  const of = (what: string, state: LookFinding['state']): LookFinding => ({ what, state, says: '', mend: '' });
  const found = [of('a', 'good'), of('b', 'soon'), of('c', 'wrong'), of('d', 'good'), of('e', 'wrong')];
  expect(ordered(found).map((one) => one.what)).toEqual(['c', 'e', 'b', 'a', 'd']);
});

test('how fast a load is follows from the last minute, and begins anew with another load', () => {
  let samples: Sample[] = [];
  for (let second = 0; second <= 90; second += 10) {
    // Ten a second at first, forty from the half minute on.
    const done = second <= 30 ? second * 10 : 300 + (second - 30) * 40;
    samples = sampled(samples, { at: second * 1000, done });
  }
  expect(samples[0]?.at).toBe(30_000);
  expect(rateOf(samples)).toBe(40);
  expect(sampled(samples, { at: 100_000, done: 5 })).toEqual([{ at: 100_000, done: 5 }]);
});

test('nothing is said of a rate before something was seen', () => {
  expect(rateOf([])).toBeUndefined();
  expect(rateOf([{ at: 1000, done: 800 }])).toBeUndefined();
  expect(
    rateOf([
      { at: 1000, done: 800 },
      { at: 2000, done: 800 },
    ]),
  ).toBeUndefined();
});

test('what is left is told as roughly as people say it', () => {
  expect(leftOf(0, 10)).toEqual({ unit: 'seconds', count: 1 });
  expect(leftOf(425, 10)).toEqual({ unit: 'seconds', count: 43 });
  expect(leftOf(3000, 10)).toEqual({ unit: 'minutes', count: 5 });
  expect(leftOf(90_000, 10)).toEqual({ unit: 'hours', count: 3 });
});

const B1: SetupConnection = {
  name: 'erp',
  settings: {
    ...blank('b1', 'UTC'),
    kind: 'b1',
    url: 'https://b1:50000/b1s/v2',
    company: 'SBO',
    user: 'tandem',
  } as never,
  way: 'password',
  kept: 'a file',
  live: true,
};
const ORG: SetupConnection = {
  name: 'crm',
  settings: { ...blank('salesforce', ''), login_url: 'https://a.my.salesforce.com', client_id: '3MVG' } as never,
  way: 'client_secret',
  kept: 'a file',
  live: true,
};

test('a secret that is kept holds for its address and its way alone', () => {
  expect(needsSecret(undefined, B1.settings, 'password')).toBe(true);
  expect(needsSecret(B1, { ...B1.settings, company: 'OTHER' } as never, 'password')).toBe(false);
  expect(needsSecret(B1, { ...B1.settings, url: 'https://elsewhere' } as never, 'password')).toBe(true);
  expect(needsSecret(ORG, ORG.settings, 'private_key')).toBe(true);
});

test('a form is a change where a value is another one, in whatever order they stand', () => {
  const turned = Object.fromEntries(Object.entries(B1.settings).reverse()) as never;
  expect(sameSettings(B1.settings, turned)).toBe(true);
  expect(sameSettings(B1.settings, { ...B1.settings, pin_sha256: 'ab' })).toBe(false);
});

test('what was pasted is sent without the spaces around it', () => {
  expect(trimmed({ ...B1.settings, url: ' https://b1:50000/b1s/v2\n' } as never)).toEqual(B1.settings);
});

test('a form is filled where each field that must be is; a private key takes a user', () => {
  expect(filled(blank('b1', 'UTC'), 'password')).toBe(false);
  expect(filled(B1.settings, 'password')).toBe(true);
  expect(filled(ORG.settings, 'client_secret')).toBe(true);
  expect(filled(ORG.settings, 'private_key')).toBe(false);
  expect([isTimeZone('Europe/Berlin'), isTimeZone('Berlin'), isTimeZone('')]).toEqual([true, false, false]);
});

const PLUGIN: SetupPlugin = {
  plugin: 'accounts',
  title: '',
  version: '1',
  slots: [],
  schema: null,
  first_load: ['b1.BusinessPartners'],
  problem: null,
};
const FLOW: SetupFlow = {
  flow: 'accounts',
  plugin: 'accounts',
  connections: {},
  settings: {},
  live: true,
  release: 'r1',
  missing: 0,
  running: true,
  why: null,
};
const setup = (of: Partial<Setup>): Setup => ({
  file: '',
  refused: null,
  time_zone: 'UTC',
  connections: [],
  plugins: [PLUGIN],
  flows: [],
  ...of,
});
const load = (state: LoadRun['state']): Load => ({
  flow: 'accounts',
  offers: [],
  rehearsal: null,
  load: {
    state,
    since: null,
    total: 1,
    taken: 1,
    waiting: 0,
    done: 1,
    review: 0,
    error: null,
    began_at: '',
    ended_at: null,
    by: '',
  },
});

test('an empty host has everything to do, and begins with B1', () => {
  const found = standings(setup({}), []);
  expect(found).toEqual({ b1: 'todo', salesforce: 'todo', flows: 'todo', load: 'todo', runs: 'todo' });
  expect(firstOpen(found)).toBe('b1');
});

test('what is saved waits for the host, or is wrong where the host refuses it', () => {
  const connections = [{ ...B1, live: false }, ORG];
  expect(standings(setup({ connections }), [])).toMatchObject({ b1: 'waits', salesforce: 'done' });
  expect(standings(setup({ connections, refused: 'no' }), [])).toMatchObject({ b1: 'wrong', salesforce: 'done' });
});

test('a flow waits for the host, then for its rights, and is wrong where it cannot be made', () => {
  const of = (flow: Partial<SetupFlow>) =>
    standings(setup({ flows: [{ ...FLOW, running: false, ...flow }] }), []).flows;
  expect(of({ live: false, release: null })).toBe('waits');
  expect(of({ release: null })).toBe('waits');
  expect(of({ release: null, why: 'its settings are wrong' })).toBe('wrong');
  expect(of({ missing: 3 })).toBe('todo');
  expect(of({ why: 'it waits for a person' })).toBe('done');
});

test('a first load is done where each flow is live and each that offers one is loaded', () => {
  const of = (loads: Load[], flow: Partial<SetupFlow> = {}) =>
    standings(setup({ flows: [{ ...FLOW, ...flow }] }), loads).load;
  expect(of([])).toBe('todo');
  expect(of([load('goes-on')])).toBe('waits');
  expect(of([load('failed')])).toBe('wrong');
  expect(of([load('stopped')])).toBe('todo');
  expect(of([load('over')])).toBe('done');
  expect(of([], { plugin: 'orders' })).toBe('done');
  expect(of([], { plugin: 'orders', running: false })).toBe('todo');
});
