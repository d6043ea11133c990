// The paths under /flows: releases, drafts, rights, comparisons, going live and going back.
import type * as T from '../src/api/types.ts';
import { missing, ok, refuse, note, type Does, type MockState, type Path } from './answers.ts';
import { now } from './clock.ts';
import { digest, iso } from './data.ts';
import { sees } from './overview.ts';
import { NONE_LIVE, SCHEMAS, type FlowReleases, type Release } from './releases.ts';
import { read } from './toml.ts';
import { SECTIONS } from './mapping.ts';
import type { Open } from './sessions.ts';

const COMPARING_MS = 1_200;

function standing(of: FlowReleases, one: Release): T.Standing {
  if (one.release === of.live) return 'live';
  if (one.release === of.candidate?.release) return 'candidate';
  if (one.taken_back) return 'taken-back';
  return one.activations.length > 0 ? 'earlier' : 'known';
}

function row(of: FlowReleases, one: Release): T.ReleaseRow {
  const last = one.activations[0];
  const { release, made_at, origin, signed_by, plugin, mapper, mapping } = one;
  return {
    release,
    standing: standing(of, one),
    made_at,
    origin,
    signed_by,
    live_at: last?.at ?? null,
    who: last?.who ?? null,
    why: last?.why ?? null,
    held: of.candidate?.release === release ? of.candidate.held : null,
    plugin,
    mapper,
    mapping,
  };
}

export function lacking(one: Release): number {
  return one.codes.flatMap((code) => code.permissions).filter((grant) => !grant.granted).length;
}

function detail(of: FlowReleases, one: Release): T.ReleaseDetail {
  const live = of.all.find(({ release }) => release === of.live);
  return {
    ...row(of, one),
    problem: one.problem,
    settings: one.settings,
    schema: SCHEMAS[one.plugin.name] ?? { type: 'object', properties: {} },
    mapping_text: one.mapping_text,
    codes: one.codes,
    missing: lacking(one),
    activations: one.activations,
    notes: [],
    differs: live && live !== one ? differences(live, one) : null,
  };
}

function differences(before: Release, after: Release): T.Differences {
  const parts: T.Differences['parts'] = [];
  const tell = (what: string, one: unknown, other: unknown) => {
    if (JSON.stringify(one) !== JSON.stringify(other)) parts.push({ what, before: one ?? null, after: other ?? null });
  };
  const named = (part: T.Part | null) => part && `${part.name} ${part.version} (${part.digest.slice(0, 10)})`;
  tell('plugin', named(before.plugin), named(after.plugin));
  tell('mapping plugin', named(before.mapper), named(after.mapper));
  for (const name of new Set([...Object.keys(before.settings), ...Object.keys(after.settings)])) {
    tell(`settings.${name}`, before.settings[name], after.settings[name]);
  }
  const rights = (of: Release) =>
    of.codes.flatMap((code) => code.permissions).map((one) => `${one.connection} ${one.method} ${one.path}`);
  for (const one of rights(after))
    if (!rights(before).includes(one)) parts.push({ what: 'may now', before: null, after: one });
  for (const one of rights(before)) {
    if (!rights(after).includes(one)) parts.push({ what: 'may no more', before: one, after: null });
  }
  return {
    before: before.release,
    after: after.release,
    parts,
    mapping: lineDifferences(before.mapping_text.split('\n'), after.mapping_text.split('\n')),
  };
}

/** By the longest common part, in the order of the text. */
export function lineDifferences(before: string[], after: string[]): string[] {
  const common: number[][] = Array.from({ length: before.length + 1 }, () => Array<number>(after.length + 1).fill(0));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const line = common[i];
      if (line) line[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: string[] = [];
  for (let i = 0, j = 0; i < before.length || j < after.length;) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      i++;
      j++;
    } else if (i < before.length && (j >= after.length || at(i + 1, j) >= at(i, j + 1))) found.push(`-${before[i++]}`);
    else found.push(`+${after[j++]}`);
  }
  return found;
}

