// What a rehearsal would send, beside what was sent when the event ran.
import type { CallRow, Effect, Rehearsal, RunRow } from '../../api/types.ts';

export interface Difference {
  connection: string;
  method: string;
  path: string;
  /** Sent then and not now, now and not then, or both with other values. */
  what: 'gone' | 'new' | 'other' | 'same';
  fields: { name: string; then: unknown; now: unknown; same: boolean }[];
}

/** The effects of a past run, as a rehearsal tells them. */
export function effectsOf(run: RunRow): Effect[] {
  return run.calls.filter((call) => call.effect && call.method !== undefined && call.path !== undefined).map(effectOf);
}

function effectOf(call: CallRow): Effect {
  return {
    connection: call.connection ?? '',
    method: call.method ?? '',
    path: call.path ?? '',
    fields: fieldsOf(call.request),
  };
}

/** A body is what a request is, or what it holds under `body`. */
function fieldsOf(request: unknown): Effect['fields'] {
  if (typeof request !== 'object' || request === null) return [];
  const body = 'body' in request && typeof request.body === 'object' && request.body !== null ? request.body : request;
  return Object.entries(body).map(([name, value]) => ({ name, value }));
}

export function differences(then: readonly Effect[], now: Rehearsal['effects']): Difference[] {
  const left = [...then];
  const found = now.map((effect): Difference => {
    const place = left.findIndex((past) => target(past) === target(effect));
    const past = place < 0 ? undefined : left.splice(place, 1)[0];
    return compare(past, effect);
  });
  return [...found, ...left.map((past) => compare(past, undefined))];
}

/** Where an effect goes to; a created record's key is not known before, so a create is one by its collection. */
function target(effect: Effect): string {
  return `${effect.connection} ${effect.method} ${effect.path}`;
}

function compare(then: Effect | undefined, now: Effect | undefined): Difference {
  const at = now ?? then;
  const names = [...new Set([...(then?.fields ?? []), ...(now?.fields ?? [])].map((field) => field.name))];
  const fields = names.map((name) => {
    const [past, present] = [then, now].map((effect) => effect?.fields.find((field) => field.name === name)?.value);
    return { name, then: past, now: present, same: JSON.stringify(past) === JSON.stringify(present) };
  });
  return {
    connection: at?.connection ?? '',
    method: at?.method ?? '',
    path: at?.path ?? '',
    what: !then ? 'new' : !now ? 'gone' : fields.every((field) => field.same) ? 'same' : 'other',
    fields,
  };
}
