// Errors by kind, as the host groups them: how many on each day, and which are new or back.
import type * as T from '../src/api/types.ts';
import { now } from './clock.ts';
import { KINDS, type World } from './data.ts';
import { sees } from './overview.ts';

const DAY = 24 * 3_600_000;
const DAYS = 14;

export function kindsOf(world: World, account: T.Account, flow?: string | null): T.Kind[] {
  const today = now();
  const kinds = KINDS.flatMap((kind): T.Kind[] => {
    const rows = world.events.filter((stored) => stored.kind === kind.id).map(({ row }) => row);
    const times = rows.map((row) => Date.parse(row.created_at)).sort((one, other) => other - one);
    const [first, last, example] = [times.at(-1), times[0], rows.at(-1)?.id];
    if (first === undefined || last === undefined || example === undefined) return [];
    if (!sees(account, kind.flow) || (flow && flow !== kind.flow)) return [];
    const trend = Array.from({ length: DAYS }, (_, day) => {
      return times.filter((at) => Math.floor((today - at) / DAY) === DAYS - 1 - day).length;
    });
    const iso = (at: number) => new Date(at).toISOString();
    const standing = standingOf(times, today);
    return [{ ...kind, count: rows.length, first: iso(first), last: iso(last), example, standing, trend }];
  });
  return kinds.sort((one, other) => other.count - one.count);
}

/** Of times, newest first. */
function standingOf(times: number[], now: number): T.Kind['standing'] {
  const back = times.find((at, place) => at - (times[place + 1] ?? at) >= DAY);
  if (now - (back ?? times.at(-1) ?? 0) >= DAY) return 'known';
  return back === undefined ? 'new' : 'back';
}

/** One need for each flow with any that are new or back. */
export function newsOf(world: World, account: T.Account): T.Need[] {
  const news = kindsOf(world, account).filter((kind) => kind.standing !== 'known');
  return [...new Set(news.map(({ flow }) => flow))].map((flow): T.Need => {
    const own = news.filter((kind) => kind.flow === flow);
    const words = own.slice(0, 3).map((kind) => kind.words);
    const text = `${own.length} ${own.length === 1 ? 'kind of error is' : 'kinds of errors are'} new or back: ${words.join('; ')}`;
    const since = own.map(({ standing, first, last }) => (standing === 'back' ? last : first)).sort()[0];
    return { kind: 'errors', flow, text, count: own.length, words, ...(since !== undefined && { since }) };
  });
}
