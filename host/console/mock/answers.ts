// What the paths of the API share: how one is asked, and how it answers.
import type * as T from '../src/api/types.ts';
import { now } from './clock.ts';
import { iso, type World } from './data.ts';
import type { Open, Sessions } from './sessions.ts';

export interface MockState {
  world: World;
  sessions: Sessions;
  jobs: Map<string, T.Job>;
}

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  body: unknown;
  /** The body as it came, and the name of the file that it is. */
  text: string;
  file: string;
  session: Open | undefined;
  csrf: string;
  agent: string;
}

export interface Answer {
  status: number;
  json?: unknown;
  text?: string;
  headers?: Record<string, string>;
}

export const ok = (json: unknown): Answer => ({ status: 200, json });
export const gone: Answer = { status: 204 };
export const refuse = (status: number, error: string, mend?: string, field?: string): Answer => ({
  status,
  json: { error, ...(mend && { mend }), ...(field && { field }) } satisfies T.Problem,
});
export const missing = ({ method, path }: Asked) => refuse(404, `There is no ${method} ${path}.`);

export type Does = (state: MockState, asked: Asked, session: Open, ...parts: string[]) => Answer;
/** Method, address, the least role, and what comes of it. */
export type Path = readonly [string, RegExp, T.Role, Does];

export function note(
  state: MockState,
  session: Open,
  act: string,
  what: string,
  outcome: T.Act['outcome'],
  why?: string,
): void {
  const id = Math.max(0, ...state.world.acts.map((act) => act.id)) + 1;
  const { name } = session.account;
  state.world.acts.unshift({
    id,
    at: iso(now()),
    who: name,
    via: 'session',
    act,
    what,
    ...(why !== undefined && { why }),
    address: '127.0.0.1',
    outcome,
  });
}
