// What the API answers: each path with what it takes, who may, and what comes of it.
import type * as T from '../src/api/types.ts';
import { ROLES } from '../src/api/types.ts';
import { now } from './clock.ts';
import { iso, type Stored, type World } from './data.ts';
import { gone, missing, note, ok, refuse, type Answer, type Asked, type MockState, type Path } from './answers.ts';
import { AGENT_PATHS } from './agents.ts';
import { kindsOf } from './kinds.ts';
import { FLOW_PATHS } from './flows.ts';
import { MAPPING_PATHS } from './mapping.ts';
import { LOAD_PATHS } from './load.ts';
import { RECONCILE_PATHS } from './reconcile.ts';
import { SETUP_PATHS } from './setup.ts';
import { now as presentOf } from './now.ts';
import { overview, rates, sees } from './overview.ts';
import type { Open } from './sessions.ts';
import { rehearsal, story } from './story.ts';

const OPEN: readonly T.State[] = ['ready', 'leased', 'waiting', 'review'];

export function answer(state: MockState, asked: Asked): Answer {
  const { method, path, session } = asked;
  if (path === '/session' && method === 'POST') return signIn(state, asked);
  if (path === '/session/ways') {
    return ok({ password: true, oidc: { name: 'single sign-on' }, refused: null } satisfies T.Ways);
  }
  if (path === '/session/oidc') return signInElsewhere(state, asked);
  if (!session) return refuse(401, 'You are not signed in.', 'Sign in.');
  if (!['GET', 'HEAD'].includes(method) && asked.csrf !== session.csrf) {
    return refuse(403, 'The request does not carry the token of this session.', 'Load the page again.');
  }
  for (const [of, pattern, least, does] of PATHS) {
    const found = of === method ? pattern.exec(path) : null;
    if (!found) continue;
    if (ROLES.indexOf(session.account.role) < ROLES.indexOf(least)) {
      note(state, session, `${method} ${path}`, path, 'refused');
      return refuse(403, `The role ${session.account.role} may not do this.`, `It takes the role ${least}.`);
    }
    return does(state, asked, session, ...found.slice(1).map(decodeURIComponent));
  }
  return missing(asked);
}

const PATHS: readonly Path[] = [
  ...FLOW_PATHS,
  ...MAPPING_PATHS,
  ...SETUP_PATHS,
  ...LOAD_PATHS,
  ...RECONCILE_PATHS,
  ...AGENT_PATHS,
  ['GET', /^\/session$/, 'viewer', ({ sessions }, _, session) => ok(sessions.me(session))],
  ['DELETE', /^\/session$/, 'viewer', ({ sessions }, _, session) => (sessions.open.delete(session.id), gone)],
  ['POST', /^\/session\/password$/, 'viewer', changePassword],
  ['GET', /^\/overview$/, 'viewer', ({ world }, _, session) => ok(overview(world, session.account))],
  [
    'GET',
    /^\/rates$/,
    'viewer',
    ({ world }, { query }, session) => ok(rates(world, session.account, query.get('range') ?? 'day')),
  ],
  ['GET', /^\/events$/, 'viewer', listEvents],
  ['POST', /^\/events\/act$/, 'operator', act],
  ['GET', /^\/events\/(\d+)$/, 'viewer', tellStory],
  ['POST', /^\/events\/(\d+)\/rehearse$/, 'reviewer', rehearse],
  ['GET', /^\/jobs\/(.+)$/, 'viewer', tellJob],
  [
    'GET',
    /^\/views$/,
    'viewer',
    ({ world }, _, session) =>
      ok({ views: world.views.filter((view) => view.shared || view.by === session.account.name) }),
  ],
  ['PUT', /^\/views\/(.+)$/, 'viewer', putView],
  [
    'DELETE',
    /^\/views\/(.+)$/,
    'viewer',
    ({ world }, _asked, _session, name) => ((world.views = world.views.filter((view) => view.name !== name)), gone),
  ],
  [
    'GET',
    /^\/kinds$/,
    'viewer',
    ({ world }, { query }, session) => ok({ kinds: kindsOf(world, session.account, query.get('flow')) }),
  ],
  ['GET', /^\/explain$/, 'viewer', explain],
  ['GET', /^\/explain\/now$/, 'viewer', presentOf],
  ['GET', /^\/reviews$/, 'viewer', listReviews],
  ['POST', /^\/reviews\/answer$/, 'reviewer', answerReviews],
  ['GET', /^\/reviews\/(\d+)$/, 'viewer', tellReview],
  ['PATCH', /^\/reviews\/(\d+)$/, 'reviewer', changeReview],
  ['POST', /^\/reviews\/(\d+)\/change$/, 'reviewer', changeCall],
  ['GET', /^\/accounts$/, 'admin', ({ world }) => ok({ accounts: world.accounts.map(shownAccount) })],
  ['PUT', /^\/accounts\/(.+)$/, 'admin', putAccount],
  ['DELETE', /^\/accounts\/(.+)$/, 'admin', removeAccount],
  ['GET', /^\/sessions$/, 'viewer', listSessions],
  ['DELETE', /^\/sessions\/(.+)$/, 'viewer', endSession],
  ['GET', /^\/tokens$/, 'admin', ({ world }) => ok({ tokens: world.tokens })],
  ['POST', /^\/tokens$/, 'admin', makeToken],
  ['DELETE', /^\/tokens\/(.+)$/, 'admin', removeToken],
  ['GET', /^\/audit$/, 'admin', listActs],
  ['GET', /^\/audit\/chain$/, 'admin', ({ world }) => ok(chainOf(world.acts))],
  ['GET', /^\/audit\.csv$/, 'admin', ({ world }) => ({ status: 200, text: csv(world.acts) })],
];