/** The flow of a path, where the person may see it. */
function flowOf(state: MockState, session: Open, flow = ''): FlowReleases | undefined {
  return sees(session.account, flow) ? state.world.releases.get(flow) : undefined;
}
const noFlow = (flow = '') => refuse(404, `There is no flow ${flow}.`, 'See which ones there are on the overview.');

function find(of: FlowReleases | undefined, release: string | null = ''): Release | undefined {
  return !release ? undefined : of?.all.find((one) => one.release.startsWith(release));
}
const noRelease = (release = '') =>
  refuse(404, `There is no release ${release}.`, 'Look at the list of the flow’s releases.');

const listFlows: Does = ({ world }, _, session) =>
  ok({
    flows: world.flows.flatMap((flow): T.FlowInfo[] => {
      const of = world.releases.get(flow.name);
      const live = find(of, of?.live);
      const plugin = (live ?? of?.all[0])?.plugin;
      if (!of || !plugin || !sees(session.account, flow.name)) return [];
      const held = !live || flow.name === 'credit';
      return [
        {
          flow: flow.name,
          plugin,
          mapper: live?.mapper ?? null,
          title: flow.title,
          policy: flow.name === 'orders' || !live ? 'by-hand' : 'if-same',
          live: of.live,
          back: of.before.at(-1) ?? null,
          candidate: of.candidate,
          state: held ? 'held' : 'running',
          why: !live ? NONE_LIVE : held ? 'The setting interval_minutes is 0, and must be 5 or more.' : null,
          mapping_file: (live?.mapping ?? null) === null ? null : `${flow.name}.mapping.toml`,
        },
      ];
    }),
  });

const listReleases: Does = (state, _, session, flow) => {
  const of = flowOf(state, session, flow);
  return of ? ok({ releases: of.all.map((one) => row(of, one)) }) : noFlow(flow);
};

const tellRelease: Does = (state, _, session, flow = '', release) => {
  const of = flowOf(state, session, flow);
  const one = find(of, release);
  return of && one ? ok(detail(of, one)) : noRelease(release);
};

function keep(
  state: MockState,
  flow: string,
  of: FlowReleases,
  change: Partial<Release>,
  session: Open,
  base?: string,
) {
  const from = find(of, base) ?? find(of, of.live);
  if (!from) return undefined;
  const release: Release = {
    ...from,
    ...change,
    release: digest(1000 + state.world.made++),
    made_at: iso(now()),
    origin: `drafted in the console by ${session.account.name}`,
    signed_by: null,
    activations: [],
    taken_back: false,
  };
  of.all.unshift(release);
  note(state, session, 'draft', `${flow} ${release.release.slice(0, 10)}`, 'done');
  return release;
}

const draft: Does = (state, asked, session, flow = '') => {
  const of = flowOf(state, session, flow);
  const live = find(of, of?.live);
  if (!of || !live) return noFlow(flow);
  const { base, mapping, settings } = (asked.body ?? {}) as {
    base?: string;
    mapping?: string;
    settings?: Release['settings'];
  };
  if (mapping !== undefined) {
    const doc = read(mapping, SECTIONS[flow] ?? [], null);
    const wrong =
      doc.problem?.error ?? doc.sections.flatMap(({ rules }) => rules).find((rule) => rule.problem !== null)?.problem;
    if (wrong)
      return refuse(422, `The mapping cannot be used: ${wrong}`, 'Mend the rule, then publish again.', 'mapping');
  }
  const poll = settings?.approval_poll_minutes;
  if (poll !== undefined && (typeof poll !== 'number' || poll < 1)) {
    return refuse(
      422,
      `approval_poll_minutes is ${String(poll)}, and must be 1 or more.`,
      'Set it to 1 or more.',
      'settings',
    );
  }
  const from = find(of, base) ?? live;
  const same =
    (mapping === undefined || mapping === from.mapping_text) &&
    (settings === undefined || JSON.stringify(settings) === JSON.stringify(from.settings));
  if (same) return ok(detail(of, from));
  const made = keep(
    state,
    flow,
    of,
    {
      ...(mapping !== undefined && { mapping_text: mapping, mapping: digest(2000 + state.world.made) }),
      ...(settings !== undefined && { settings }),
    },
    session,
    base,
  );
  return made ? ok(detail(of, made)) : noRelease(base);
};

