// The proof that both sides agree: reports of the last nights, their differences, and one that is asked for now. It takes some seconds.
import type * as T from '../src/api/types.ts';
import { note, ok, refuse, type Answer, type Asked, type Does, type MockState, type Path } from './answers.ts';
import { now } from './clock.ts';
import { iso, type World } from './data.ts';
import { sees } from './overview.ts';

const DAY = 24 * 3_600_000;
const RUN_MS = 4_000;
const STEPS = ['reading-salesforce', 'reading-b1', 'comparing', 'explaining'] as const;
const FILES = ['report.json', 'report.html', 'differences.csv', 'sums.csv', 'differences.jsonl'];
const COMPARED: Record<string, string> = {
  accounts: 'Customers and leads',
  catalogue: 'Items',
  credit: 'Balances and limits',
  inventory: 'Quantities',
  invoices: 'Invoices and credit memos',
  orders: 'Won opportunities',
};

interface Kept {
  at: number;
  since: string | null;
  flows: string[];
  ofAll: boolean;
  differences: T.Difference[];
}
interface Going {
  began: number;
  by: string;
  since: string | null;
  flows: string[];
  ofAll: boolean;
  ended: number | null;
}
export interface ReconcileWorld {
  /** Newest first. */
  kept: Kept[];
  run: Going | null;
}

/** A world of reports that were made at 03:30 of the last nights; none on a host that was just installed. */
export function reconcileOf(world: Pick<World, 'events' | 'flows'>, today: number): ReconcileWorld {
  const flows = world.flows.map(({ name }) => name).sort();
  if (flows.length === 0) return { kept: [], run: null };
  const night = Math.floor(today / DAY) * DAY + 3.5 * 3_600_000;
  const last = night > today ? night - DAY : night;
  // The plugin of one flow says nothing; it came the day before yesterday.
  const before = flows.filter((flow) => COMPARED[flow] !== undefined);
  const nights = [found(world), [], [], found(world).slice(1, 2)];
  const kept = nights.map((differences, back): Kept => {
    return { at: last - back * DAY, since: null, flows: back < 2 ? flows : before, ofAll: true, differences };
  });
  return { kept, run: null };
}

function found({ events }: Pick<World, 'events'>): T.Difference[] {
  const asked = events.filter(({ row }) => row.flow === 'orders' && row.state === 'review').slice(0, 4);
  const won = events.find(({ row }) => row.key === '0065g000004711kLmA')?.row.id;
  const all: Omit<T.Difference, 'place'>[] = [
    {
      flow: 'orders',
      comparison: 'orders',
      kind: 'differs',
      label: 'Workshop equipment, second line',
      salesforce: '0065g000004711kLmA',
      b1: '1042',
      fields: [
        { field: 'net total EUR', salesforce: '18450.00', b1: '18540.00' },
        { field: 'NumAtCard / PO_Number__c', salesforce: 'PO-7781', b1: 'PO-7718' },
      ],
      why: 'unexplained',
      reason: `nothing explains it; event ${won ?? ''} was done on 2026-11-27 13:55 UTC: order 1042 was made`,
      ...(won !== undefined && { event: won }),
    },
    ...asked.map(({ row }): Omit<T.Difference, 'place'> => ({
      flow: 'orders',
      comparison: 'orders',
      kind: 'missing-in-b1',
      label: row.reason?.split(' (')[0] ?? row.key,
      salesforce: row.key,
      b1: '',
      why: 'review',
      reason: `held in review since ${row.created_at.slice(0, 16).replace('T', ' ')} UTC: ${row.reason ?? ''}`,
      event: row.id,
    })),
    ...Array.from({ length: 118 }, (_, n): Omit<T.Difference, 'place'> => {
      const code = `C2${String(n * 7).padStart(4, '0')}`;
      const fresh = n % 29 === 0;
      return {
        flow: 'accounts',
        comparison: 'accounts',
        kind: fresh ? 'differs' : 'missing-in-salesforce',
        label: `Customer ${n + 1}`,
        salesforce: fresh ? `0015g00000${String(n).padStart(4, '0')}QrsAAE` : '',
        b1: code,
        ...(fresh && { fields: [{ field: 'Phone1 / Phone', salesforce: '+49 621 0100', b1: '+49 621 0101' }] }),
        why: fresh ? 'not-read' : 'never-linked',
        reason: fresh
          ? 'changed in B1 on 2026-11-27 03:28 UTC, not read yet'
          : 'never linked: it is older than the flow, which runs since 2026-11-20 08:00 UTC, and no first load has taken it in',
      };
    }),
  ];
  return all.map((one, n) => ({ ...one, place: n * 400 }));
}

