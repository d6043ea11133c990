// The contract with the host: what /api/v1 takes and gives. All times are ISO 8601 in UTC with milliseconds.

/** Each may what the ones before may. */
export type Role = 'viewer' | 'reviewer' | 'operator' | 'admin';
export const ROLES: readonly Role[] = ['viewer', 'reviewer', 'operator', 'admin'];

/** What every answer that is not 2xx carries; `error` and `mend` are whole sentences. */
export interface Problem {
  error: string;
  mend?: string;
  field?: string;
}

export type State = 'ready' | 'leased' | 'waiting' | 'review' | 'done' | 'rejected' | 'superseded';
export const STATES: readonly State[] = ['ready', 'leased', 'waiting', 'review', 'done', 'rejected', 'superseded'];

export type Side = 'b1' | 'salesforce';
export type Fields = Record<string, unknown>;

export interface Me {
  name: string;
  role: Role;
  /** null: all flows. */
  flows: string[] | null;
  csrf: string;
  expires_at: string;
}

export interface Overview {
  /** `store` is "ok" or says the trouble. */
  host: { version: string; started_at: string; ready: boolean; store: string };
  /** What needs a person, most pressing first. */
  needs: Need[];
  flows: FlowRow[];
  connections: ConnectionRow[];
  sources: SourceRow[];
}

export interface Need {
  kind: 'store' | 'connection' | 'held' | 'review' | 'rejected' | 'candidate' | 'files';
  flow?: string;
  connection?: string;
  text: string;
  count?: number;
  since?: string;
}

export interface FlowRow {
  name: string;
  plugin: string | null;
  title: string | null;
  state: 'starting' | 'running' | 'held';
  why?: string;
  release: { digest: string; since: string; who: string; why: string } | null;
  candidate: { digest: string; held: string | null } | null;
  /** ready, leased and waiting together. */
  waiting: number;
  /** When the oldest unfinished one was taken in. */
  oldest?: string;
  reviews: number;
  rejected: number;
  done: number;
  next?: { timer: string; at: string };
}

export interface ConnectionRow {
  name: string;
  kind: Side;
  state: 'up' | 'down' | 'refused' | 'unknown';
  why?: string;
  since?: string;
  /** `forecast` is for midnight. */
  budget?: { used: number; limit: number; forecast: number; what: string };
}

export interface SourceRow {
  name: string;
  state: 'up' | 'down' | 'used_up';
  why?: string;
}

export type Range = 'hour' | 'day' | 'week';
export interface Rates {
  range: string;
  from: string;
  step_seconds: number;
  flows: Record<string, { done: number[]; review: number[]; rejected: number[] }>;
}

/** What selects events; `state` may name several, with commas. */
export interface EventFilter {
  q?: string;
  flow?: string;
  state?: string;
  since?: string;
  until?: string;
  kind?: string;
}

export interface EventRow {
  id: number;
  flow: string;
  topic: string;
  key: string;
  state: State;
  created_at: string;
  finished_at?: string;
  due_at: string;
  attempts: number;
  reason: string | null;
  choices: string[];
}
export interface EventPage {
  events: EventRow[];
  more: boolean;
}

export interface RecordLink {
  scope: string;
  kind: string;
  b1_id: string;
  salesforce_id: string;
}

export interface Story {
  event: EventRow & {
    trace: string;
    payload: unknown;
    detail: unknown;
    decided?: { asked: string; answer: string; at: string };
  };
  /** Personal data is hidden from this role. */
  masked: boolean;
  waits_for?: { kind: string; side: Side; id: string; until: string };
  /** Older unfinished ones of the same key, for which it waits. */
  behind: EventRow[];
  caused_by: EventRow[];
  caused: EventRow[];
  links: RecordLink[];
  /** Oldest first. */
  runs: RunRow[];
}

export interface RunRow {
  id: number;
  flow: string;
  release: string;
  started_at: string;
  finished_at?: string;
  error?: string;
  events: number;
  calls: CallRow[];
  /** There are more calls than are told. */
  cut?: boolean;
}

export interface CallRow {
  seq: number;
  item: number;
  kind: string;
  subject: string;
  effect: boolean;
  state: 'intended' | 'done';
  at: string;
  took_ms?: number;
  method?: string;
  connection?: string;
  path?: string;
  status?: number;
  request_bytes: number;
  response_bytes: number;
  request: unknown;
  response: unknown;
}

export interface EventsAct {
  act: 'retry' | 'ignore';
  ids?: number[];
  /** All that fit it. */
  filter?: EventFilter;
  /** All of this kind of error; the filter says so too, so that a host that knows but one of the two never takes more. */
  kind?: string;
  why?: string;
}

export interface Rehearsal {
  release: string;
  verdict: { state: State | 'retry'; words: string };
  effects: Effect[];
}
export interface Effect {
  connection: string;
  method: string;
  path: string;
  fields: { name: string; value: unknown; before?: unknown }[];
}

export interface Job {
  id: string;
  act: string;
  total: number;
  done: number;
  failed: { event: number; why: string }[];
  over: boolean;
}

export interface View {
  name: string;
  /** The query string of the page of events. */
  query: string;
  shared: boolean;
  by: string;
}

export interface Kind {
  id: string;
  flow: string;
  /** With … where records differ. */
  words: string;
  mend?: string;
  count: number;
  first: string;
  last: string;
  example: number;
  state: State;
  /** New, or came back, within a day. */
  fresh: boolean;
}

export interface Write {
  at: string;
  event?: number;
  run: number;
  flow: string;
  release: string;
  connection: string;
  method: string;
  path: string;
  answer: string;
  fields: { name: string; value: unknown; rule: string }[];
}
export interface Explained {
  record: string;
  links: RecordLink[];
  events: EventRow[];
  /** Newest first. */
  writes: Write[];
}

export interface Review {
  event: EventRow;
  choices: { choice: string; does: string }[];
  b1?: Fields;
  salesforce?: Fields;
  candidates: Fields[];
  note?: string;
  assignee?: string;
  due?: string;
}
export interface ReviewPage {
  reviews: Review[];
  more: boolean;
  revision: number;
}
export interface ReviewFilter {
  flow?: string;
  assignee?: string;
  q?: string;
}
/** null takes it away. */
export interface ReviewChange {
  note?: string | null;
  assignee?: string | null;
  due?: string | null;
}

export interface Account {
  name: string;
  role: Role;
  flows: string[] | null;
  made_at: string;
  last_seen?: string;
  from: 'local' | 'oidc';
}
export interface Session {
  id: string;
  name: string;
  since: string;
  last_seen: string;
  address: string;
  agent: string;
  own: boolean;
}
export interface Token {
  id: string;
  name: string;
  role: Role;
  flows: string[] | null;
  by: string;
  made_at: string;
  expires_at: string;
  last_used?: string;
}
export interface Act {
  id: number;
  at: string;
  who: string;
  via: 'session' | 'token' | 'command-line';
  act: string;
  what: string;
  why?: string;
  address?: string;
  outcome: 'done' | 'refused' | 'failed';
}
export interface ActPage {
  acts: Act[];
  more: boolean;
}