const upload: Does = (state, asked, session, flow = '') => {
  const of = flowOf(state, session, flow);
  const live = find(of, of?.live);
  if (!of || !live) return noFlow(flow);
  if (!asked.text.startsWith('\0asm')) {
    return refuse(422, `${asked.file} is no WebAssembly component.`, 'Take the .wasm file of a plugin.', 'plugin');
  }
  const plugin: T.Part = { name: live.plugin.name, version: '1.6.0', digest: digest(3000 + state.world.made) };
  const [code] = live.codes;
  const permissions = [
    ...(code?.permissions ?? []),
    {
      connection: 'b1',
      method: 'GET',
      path: '/PriceLists',
      reason: 'shows the list price beside the agreed one',
      granted: false,
    },
  ];
  const made = keep(state, flow, of, { plugin, codes: [{ ...plugin, kind: 'plugin', permissions }] }, session);
  return made ? ok(detail(of, made)) : noFlow(flow);
};

const grant: Does = (state, asked, session, flow = '', release) => {
  const of = flowOf(state, session, flow);
  const one = find(of, release);
  if (!of || !one) return noRelease(release);
  const { permissions, why } = asked.body as { permissions: number; why?: string };
  if (permissions !== lacking(one)) {
    return refuse(409, 'It asks for something else now.', 'Load the page again and look at what it asks for.');
  }
  one.codes = one.codes.map((code) => ({
    ...code,
    permissions: code.permissions.map((each) => ({ ...each, granted: true })),
  }));
  if (of.candidate?.release === one.release) of.candidate.held = 'It waits for somebody to make it live.';
  note(state, session, 'grant', `${flow} ${one.release.slice(0, 10)}`, 'done', why);
  return ok(detail(of, one));
};

const compare: Does = (state, asked, session, flow = '', release) => {
  const of = flowOf(state, session, flow);
  const one = find(of, release);
  const live = find(of, of?.live);
  if (!of || !one || !live) return noRelease(release);
  if (asked.method !== 'POST') return missing(asked);
  const id = `c${state.world.made++}`;
  state.world.comparisons.set(id, { flow, release: one.release, before: live, after: one, began: now() });
  return tellComparison(state, asked, session, id);
};

const tellComparison: Does = ({ world }, _, session, id = '') => {
  const of = world.comparisons.get(id);
  if (!of || !sees(session.account, of.flow)) return refuse(404, `There is no comparison ${id}.`, 'Compare again.');
  const total = 412;
  const share = Math.min(1, (now() - of.began) / COMPARING_MS);
  const told: T.Comparison = {
    id,
    flow: of.flow,
    release: of.release,
    total,
    done: Math.floor(total * share),
    over: share === 1,
    error: null,
    found:
      share === 1
        ? compared(
            world.events.filter(({ row }) => row.flow === of.flow && row.state === 'done'),
            of.before,
            of.after,
          )
        : null,
  };
  return ok(told);
};