const nameOf = ({ at, since, ofAll }: Pick<Kept, 'at' | 'since' | 'ofAll'>) => {
  const [date = '', time = ''] = iso(at).replace('Z', '').split('T');
  const part = ofAll && since === null ? '' : '-part';
  return `${date.replaceAll('-', '')}-${time.replaceAll(':', '').replace('.', '-')}${part}`;
};

function reportOf(kept: Kept, account: T.Account): T.Report {
  const flows = kept.flows.filter((flow) => sees(account, flow)).map((flow) => flowOf(kept, flow));
  const comparisons = flows.flatMap(({ comparisons }) => comparisons);
  const sum = (of: (one: T.Reconciled) => number) => comparisons.reduce((all, one) => all + of(one), 0);
  const differences = sum((one) => one.differing + one.missing_in_b1 + one.missing_in_salesforce);
  const unexplained = sum((one) => one.unexplained);
  const ofAll = kept.ofAll && account.flows === null;
  const unsaid = flows.filter((flow) => flow.unsaid !== undefined).map(({ flow }) => flow);
  const verdict =
    comparisons.length === 0
      ? 'nothing'
      : unexplained > 0
        ? 'unexplained'
        : differences > 0
          ? 'explained'
          : unsaid.length > 0 || !ofAll || kept.since !== null
            ? 'partly'
            : 'agree';
  return {
    summary: {
      name: nameOf(kept),
      at: iso(kept.at),
      took_ms: 48_200,
      since: kept.since,
      flows: flows.map(({ flow }) => flow),
      of_all: ofAll,
      verdict,
      words: verdict,
      in_step: sum((one) => one.in_step),
      differences,
      unexplained,
      missed: [],
      unsaid,
    },
    tandem: '0.1.0',
    flows,
    files: account.role !== 'viewer' && account.flows === null ? FILES : [],
  };
}

function flowOf(kept: Kept, flow: string): T.ReconciledFlow {
  const title = COMPARED[flow];
  const base = { flow, title: '', plugin: `${flow} 0.2.0`, b1: 'erp', salesforce: 'crm', failed: false };
  if (title === undefined) {
    return { ...base, unsaid: 'its plugin does not say how its records are compared', comparisons: [] };
  }
  const own = kept.differences.filter((one) => one.flow === flow);
  const count = (fits: (one: T.Difference) => boolean) => own.filter(fits).length;
  const size = flow === 'accounts' ? 1_240 : flow === 'orders' ? 212 : 830;
  const alone = flow === 'invoices' ? 14 : 0;
  const [inB1, inSalesforce] = [count((one) => one.b1 !== ''), count((one) => one.salesforce !== '')];
  return {
    ...base,
    comparisons: [
      {
        name: flow,
        title,
        salesforce: size + inSalesforce,
        b1: size + alone + inB1,
        in_step: size,
        differing: count(({ kind }) => kind === 'differs'),
        missing_in_b1: count(({ kind }) => kind === 'missing-in-b1'),
        missing_in_salesforce: count(({ kind }) => kind === 'missing-in-salesforce'),
        double: 0,
        alone,
        ...(alone > 0 && { left_out: [{ why: 'its customer has no account', count: alone }] }),
        sums: sumsOf(flow, own.length > 0),
        reasons: KNOWN.map((reason) => ({ reason, count: count(({ why }) => why === reason) }))
          .filter(({ count }) => count > 0)
          .sort((one, other) => other.count - one.count),
        unexplained: count(({ why }) => why === 'unexplained'),
        not_again: 0,
      },
    ],
  };
}

