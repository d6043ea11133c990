// The first load of a flow: rehearsed, begun, stopped, gone on with. It takes some seconds, and asks questions.
import type * as T from '../src/api/types.ts';
import { note, ok, refuse, type Answer, type Does, type MockState, type Path } from './answers.ts';
import { now } from './clock.ts';
import { iso } from './data.ts';
import { sees } from './overview.ts';
import type { Open } from './sessions.ts';

export interface Going {
  /** In milliseconds, as `ended`. */
  began: number;
  /** How many were done when it began or went on. */
  from: number;
  since: string | null;
  /** When it was stopped. */
  ended: number | null;
  by: string;
}

const TOTAL = 1_240;
const REHEARSAL_MS = 1_500;
const LOAD_MS = 6_000;
const QUESTIONS: T.LoadRehearsal['found']['questions'] = [
  { key: 'C20500', why: 'Maxi-Teq may be the same as Maxi-Teq GmbH; choose which, or let a new one be made' },
  { key: 'C23900', why: 'Parameter Technology may be the same as two accounts' },
  { key: 'C42000', why: 'the country XX is not known to Salesforce' },
];

const doneOf = (of: Going, takes: number) =>
  Math.min(TOTAL, Math.floor(of.from + (((of.ended ?? now()) - of.began) / takes) * TOTAL));
const stateOf = (of: Going, takes: number): T.LoadState =>
  of.ended !== null ? 'stopped' : doneOf(of, takes) === TOTAL ? 'over' : 'goes-on';
const goesOn = (of: Going | null, takes: number) => of !== null && stateOf(of, takes) === 'goes-on';

function rehearsalSaid(of: Going): T.LoadRehearsal {
  const done = doneOf(of, REHEARSAL_MS);
  const share = done / TOTAL;
  const records = (most: number) => Math.round(most * share);
  return {
    state: stateOf(of, REHEARSAL_MS),
    since: of.since,
    total: TOTAL,
    done,
    error: null,
    began_at: iso(of.began),
    found: {
      effects: [
        { what: 'make Account', records: records(310) },
        { what: 'change BusinessPartners', records: records(84) },
      ],
      links: [{ what: 'partner', records: records(846) }],
      outcomes: [
        { what: 'done', records: records(1_237) },
        { what: 'review', records: records(3) },
      ],
      asks: records(3),
      questions: QUESTIONS.slice(0, records(3)),
    },
  };
}

function loadSaid(of: Going): T.LoadRun {
  const done = doneOf(of, LOAD_MS);
  const state = stateOf(of, LOAD_MS);
  return {
    state,
    since: of.since,
    total: TOTAL,
    taken: Math.min(TOTAL, done + 200),
    waiting: 0,
    done,
    review: Math.floor((done / TOTAL) * QUESTIONS.length),
    error: null,
    began_at: iso(of.began),
    ended_at: state === 'goes-on' ? null : iso(of.ended ?? of.began + LOAD_MS),
    by: of.by,
  };
}

function offersOf({ world }: MockState, flow: string): string[] {
  const plugin = world.setup.flows.find((one) => one.flow === flow)?.plugin;
  return world.setup.plugins.find((one) => one.plugin === plugin)?.first_load ?? [];
}

function said(state: MockState, { account }: Open, flow: string): Answer {
  const of = state.world.setup.loads.get(flow);
  const rehearsal = of?.rehearsal ? rehearsalSaid(of.rehearsal) : null;
  // They name records.
  if (rehearsal && account.role === 'viewer') rehearsal.found.questions = [];
  return ok({
    flow,
    offers: offersOf(state, flow),
    rehearsal,
    load: of?.load ? loadSaid(of.load) : null,
  } satisfies T.Load);
}

/** What there is of the flow's loads; anew where there was nothing. */
function loadsOf({ world }: MockState, flow: string) {
  const found = world.setup.loads.get(flow) ?? { rehearsal: null, load: null };
  world.setup.loads.set(flow, found);
  return found;
}

const of =
  (does: Does): Does =>
  (state, asked, session, flow = '') =>
    state.world.releases.has(flow) && sees(session.account, flow)
      ? does(state, asked, session, flow)
      : refuse(404, `There is no flow ${flow}.`, 'See which ones there are on the overview.');

const begin = ({ account }: Open, since: string | null, from = 0): Going => ({
  began: now(),
  from,
  since,
  ended: null,
  by: account.name,
});

const rehearse: Does = (state, asked, session, flow = '') => {
  const { since } = (asked.body ?? {}) as { since?: string };
  loadsOf(state, flow).rehearsal = begin(session, since ?? null);
  return said(state, session, flow);
};

const start: Does = (state, asked, session, flow = '') => {
  const { since, anew } = (asked.body ?? {}) as { since?: string; anew?: boolean };
  const loads = loadsOf(state, flow);
  if (goesOn(loads.load, LOAD_MS)) return refuse(409, 'A load of it goes on.', 'Stop it, or wait until it is over.');
  if (!state.world.releases.get(flow)?.live) return refuse(409, `${flow} is not live.`, 'Make its release live.');
  const broken = loads.load !== null && loads.load.ended !== null && anew !== true;
  loads.load =
    broken && loads.load
      ? begin(session, loads.load.since, doneOf(loads.load, LOAD_MS))
      : begin(session, since ?? null);
  note(state, session, 'first load', flow, 'done');
  return said(state, session, flow);
};

const stop: Does = (state, _, session, flow = '') => {
  const loads = loadsOf(state, flow);
  if (goesOn(loads.rehearsal, REHEARSAL_MS) && loads.rehearsal) loads.rehearsal.ended = now();
  if (goesOn(loads.load, LOAD_MS) && loads.load) loads.load.ended = now();
  note(state, session, 'stop load', flow, 'done');
  return said(state, session, flow);
};

export const LOAD_PATHS: readonly Path[] = [
  ['GET', /^\/flows\/([^/]+)\/load$/, 'viewer', of((state, _, session, flow = '') => said(state, session, flow))],
  ['POST', /^\/flows\/([^/]+)\/load\/rehearse$/, 'operator', of(rehearse)],
  ['POST', /^\/flows\/([^/]+)\/load$/, 'operator', of(start)],
  ['POST', /^\/flows\/([^/]+)\/load\/stop$/, 'operator', of(stop)],
];