// --- who

function signIn(state: MockState, asked: Asked): Answer {
  const { name, password } = (asked.body ?? {}) as { name?: string; password?: string };
  if (state.sessions.wrong >= 5) {
    return {
      ...refuse(429, 'Too many tries with a wrong password.', 'Wait, then try again.'),
      headers: { 'Retry-After': '30' },
    };
  }
  const account = state.world.accounts.find((account) => account.name === name && account.password === password);
  if (!account) {
    state.sessions.wrong += 1;
    return refuse(401, 'Name or password is wrong.', 'Try again; an administrator can set a new password.');
  }
  state.sessions.wrong = 0;
  const session = state.sessions.make(account, asked.agent);
  note(state, session, 'sign in', account.name, 'done');
  return {
    ...ok(state.sessions.me(session)),
    headers: { 'Set-Cookie': `tandem_session=${session.id}; Path=/; HttpOnly; SameSite=Strict` },
  };
}

/** As if the person had been at the provider already. */
function signInElsewhere(state: MockState, asked: Asked): Answer {
  const account = state.world.accounts.find(({ from }) => from === 'oidc');
  if (!account) return refuse(404, 'There is nobody who signs in elsewhere.');
  const session = state.sessions.make(account, asked.agent);
  note(state, session, 'sign in', account.name, 'done', 'single sign-on');
  return {
    status: 303,
    headers: {
      'Set-Cookie': `tandem_session=${session.id}; Path=/; HttpOnly; SameSite=Strict`,
      Location: asked.query.get('to') ?? '/',
    },
  };
}

function changePassword(state: MockState, asked: Asked, session: Open): Answer {
  const { old, new: fresh } = (asked.body ?? {}) as { old?: string; new?: string };
  const account = state.world.accounts.find(({ name }) => name === session.account.name);
  if (!account || account.password !== old) {
    return refuse(422, 'The present password is another one.', 'Enter the one you signed in with.', 'old');
  }
  const short = tooShort(fresh);
  if (short) return short;
  account.password = fresh ?? '';
  return gone;
}

function tooShort(password: string | undefined): Answer | undefined {
  return (password ?? '').length >= 12
    ? undefined
    : refuse(422, 'The password is too short.', 'Take 12 letters at least.', 'password');
}

