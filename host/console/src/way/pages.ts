// Which page stands where. Each is fetched when it is first shown, or when somebody points at a link to it.
import { lazy, type ComponentType } from 'react';
import type { Path } from './places.ts';

const LOADS: Record<Path, () => Promise<{ default: ComponentType }>> = {
  '/': () => import('../pages/overview/overview.tsx'),
  '/events': () => import('../pages/events/events.tsx'),
  '/events/$id': () => import('../pages/story/story.tsx'),
  '/kinds': () => import('../pages/kinds/kinds.tsx'),
  '/agents': () => import('../pages/agents/agents.tsx'),
  '/explain': () => import('../pages/explain/explain.tsx'),
  '/reconcile': () => import('../pages/reconcile/reconcile.tsx'),
  '/reconcile/$id': () => import('../pages/reconcile/report.tsx'),
  '/reconcile/$id/$place': () => import('../pages/reconcile/difference.tsx'),
  '/reviews': () => import('../pages/reviews/reviews.tsx'),
  '/reviews/$id': () => import('../pages/reviews/review.tsx'),
  '/flows': () => import('../pages/flows/flows.tsx'),
  '/flows/$id': () => import('../pages/flows/flow.tsx'),
  '/flows/$id/$release': () => import('../pages/flows/release.tsx'),
  '/mapping': () => import('../pages/mapping/choose.tsx'),
  '/mapping/$id': () => import('../pages/mapping/mapping.tsx'),
  '/setup': () => import('../pages/setup/setup.tsx'),
  '/access': () => import('../pages/access/access.tsx'),
  '/account': () => import('../pages/account/account.tsx'),
};

export const PAGES = (Object.keys(LOADS) as Path[]).map((path) => ({ path, page: lazy(LOADS[path]) }));

export function fetchPage(path: Path): void {
  void LOADS[path]().catch(() => undefined); // shown, with its trouble, when somebody goes there
}

/** Fetches the page that an address names, if one does. */
export function fetchPageAt(pathname: string): void {
  const path = (Object.keys(LOADS) as Path[]).find((path) =>
    new RegExp(`^${path.replace(/\$\w+/g, '[^/]+')}$`).test(pathname),
  );
  if (path) fetchPage(path);
}
