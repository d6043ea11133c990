// The addresses of the pages, and what each may say after its question mark.
import type { Range } from '../api/types.ts';
import type { Search as EventSearch } from '../pages/events/filter.ts';

export interface Places {
  '/': { range?: Range };
  '/events': EventSearch;
  '/events/$id': object;
  '/kinds': { flow?: string };
  '/explain': { record?: string; field?: string };
  '/reconcile': object;
  '/reconcile/$id': { flow?: string; of?: string; why?: string; q?: string };
  '/reconcile/$id/$place': object;
  '/reviews': { q?: string; flow?: string; assignee?: string };
  '/reviews/$id': object;
  '/agents': { agent?: string; run?: string };
  '/flows': object;
  '/flows/$id': { tab?: string };
  '/flows/$id/$release': object;
  '/mapping': object;
  '/mapping/$id': { tab?: string; section?: string; release?: string };
  '/setup': { step?: string };
  '/access': { tab?: string; q?: string; who?: string };
  '/account': object;
}
export type Path = keyof Places;

/** What an address may say, by name; anything else in it is left out. */
const SAYS: { [P in Path]: readonly (keyof Places[P] & string)[] } = {
  '/': ['range'],
  '/events': ['q', 'flow', 'state', 'within', 'since', 'until'],
  '/events/$id': [],
  '/kinds': ['flow'],
  '/explain': ['record', 'field'],
  '/reconcile': [],
  '/reconcile/$id': ['flow', 'of', 'why', 'q'],
  '/reconcile/$id/$place': [],
  '/reviews': ['q', 'flow', 'assignee'],
  '/reviews/$id': [],
  '/agents': ['agent', 'run'],
  '/flows': [],
  '/flows/$id': ['tab'],
  '/flows/$id/$release': [],
  '/mapping': [],
  '/mapping/$id': ['tab', 'section', 'release'],
  '/setup': ['step'],
  '/access': ['tab', 'q', 'who'],
  '/account': [],
};

/** What stands in an address itself. */
export interface Params {
  id?: string;
  release?: string;
  place?: string;
}

export interface Target<P extends Path = Path> {
  to: P;
  params?: Params;
  search?: Places[P];
}

export function address<P extends Path>({ to, params, search = {} as Places[P] }: Target<P>): string {
  const said = new URLSearchParams();
  for (const name of SAYS[to]) {
    const value = search[name];
    if (typeof value === 'string' && value !== '') said.set(name, value);
  }
  const path = to.replace(/\$(id|release|place)/g, (_, name: keyof Params) => encodeURIComponent(params?.[name] ?? ''));
  return said.size === 0 ? path : `${path}?${said}`;
}

/** What the part of an address after its question mark says; everything is text. */
export function said<P extends Path>(path: P, query: string): Places[P] {
  const found = new URLSearchParams(query);
  const names = SAYS[path].filter((name) => found.get(name));
  return Object.fromEntries(names.map((name) => [name, found.get(name)])) as Places[P];
}