function shownAccount(of: World['accounts'][number]): T.Account {
  const { name, role, flows, made_at, last_seen, from } = of;
  return { name, role, flows, made_at, from, ...(last_seen !== undefined && { last_seen }) };
}

function putAccount(state: MockState, asked: Asked, session: Open, name = ''): Answer {
  const { role, flows, password } = asked.body as { role: T.Role; flows: string[] | null; password?: string };
  const known = state.world.accounts.find((account) => account.name === name);
  if (password !== undefined || !known) {
    const short = tooShort(password);
    if (short) return short;
  }
  const account = known ?? { name, role, flows, made_at: iso(now()), from: 'local', password: '' };
  Object.assign(account, { role, flows, ...(password !== undefined && { password }) });
  if (!known) state.world.accounts.push(account);
  note(state, session, known ? 'change account' : 'make account', name, 'done');
  return ok(shownAccount(account));
}

function removeAccount(state: MockState, _: Asked, session: Open, name = ''): Answer {
  if (name === session.account.name) {
    return refuse(409, 'This is your own account.', 'Let another administrator delete it.');
  }
  state.world.accounts = state.world.accounts.filter((account) => account.name !== name);
  note(state, session, 'delete account', name, 'done');
  return gone;
}

function listSessions(state: MockState, _: Asked, session: Open): Answer {
  const sessions = [...state.sessions.open.values()]
    .filter((open) => session.account.role === 'admin' || open.account.name === session.account.name)
    .map((open): T.Session => ({
      id: open.id,
      name: open.account.name,
      since: open.since,
      last_seen: iso(now()),
      address: '127.0.0.1',
      agent: open.agent,
      own: open.id === session.id,
    }));
  return ok({ sessions });
}

function endSession(state: MockState, _: Asked, __: Open, id = ''): Answer {
  return state.sessions.open.delete(id) ? gone : refuse(404, 'This session has ended already.');
}

function makeToken(state: MockState, asked: Asked, session: Open): Answer {
  const wished = asked.body as Pick<T.Token, 'name' | 'purpose' | 'role' | 'flows' | 'expires_at'>;
  const id = `k${state.world.tokens.length + 10}`;
  const token: T.Token = { id, ...wished, by: session.account.name, made_at: iso(now()) };
  state.world.tokens.push(token);
  note(state, session, 'make token', wished.name, 'done');
  return ok({ token, secret: `tandem_${id}_not-a-real-secret-of-any-host` });
}

function removeToken(state: MockState, _: Asked, session: Open, id = ''): Answer {
  state.world.tokens = state.world.tokens.filter((token) => token.id !== id);
  note(state, session, 'delete token', id, 'done');
  return gone;
}

function listActs(state: MockState, { query }: Asked): Answer {
  const q = (query.get('q') ?? '').toLowerCase();
  const who = query.get('who');
  const before = Number(query.get('before') ?? Infinity);
  const limit = Number(query.get('limit') ?? 100);
  const found = state.world.acts.filter(
    (act) =>
      act.id < before &&
      (!who || act.who === who) &&
      `${act.who} ${act.act} ${act.what} ${act.why ?? ''}`.toLowerCase().includes(q),
  );
  return ok({ acts: found.slice(0, limit), more: found.length > limit } satisfies T.ActPage);
}

function chainOf(acts: T.Act[]): T.AuditChain {
  const last = Math.max(0, ...acts.map((act) => act.id));
  return { holds: true, lines: acts.length, last_line: last, head: '5e'.repeat(32), breaks: [], breaks_more: 0 };
}

function csv(acts: T.Act[]): string {
  const cell = (value: unknown) => `"${String(value ?? '').replaceAll('"', '""')}"`;
  const names = ['id', 'at', 'who', 'via', 'act', 'what', 'why', 'address', 'outcome'] as const;
  return [names.join(','), ...acts.map((act) => names.map((name) => cell(act[name])).join(','))].join('\r\n');
}

// --- events

