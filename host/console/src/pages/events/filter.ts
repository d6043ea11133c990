// What the address of the page says, and what the host is asked for.
import type { EventFilter } from '../../api/types.ts';

export interface Search {
  q?: string;
  flow?: string;
  state?: string;
  /** A span that ends now; a saved view of the last day stays one of the last day. */
  within?: string;
  since?: string;
  until?: string;
}

export const SPANS = { hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000 } as const;
export type Span = keyof typeof SPANS;
export function isSpan(text: string | undefined): text is Span {
  return text !== undefined && Object.hasOwn(SPANS, text);
}

/** States that are looked for together. */
export const GROUPS = { unfinished: 'ready,leased,waiting', trouble: 'review,rejected' } as const;

/** `now` counts to the minute, so that the same filter is the same question for a while. */
export function filterOf(search: Search, now: number): EventFilter {
  const { within, since, until, ...rest } = search;
  if (isSpan(within)) {
    return { ...rest, since: new Date(Math.floor(now / 60_000) * 60_000 - SPANS[within]).toISOString() };
  }
  return { ...rest, ...(since && { since: instant(since) }), ...(until && { until: instant(until) }) };
}

/** The address holds an instant; what cannot be read as one is handed on, and the host says what is wrong with it. */
function instant(text: string): string {
  const at = Date.parse(text);
  return Number.isNaN(at) ? text : new Date(at).toISOString();
}

/** The search of a saved view's query string. */
export function searchOf(query: string): Search {
  return Object.fromEntries(new URLSearchParams(query));
}
