import type * as T from '../src/api/types.ts';
import { now } from './clock.ts';
import { dice, iso, type World } from './data.ts';
import { newsOf } from './kinds.ts';
import { NONE_LIVE } from './releases.ts';

const UNFINISHED: readonly T.State[] = ['ready', 'leased', 'waiting'];
const HOUR = 3_600_000;

export function sees(account: T.Account, flow: string): boolean {
  return account.flows === null || account.flows.includes(flow);
}

export function overview(world: World, account: T.Account): T.Overview {
  const flows = world.flows
    .filter((flow) => sees(account, flow.name))
    .map((flow, place): T.FlowRow => {
      const rows = world.events.map(({ row }) => row).filter((row) => row.flow === flow.name);
      const count = (...states: T.State[]) => rows.filter((row) => states.includes(row.state)).length;
      const oldest = rows.find((row) => UNFINISHED.includes(row.state))?.created_at;
      const of = world.releases.get(flow.name);
      const live = of?.all.find(({ release }) => release === of.live);
      const held = !live || flow.name === 'credit';
      const last = live?.activations[0];
      return {
        name: flow.name,
        plugin: flow.plugin,
        title: flow.title,
        state: held ? 'held' : 'running',
        ...(held && { why: live ? 'The setting interval_minutes is 0, and must be 5 or more.' : NONE_LIVE }),
        release: live
          ? { digest: live.release, since: last?.at ?? '', who: last?.who ?? '', why: last?.why ?? '' }
          : null,
        candidate: of?.candidate ? { digest: of.candidate.release, held: of.candidate.held } : null,
        waiting: count(...UNFINISHED),
        ...(oldest !== undefined && { oldest }),
        reviews: count('review'),
        rejected: count('rejected'),
        done: count('done'),
        ...(!held && { next: { timer: flow.timer, at: iso(Math.ceil(now() / HOUR) * HOUR + place * 540_000) } }),
      };
    });
  return {
    host: { version: '0.9.0', started_at: iso(world.began), ready: true, store: 'ok', backup: iso(world.began) },
    needs: needs(world, account, flows),
    flows,
    connections: world.setup.connections
      .filter((one) => one.polls === 0)
      .map(({ name, settings: { kind } }): T.ConnectionRow => {
        if (kind === 'b1') return { name, kind, state: 'up' };
        return {
          name,
          kind,
          state: 'up',
          budget: { used: 11_420, limit: 15_000, forecast: 16_300 },
        };
      }),
    sources:
      flows.length === 0
        ? []
        : [
            { name: 'Pub/Sub API', state: 'up' },
            { name: 'outbox', state: 'up' },
            { name: 'changes in B1', state: 'up' },
            { name: 'sweep', state: 'used_up', why: 'It goes on at midnight: its share of the calls is used.' },
          ],
  };
}

function needs(world: World, account: T.Account, flows: T.FlowRow[]): T.Need[] {
  const found: T.Need[] = [];
  for (const flow of flows) {
    if (flow.state === 'held') {
      found.push({ kind: 'held', flow: flow.name, text: flow.why ?? '' });
    }
  }
  found.push(...newsOf(world, account));
  for (const flow of flows.filter(({ reviews }) => reviews > 0)) {
    found.push({ kind: 'review', flow: flow.name, text: 'Questions wait for an answer.', count: flow.reviews });
  }
  for (const flow of flows) {
    if (flow.candidate?.held) found.push({ kind: 'files', flow: flow.name, text: flow.candidate.held });
  }
  return found;
}

export function rates(world: World, account: T.Account, range: string): T.Rates {
  const [step, steps] = range === 'hour' ? [60, 60] : range === 'week' ? [3 * 3600, 56] : [1800, 48];
  const flows: T.Rates['flows'] = {};
  world.flows
    .filter((flow) => sees(account, flow.name))
    .forEach((flow, place) => {
      const roll = dice(place * 31 + steps);
      const base = [9, 14, 6, 22, 8, 12, 5][place] ?? 6;
      const work = (n: number) => 0.35 + Math.max(0, Math.sin((n / steps) * Math.PI * (range === 'week' ? 14 : 2)));
      flows[flow.name] = {
        done: Array.from({ length: steps }, (_, n) =>
          flow.name === 'credit' && n > steps * 0.7 ? 0 : Math.round(base * work(n) * (0.5 + roll())),
        ),
        review: Array.from({ length: steps }, () => (flow.name === 'orders' && roll() > 0.93 ? 1 : 0)),
        rejected: Array.from({ length: steps }, () => (flow.name === 'fulfilment' && roll() > 0.85 ? 2 : 0)),
      };
    });
  return { range, from: iso(now() - steps * step * 1000), step_seconds: step, flows };
}