function fits(stored: Stored, account: T.Account, filter: T.EventFilter): boolean {
  const { row } = stored;
  const q = (filter.q ?? '').toLowerCase();
  const states = filter.state?.split(',');
  return (
    sees(account, row.flow) &&
    (!filter.flow || row.flow === filter.flow) &&
    (!states || states.includes(row.state)) &&
    (!filter.since || row.created_at >= filter.since) &&
    (!filter.until || row.created_at < filter.until) &&
    (!filter.kind || stored.kind === filter.kind) &&
    (q === '' ||
      `${row.id} ${row.key} ${row.topic} ${row.reason ?? ''} ${JSON.stringify(stored.payload)} ${stored.links.map((link) => `${link.b1_id} ${link.salesforce_id}`).join(' ')}`
        .toLowerCase()
        .includes(q))
  );
}

function listEvents(state: MockState, { query }: Asked, session: Open): Answer {
  const before = Number(query.get('before') ?? Infinity);
  const limit = Number(query.get('limit') ?? 50);
  const filter = Object.fromEntries(query) as T.EventFilter;
  for (const name of ['since', 'until'] as const) {
    if (filter[name] && Number.isNaN(Date.parse(filter[name]))) {
      return refuse(422, `${name} is no time: ${filter[name]}.`, 'Write it like 2026-11-27T14:32:05.120Z.', name);
    }
  }
  const found = state.world.events
    .filter((stored) => stored.row.id < before && fits(stored, session.account, filter))
    .map(({ row }) => row)
    .reverse();
  return ok({ events: found.slice(0, limit), more: found.length > limit } satisfies T.EventPage);
}

function find(state: MockState, session: Open, id: string | undefined): Stored | undefined {
  return state.world.events.find(({ row }) => row.id === Number(id) && sees(session.account, row.flow));
}

const unknown = (id: string | undefined) =>
  refuse(404, `There is no event ${id ?? ''}.`, 'It may be longer ago than events are kept.');

function tellStory(state: MockState, _: Asked, session: Open, id?: string): Answer {
  const stored = find(state, session, id);
  return stored ? ok(story(state.world, stored, session.account.role === 'viewer')) : unknown(id);
}

function rehearse(state: MockState, asked: Asked, session: Open, id?: string): Answer {
  const stored = find(state, session, id);
  const wanted = asked.body as Parameters<typeof rehearsal>[1];
  // An answer is tried by whoever may give it.
  if (wanted.choice === undefined && session.account.role === 'reviewer') {
    return refuse(403, 'The role reviewer may not do this.', 'It takes the role operator.');
  }
  return stored ? ok(rehearsal(stored, wanted)) : unknown(id);
}

function act(state: MockState, asked: Asked, session: Open): Answer {
  const { act, ids, kind, why, ...asks } = asked.body as T.EventsAct;
  const filter = kind === undefined ? asks.filter : { ...asks.filter, kind };
  const chosen = state.world.events.filter(
    (stored) =>
      (ids?.includes(stored.row.id) ?? false) || (filter !== undefined && fits(stored, session.account, filter)),
  );
  if (act === 'rehearse') return rehearseMany(state, session, chosen, why);
  note(
    state,
    session,
    act,
    ids ? `events ${ids.join(', ')}` : `events that match ${JSON.stringify(filter)}`,
    'done',
    why,
  );
  return ok(
    begin(state, act, chosen, (stored) => {
      if (stored.row.state === 'leased') return 'It is being run at this moment.';
      if (act === 'ignore' && !OPEN.includes(stored.row.state)) return 'It is finished: there is nothing to ignore.';
      finish(state, stored, act === 'ignore' ? 'ignored' : 'run again: in step', 'done');
      return undefined;
    }),
  );
}

const MOST_REHEARSED = 200;

