// How fast a load is and how long it goes on, from what was seen of it while the page was open: its beginning says nothing of
// that where it was stopped meanwhile, and the host's clock may be another one.

export interface Sample {
  /** In milliseconds, by this browser's clock. */
  at: number;
  done: number;
}

const SPAN_MS = 60_000;

/** The samples of the last minute with one more; anew where fewer are done than before. */
export function sampled(samples: readonly Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  if (last && next.done < last.done) return [next];
  return [...samples.filter((one) => next.at - one.at <= SPAN_MS), next];
}

/** Records a second; undefined until something was seen. */
export function rateOf(samples: readonly Sample[]): number | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.at === first.at || last.done === first.done) return undefined;
  return ((last.done - first.done) * 1000) / (last.at - first.at);
}

export interface Left {
  unit: 'seconds' | 'minutes' | 'hours';
  count: number;
}

/** How long `records` take at `rate` a second, as roughly as people say it. */
export function leftOf(records: number, rate: number): Left {
  const seconds = Math.max(0, records) / rate;
  if (seconds < 90) return { unit: 'seconds', count: Math.max(1, Math.ceil(seconds)) };
  const minutes = seconds / 60;
  return minutes < 90
    ? { unit: 'minutes', count: Math.round(minutes) }
    : { unit: 'hours', count: Math.round(minutes / 60) };
}
