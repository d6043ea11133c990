// Which steps there are, and how each stands.
import type { Load, Setup, Side } from '../../api/types.ts';

export const STEPS = ['b1', 'salesforce', 'flows', 'load', 'runs'] as const;
export type Step = (typeof STEPS)[number];
export type Standing = 'todo' | 'waits' | 'wrong' | 'done';

/** `loads`: of the flows that offer one, as far as they are known. */
export function standings(setup: Setup, loads: readonly Load[]): Record<Step, Standing> {
  return {
    b1: connection(setup, 'b1'),
    salesforce: connection(setup, 'salesforce'),
    flows: flows(setup),
    load: load(setup, loads),
    runs: setup.flows.some((flow) => flow.running) ? 'done' : 'todo',
  };
}

/** The step that a person comes to: the first that is not done. */
export function firstOpen(standing: Record<Step, Standing>): Step {
  return STEPS.find((step) => standing[step] !== 'done') ?? 'runs';
}

function connection({ connections, refused }: Setup, kind: Side): Standing {
  const own = connections.filter((one) => one.settings.kind === kind);
  if (own.length === 0) return 'todo';
  if (own.every((one) => one.live)) return 'done';
  return refused === null ? 'waits' : 'wrong';
}

function flows({ flows, refused }: Setup): Standing {
  if (flows.length === 0) return 'todo';
  if (refused !== null && flows.some((flow) => !flow.live)) return 'wrong';
  if (flows.some((flow) => flow.live && flow.release === null && flow.why !== null)) return 'wrong';
  if (flows.some((flow) => !flow.live || flow.release === null)) return 'waits';
  return flows.some((flow) => flow.missing > 0) ? 'todo' : 'done';
}

function load({ flows, plugins }: Setup, loads: readonly Load[]): Standing {
  const runs = loads.flatMap((one) => [one.rehearsal, one.load]);
  if (runs.some((one) => one?.state === 'goes-on')) return 'waits';
  if (loads.some((one) => one.load?.state === 'failed')) return 'wrong';
  const offers = (plugin: string) => plugins.some((one) => one.plugin === plugin && one.first_load.length > 0);
  const loaded = (flow: string) => loads.some((one) => one.flow === flow && one.load?.state === 'over');
  const done = flows.length > 0 && flows.every((one) => one.running && (!offers(one.plugin) || loaded(one.flow)));
  return done ? 'done' : 'todo';
}