/** What each would come to; nothing of it changes. */
function rehearseMany(state: MockState, session: Open, chosen: Stored[], why?: string): Answer {
  note(state, session, 'events.rehearse', `${chosen.length} events`, 'done', why);
  const newest = chosen.reverse().slice(0, MOST_REHEARSED);
  const job = begin(state, 'events.rehearse', newest, (stored, outcomes) => {
    const { row } = stored;
    if (row.state === 'leased') return 'It is being run at this moment.';
    const { id: event, flow, key, reason } = row;
    // Somebody has made all warehouses known but this one.
    if (reason?.startsWith('warehouse 07')) {
      outcomes.push({ event, flow, key, state: 'rejected', words: reason, effects: 0, differences: 0 });
      return undefined;
    }
    const { verdict, effects } = rehearsal(stored, stored.review ? { choice: 'retry' } : {});
    const words = row.state === 'rejected' ? 'the delivery is told' : verdict.words;
    const differences = row.state === 'rejected' ? effects.flatMap(({ fields }) => fields).length : 0;
    outcomes.push({ event, flow, key, state: verdict.state, words, effects: effects.length, differences });
    return undefined;
  });
  job.more = chosen.length > newest.length;
  return ok(job);
}

function finish(state: MockState, stored: Stored, reason: string, to: T.State): void {
  Object.assign(stored.row, {
    state: to,
    reason,
    attempts: stored.row.attempts + 1,
    finished_at: iso(now()),
    choices: [],
  });
  delete stored.kind;
  delete stored.review;
  state.world.revision += 1;
}

/** A job that goes on by itself, a few events each time; it is over within a second or two. */
function begin(
  state: MockState,
  act: string,
  of: Stored[],
  does: (stored: Stored, outcomes: T.RehearsedEvent[]) => string | undefined,
): T.Job {
  const job: T.Job = {
    id: `j${state.jobs.size + 1}`,
    act,
    total: of.length,
    done: 0,
    failed: [],
    outcomes: [],
    more: false,
    over: of.length === 0,
  };
  state.jobs.set(job.id, job);
  const left = [...of];
  const step = () => {
    for (const stored of left.splice(0, 6)) {
      const why = does(stored, job.outcomes);
      if (why === undefined) job.done += 1;
      else job.failed.push({ event: stored.row.id, why });
    }
    job.over = left.length === 0;
    if (!job.over) setTimeout(step, 150);
  };
  step();
  return job;
}

function tellJob(state: MockState, _: Asked, __: Open, id = ''): Answer {
  const job = state.jobs.get(id);
  return job ? ok(job) : refuse(404, `There is no job ${id}.`);
}

function putView(state: MockState, asked: Asked, session: Open, name = ''): Answer {
  const { query, shared } = asked.body as Pick<T.View, 'query' | 'shared'>;
  state.world.views = state.world.views.filter((view) => view.name !== name);
  state.world.views.push({ name, query, shared, by: session.account.name });
  return gone;
}

function explain(state: MockState, { query }: Asked, session: Open): Answer {
  const record = (query.get('record') ?? '').trim();
  const field = query.get('field')?.trim();
  const of = state.world.events.filter(
    (stored) =>
      sees(session.account, stored.row.flow) &&
      (stored.row.key === record ||
        stored.links.some((link) => link.b1_id === record || link.salesforce_id === record)),
  );
  const links = [...new Map(of.flatMap(({ links }) => links).map((link) => [link.kind + link.b1_id, link])).values()];
  const writes = of
    .filter(({ row }) => row.state === 'done')
    .map((stored): T.Write => {
      const told = rehearsal(stored, {}).effects[0];
      return {
        at: stored.row.finished_at ?? stored.row.created_at,
        event: stored.row.id,
        run: stored.row.id * 2,
        flow: stored.row.flow,
        release: rehearsal(stored, {}).release,
        slot: told?.connection ?? '',
        connection: told?.connection ?? '',
        outcome: 'done',
        method: told?.method ?? '',
        path: told?.path ?? '',
        answer: told?.method === 'POST' ? '201' : '204',
        fields: (told?.fields ?? [])
          .filter((one) => !field || one.name === field)
          .map((one) => ({ name: one.name, value: one.value, rule: `${one.name} = "source.${one.name}"` })),
      };
    })
    .filter((write) => write.fields.length > 0)
    .reverse();
  return ok({
    record,
    links,
    events: of
      .map(({ row }) => row)
      .reverse()
      .slice(0, 20),
    writes,
  } satisfies T.Explained);
}