const KNOWN: readonly T.Reason[] = ['unexplained', 'review', 'not-read', 'never-linked'];

function sumsOf(flow: string, differ: boolean): T.Sum[] {
  const same = (what: string, currency: string, month: string, both: string): T.Sum => {
    const none = currency === '' ? '0' : '0.00';
    const parts = { difference: none, other_month: none, rounding: none, alone: none, differences: none };
    return { what, currency, month, salesforce: both, b1: both, ...parts };
  };
  if (flow === 'inventory') return [same('available', '', '', '184220')];
  if (flow === 'invoices') return ['2026-10', '2026-11'].map((month) => same('total', 'EUR', month, '412380.55'));
  if (flow !== 'orders') return [];
  const open: T.Sum = {
    ...same('net total', 'EUR', '2026-11', '318720.40'),
    b1: '276894.41',
    difference: '-41825.99',
    other_month: '-1215.00',
    rounding: '0.01',
    differences: '-40611.00',
  };
  return [
    same('net total', 'EUR', '2026-10', '502114.90'),
    differ ? open : same('net total', 'EUR', '2026-11', '318720.40'),
  ];
}

// --- what each path answers

/** What has ended by now has ended, and left its report. */
function settle({ world }: MockState): ReconcileWorld {
  const { reconcile } = world;
  const { run } = reconcile;
  if (run && run.ended === null && now() - run.began >= RUN_MS) {
    run.ended = run.began + RUN_MS;
    const differences = found(world).filter((one) => run.flows.includes(one.flow));
    reconcile.kept.unshift({ at: run.began, since: run.since, flows: run.flows, ofAll: run.ofAll, differences });
  }
  return reconcile;
}

function runOf(run: Going, account: T.Account, made: boolean): T.ReconcileRun {
  const share = Math.min(1, ((run.ended ?? now()) - run.began) / RUN_MS);
  const done = Math.min(run.flows.length, Math.floor(share * run.flows.length));
  const within = share * run.flows.length - done;
  const flow = run.flows[Math.min(done, run.flows.length - 1)] ?? '';
  const shown = sees(account, flow) ? flow : '';
  return {
    state: run.ended === null ? 'goes-on' : made ? 'over' : 'stopped',
    by: run.by,
    began_at: iso(run.began),
    ended_at: run.ended === null ? null : iso(run.ended),
    since: run.since,
    total: run.flows.length,
    done,
    progress: {
      flow: shown,
      comparison: shown && (COMPARED[shown] ?? ''),
      step: STEPS[Math.min(STEPS.length - 1, Math.floor(within * STEPS.length))] ?? 'explaining',
      rows: Math.floor(within * 1_240),
    },
    report: made && run.ended !== null ? nameOf({ ...run, at: run.began }) : null,
    error: run.ended !== null && !made ? `${run.by} stopped it` : null,
  };
}

const told: Does = (state, _, { account }) => {
  const { run, kept } = settle(state);
  const made = run !== null && kept.some(({ at }) => at === run.began);
  const next = Math.floor(now() / DAY) * DAY + 3.5 * 3_600_000;
  return ok({
    run: run && runOf(run, account, made),
    next: iso(next > now() ? next : next + DAY),
  } satisfies T.Reconcile);
};

const begin: Does = (state, asked, session) => {
  const reconcile = settle(state);
  const { flows, since } = (asked.body ?? {}) as { flows?: string[]; since?: string };
  if (reconcile.run?.ended === null) {
    return refuse(409, 'Another reconciliation is under way on this host.', 'Wait until it is over, or stop it.');
  }
  const own = state.world.flows.map(({ name }) => name).filter((flow) => sees(session.account, flow));
  const unknown = flows?.find((flow) => !own.includes(flow));
  if (unknown !== undefined) return refuse(422, `There is no flow "${unknown}".`, undefined, 'flows');
  const chosen = flows?.length ? flows : own.sort();
  const ofAll = !flows?.length && session.account.flows === null;
  reconcile.run = { began: now(), by: session.account.name, since: since ?? null, flows: chosen, ofAll, ended: null };
  note(state, session, 'reconcile.begin', flows?.join(', ') ?? 'all flows', 'done');
  return told(state, asked, session);
};