/** What the changed rules would write, made up by the lines that changed. */
function compared(events: MockState['world']['events'], before: Release, after: Release): T.Compared {
  const lines = lineDifferences(before.mapping_text.split('\n'), after.mapping_text.split('\n'));
  const rule = (line: string) => /^[+-]\s*"?([\w.]+)"?\s*=\s*(.+?)\s*(?:#.*)?$/.exec(line);
  const old = new Map(
    lines
      .filter((line) => line.startsWith('-'))
      .flatMap((line) => {
        const found = rule(line);
        return found ? [[found[1] ?? '', found[2] ?? '']] : [];
      }),
  );
  const groups = lines
    .filter((line) => line.startsWith('+') && /source\./.test(line))
    .flatMap((line, place): T.Compared['groups'] => {
      const field = rule(line)?.[1];
      if (field === undefined) return [];
      const count = 180 - place * 11;
      return [
        {
          call: 'POST b1 /Orders',
          field,
          count,
          examples: events.slice(place, place + 3).map(({ row }, n) => ({
            event: row.id,
            key: row.key,
            before: old.has(field) ? 'Deliver to the back entrance' : null,
            after: `${field.replace(/^U_/, '')} ${n + 1}`,
          })),
        },
      ];
    });
  const first = events.at(-1)?.row;
  const newer = before.plugin.digest !== after.plugin.digest;
  const different = groups.length === 0 && !newer ? 0 : 180;
  return {
    events: 1000,
    runs: 412,
    same: 1000 - different - (newer ? 3 : 0),
    different,
    untold: newer ? 3 : 0,
    untold_why: newer ? ['It reads GET b1 /PriceLists, which the live release did not: 3 runs'] : [],
    read_now: newer ? 12 : 0,
    groups,
    ended_otherwise: newer && first ? 1 : 0,
    endings:
      newer && first
        ? [
            {
              key: first.key,
              event: first.id,
              before: 'done: order 1042 was made',
              after: 'review: PriceList is not known',
            },
          ]
        : [],
    unused: lines.some((line) => /^\+\[new_partner/.test(line)) ? ['new_partner'] : [],
  };
}

function goLive(
  state: MockState,
  session: Open,
  flow: string,
  of: FlowReleases,
  one: Release,
  why: string,
): T.Activated {
  const at = iso(now());
  one.activations = [{ at, who: session.account.name, why }, ...one.activations];
  one.taken_back = false;
  of.live = one.release;
  if (of.candidate?.release === one.release) of.candidate = null;
  state.world.revision += 1;
  return { release: one.release, live_at: at, files: [`${flow}.mapping.toml`, 'tandem.toml'], unwritten: null };
}

const activate: Does = (state, asked, session, flow = '', release) => {
  const of = flowOf(state, session, flow);
  const one = find(of, release);
  if (!of || !one) return noRelease(release);
  const { why, instead_of } = asked.body as { why?: string; instead_of: string | null };
  if (instead_of !== of.live) {
    return refuse(
      409,
      'Another release was made live meanwhile.',
      'Load the page again: the differences are other ones now.',
    );
  }
  if (lacking(one) > 0) {
    return refuse(
      422,
      `It asks for ${lacking(one)} rights that nobody granted.`,
      'Let an administrator grant them first.',
    );
  }
  if (of.live !== null) of.before.push(of.live);
  note(state, session, 'activate', `${flow} ${one.release.slice(0, 10)}`, 'done', why);
  return ok(goLive(state, session, flow, of, one, why ?? ''));
};

const rollback: Does = (state, asked, session, flow = '') => {
  const of = flowOf(state, session, flow);
  const back = find(of, of?.before.at(-1));
  const now = find(of, of?.live);
  if (!of || !back || !now) return refuse(409, 'There is no release to go back to.', 'Make an earlier one live.');
  const { why, instead_of } = asked.body as { why?: string; instead_of: string };
  if (instead_of !== of.live) return refuse(409, 'Another release was made live meanwhile.', 'Load the page again.');
  of.before.pop();
  now.taken_back = true;
  note(state, session, 'roll back', flow, 'done', why);
  return ok(goLive(state, session, flow, of, back, why ?? 'rolled back'));
};

export const FLOW_PATHS: readonly Path[] = [
  ['GET', /^\/flows$/, 'viewer', listFlows],
  ['GET', /^\/flows\/([^/]+)\/releases$/, 'viewer', listReleases],
  ['GET', /^\/flows\/([^/]+)\/releases\/([^/]+)$/, 'viewer', tellRelease],
  ['POST', /^\/flows\/([^/]+)\/drafts$/, 'operator', draft],
  ['POST', /^\/flows\/([^/]+)\/plugin$/, 'admin', upload],
  ['POST', /^\/flows\/([^/]+)\/releases\/([^/]+)\/grant$/, 'admin', grant],
  ['POST', /^\/flows\/([^/]+)\/releases\/([^/]+)\/compare$/, 'operator', compare],
  ['GET', /^\/comparisons\/([^/]+)$/, 'operator', tellComparison],
  ['POST', /^\/flows\/([^/]+)\/releases\/([^/]+)\/activate$/, 'operator', activate],
  ['POST', /^\/flows\/([^/]+)\/rollback$/, 'operator', rollback],
];