// --- reviews

function asReview(stored: Stored): T.Review | undefined {
  return stored.review && { event: stored.row, ...stored.review };
}

function listReviews(state: MockState, { query }: Asked, session: Open): Answer {
  const before = Number(query.get('before') ?? Infinity);
  const limit = Number(query.get('limit') ?? 50);
  const assignee = query.get('assignee');
  const filter: T.EventFilter = { q: query.get('q') ?? '', flow: query.get('flow') ?? '' };
  const found = state.world.events
    .filter(
      (stored) =>
        stored.review &&
        stored.row.id < before &&
        fits(stored, session.account, filter) &&
        (!assignee || stored.review.assignee === assignee),
    )
    .reverse();
  const reviews = found.slice(0, limit).flatMap((stored) => asReview(stored) ?? []);
  return ok({ reviews, more: found.length > limit, revision: state.world.revision } satisfies T.ReviewPage);
}

function tellReview(state: MockState, _: Asked, session: Open, id?: string): Answer {
  const stored = find(state, session, id);
  const review = stored && asReview(stored);
  return review ? ok(review) : refuse(404, `There is no open question ${id ?? ''}.`, 'Somebody may have answered it.');
}

function answerReviews(state: MockState, asked: Asked, session: Open): Answer {
  const { ids, choice, why } = asked.body as { ids: number[]; choice: string; why?: string };
  const chosen = state.world.events.filter((stored) => ids.includes(stored.row.id));
  const closed = chosen.find((stored) => !stored.review);
  if (closed && ids.length === 1) {
    return refuse(409, `Question ${closed.row.id} has been answered meanwhile.`, 'Look at the story of the event.');
  }
  note(state, session, 'answer', `reviews ${ids.join(', ')}: ${choice}`, 'done', why);
  return ok(
    begin(state, 'answer', chosen, (stored) => {
      if (!stored.review) return 'It has been answered meanwhile.';
      if (choice === 'retry') return undefined;
      stored.decided = { asked: stored.row.reason ?? '', answer: choice, at: iso(now()) };
      finish(state, stored, choice === 'ignore' ? 'ignored' : `answered: ${choice}`, 'done');
      return undefined;
    }),
  );
}

function changeCall(state: MockState, asked: Asked, session: Open, id?: string): Answer {
  const stored = find(state, session, id);
  if (!stored?.review?.plan) return refuse(409, `Event ${id ?? ''} is no call that waits to be approved.`, '');
  const { input } = asked.body as { input: Record<string, unknown> };
  if (typeof input.credit_limit !== 'number') {
    return refuse(422, '"credit_limit" is a required property', '', 'input');
  }
  const changed = structuredClone(stored);
  const call = Math.max(...state.world.events.map(({ row }) => row.id)) + 1;
  changed.row = { ...changed.row, id: call, key: String(input.card_code) };
  const planned = changed.review?.plan?.[0]?.fields[0];
  if (planned) planned.new = input.credit_limit;
  changed.review = {
    ...stored.review,
    ...changed.review,
    input,
    changed: { by: session.account.name, call: stored.row.id },
  };
  finish(state, stored, 'Change a credit limit: a person made another call of it', 'done');
  state.world.events.unshift(changed);
  state.world.revision += 1;
  return ok({ call });
}

function changeReview(state: MockState, asked: Asked, session: Open, id?: string): Answer {
  const stored = find(state, session, id);
  if (!stored?.review) return refuse(404, `There is no open question ${id ?? ''}.`, 'Somebody may have answered it.');
  const { note, assignee, due } = { ...stored.review, ...(asked.body as T.ReviewChange) };
  Object.assign(stored.review, { note: note ?? undefined, assignee: assignee ?? undefined, due: due ?? undefined });
  state.world.revision += 1;
  return ok(asReview(stored));
}
