// What was done to a text, to be taken back and done again; and how it outlives a reload.

export interface History {
  past: readonly string[];
  now: string;
  future: readonly string[];
  /** What the last change was to: the next one to the same is one step with it, as with letters that are typed. */
  last?: string;
}

/** How many steps back. */
const MOST = 100;
/** How many of them outlive a reload. */
const KEPT = 20;

export function begin(text: string): History {
  return { past: [], now: text, future: [] };
}

export function put(history: History, text: string, to?: string): History {
  if (text === history.now) return history;
  const same = to !== undefined && to === history.last && history.past.length > 0;
  const past = same ? history.past : [...history.past, history.now].slice(-MOST);
  return { past, now: text, future: [], ...(to !== undefined && { last: to }) };
}

export function undo({ past, now, future }: History): History {
  const before = past.at(-1);
  return before === undefined
    ? { past, now, future }
    : { past: past.slice(0, -1), now: before, future: [now, ...future] };
}

export function redo({ past, now, future }: History): History {
  const [after, ...rest] = future;
  return after === undefined ? { past, now, future } : { past: [...past, now], now: after, future: rest };
}

/** As text for the browser's tab. */
export function keep({ past, now, future }: History, release: string | null): string {
  return JSON.stringify({ release, past: past.slice(-KEPT), now, future: future.slice(0, KEPT) });
}

/** What was kept, where it is whole. */
export function kept(text: string | null): (History & { release: string | null }) | undefined {
  if (text === null) return undefined;
  try {
    const { release, past, now, future } = JSON.parse(text) as Partial<History & { release: string | null }>;
    const texts = [past, future].every((of) => Array.isArray(of) && of.every((one) => typeof one === 'string'));
    if (typeof now !== 'string' || !texts) return undefined;
    return { release: release ?? null, past: past ?? [], now, future: future ?? [] };
  } catch {
    return undefined;
  }
}