const stop: Does = (state, asked, session) => {
  const { run } = settle(state);
  if (run === null || run.ended !== null) {
    return refuse(409, 'No reconciliation is under way.', 'It may be over by now: look again.');
  }
  run.ended = now();
  note(state, session, 'reconcile.stop', `that of ${iso(run.began)}`, 'done');
  return told(state, asked, session);
};

const list: Does = (state, { query }, { account }) => {
  const before = query.get('before');
  const limit = Number(query.get('limit') ?? 20);
  const rows = settle(state)
    .kept.filter((kept) => kept.flows.some((flow) => sees(account, flow)))
    .map((kept) => reportOf(kept, account).summary)
    .filter(({ name }) => before === null || name < before);
  return ok({ reports: rows.slice(0, limit), more: rows.length > limit } satisfies T.ReportPage);
};

function find(state: MockState, name: string): Kept | Answer {
  const mend = 'The newest are kept, as many as [reconcile] keep says.';
  return settle(state).kept.find((kept) => nameOf(kept) === name) ?? refuse(404, `There is no report "${name}".`, mend);
}

const tell: Does = (state, _, { account }, name = '') => {
  const kept = find(state, name);
  return 'status' in kept ? kept : ok(reportOf(kept, account));
};

const differences: Does = (state, asked: Asked, { account }, name = '') => {
  const kept = find(state, name);
  if ('status' in kept) return kept;
  const said = (of: string) => asked.query.get(of) ?? '';
  const masked = account.role === 'viewer';
  const from = Number(said('from'));
  const limit = Number(said('limit') || 50);
  const rows = kept.differences.filter(
    (one) =>
      one.place >= from &&
      sees(account, one.flow) &&
      [one.flow, ''].includes(said('flow')) &&
      [one.comparison, ''].includes(said('comparison')) &&
      [one.why, ''].includes(said('why')) &&
      `${masked ? '' : one.label} ${one.salesforce} ${one.b1}`.toLowerCase().includes(said('q').toLowerCase()),
  );
  const shown = rows.slice(0, limit);
  return ok({
    differences: masked ? shown.map(hidden) : shown,
    next: rows[limit]?.place ?? null,
    masked,
  } satisfies T.DifferencePage);
};

function hidden(of: T.Difference): T.Difference {
  const dots = (text: string) => '•'.repeat(Math.min(8, text.length));
  const fields = of.fields?.map((one) => ({ ...one, salesforce: dots(one.salesforce), b1: dots(one.b1) }));
  return { ...of, label: '', reason: of.why, ...(fields && { fields }) };
}

const file: Does = (state, _, { account }, name = '', file = '') => {
  const kept = find(state, name);
  if ('status' in kept) return kept;
  if (account.role === 'viewer' || account.flows !== null) {
    return refuse(403, 'This takes the role reviewer.', 'An admin can give it, under Access.');
  }
  const kind = file.endsWith('.html') ? 'text/html' : file.endsWith('.csv') ? 'text/csv' : 'application/json';
  return { status: 200, text: `${file} of ${name}\n`, headers: { 'Content-Type': kind } };
};

export const RECONCILE_PATHS: readonly Path[] = [
  ['GET', /^\/reconcile$/, 'viewer', told],
  ['POST', /^\/reconcile$/, 'operator', begin],
  ['POST', /^\/reconcile\/stop$/, 'operator', stop],
  ['GET', /^\/reconcile\/reports$/, 'viewer', list],
  ['GET', /^\/reconcile\/reports\/([^/]+)$/, 'viewer', tell],
  ['GET', /^\/reconcile\/reports\/([^/]+)\/differences$/, 'viewer', differences],
  ['GET', /^\/reconcile\/reports\/([^/]+)\/files\/([^/]+)$/, 'viewer', file],
];
