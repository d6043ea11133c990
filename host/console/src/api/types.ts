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
  /** False for who signs in at the company's provider: there is none to change here. */
  has_password: boolean;
}

/** How people sign in here. */
export interface Ways {
  password: boolean;
  oidc: { name: string } | null;
  /** Why the last try of this browser at the provider came to nothing; told once. */
  refused: SignInRefusal | null;
}
export interface SignInRefusal {
  why:
    'too-many' | 'down' | 'unfit' | 'not-begun' | 'denied' | 'untrusted' | 'no-name' | 'no-role' | 'taken' | 'failed';
  /** A name, or words of the provider. */
  detail: string;
  has: string[];
  needs: string[];
  error: string;
  mend: string;
}

export interface Overview {
  /** `store` is "ok" or says the trouble; `backup` is when the last good one was made. */
  host: { version: string; started_at: string; ready: boolean; store: string; backup?: string };
  /** What needs a person, most pressing first. */
  needs: Need[];
  flows: FlowRow[];
  connections: ConnectionRow[];
  sources: SourceRow[];
}

export interface Need {
  kind: 'store' | 'connection' | 'held' | 'errors' | 'review' | 'files' | 'backup' | 'alerts';
  flow?: string;
  connection?: string;
  text: string;
  count?: number;
  /** What the newest of these kinds of errors say. */
  words?: string[];
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
  budget?: { used: number; limit: number; forecast: number };
}

export interface SourceRow {
  name: string;
  state: 'up' | 'down' | 'used_up' | 'elsewhere';
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
    /** Where not all of it is kept: it cannot be gone through again. */
    kept?: 'hashed' | 'ids' | 'forgotten';
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
  act: 'retry' | 'ignore' | 'rehearse';
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
  /** Of a rehearsal: what each event would come to, as far as it is. */
  outcomes: RehearsedEvent[];
  /** Of a rehearsal: more were meant than are rehearsed at once, and these are the newest of them. */
  more: boolean;
  over: boolean;
}

export interface RehearsedEvent {
  event: number;
  flow: string;
  key: string;
  state: Rehearsal['verdict']['state'];
  words: string;
  /** Calls that it would send. */
  effects: number;
  /** Fields in which it differs from what it sent when it ran last. */
  differences: number;
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
  /** What can be done about it, as the newest one's answers say. */
  mends: string[];
  count: number;
  first: string;
  last: string;
  example: number;
  state: State;
  /** New, or came back after a day without it, within the last 24 hours. */
  standing: 'new' | 'back' | 'known';
  /** How many on each of the last 14 days, the oldest first; a day is 24 hours, and the last of them ends now. */
  trend: number[];
}

export interface Write {
  at: string;
  event?: number;
  run: number;
  flow: string;
  release: string;
  /** The plugin's name for the connection. */
  slot: string;
  /** What that stands for now. */
  connection?: string;
  method: string;
  path: string;
  outcome: 'done' | 'refused' | 'unknown';
  /** Empty where this role is not to see it. */
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

/** A field as it is now; what is not known of it is left out. */
export interface FieldNow {
  name: string;
  value: unknown;
  last_written?: unknown;
  /** It is something else than what was written last. */
  changed?: boolean;
  /** Fields of the other record that it goes with. */
  with?: string[];
  in_step?: boolean;
}
/** A record as it is now. Neither found nor with a `why`: it is not there any more. */
export interface Present {
  system: 'b1' | 'salesforce';
  connection: string;
  /** Empty where it is not known. */
  object: string;
  id: string;
  found: boolean;
  why?: string;
  read_at: string;
  fields: FieldNow[];
}
export interface Now {
  records: Present[];
  masked: boolean;
}

export interface Planned {
  /** `PATCH b1 /Orders(7)`, or what else is done. */
  call: string;
  record?: string;
  fields: { name: string; old?: unknown; new: unknown }[];
}
export interface Review {
  event: EventRow;
  choices: { choice: string; does: string }[];
  b1?: Fields;
  salesforce?: Fields;
  /** What a call of a tool would write. */
  plan?: Planned[];
  input?: unknown;
  expires?: string;
  /** The call that it was before a person changed it. */
  changed?: { by: string; call: number };
  candidates: Fields[];
  note?: string;
  assignee?: string;
  due?: string;
}
/** One of `[agents.<name>]`. */
export interface Agent {
  name: string;
  enabled: boolean;
  model: string;
  tools: string[];
  reviews: boolean;
  schedule?: string;
  today: {
    calls: number;
    calls_a_day: number;
    tokens: number;
    tokens_a_day: number;
    money: number;
    money_a_day?: number;
  };
  hits: { proposed: number; answered: number; as_proposed: number };
}
/** What an agent was asked. */
export interface AgentRun {
  id: number;
  agent: string;
  started_by: 'question' | 'review' | 'schedule';
  asked: string;
  at: string;
  state: 'under way' | 'answered' | 'unanswered';
  answer: string | null;
  why: string | null;
  proposal: { event: number; choice: string; reasons: string } | null;
}
export interface AgentStep {
  at: string;
  step: string;
  asked: unknown;
  says: string;
  took_ms: number | null;
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
export const PURPOSES = ['api', 'tools'] as const;
export type Purpose = (typeof PURPOSES)[number];

export interface Token {
  purpose: Purpose;
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
  via: 'session' | 'token' | 'command-line' | 'salesforce' | 'agent';
  act: string;
  what: string;
  why?: string;
  address?: string;
  outcome: 'done' | 'refused' | 'failed';
  /** With which program. */
  client?: string;
}
export interface ActPage {
  acts: Act[];
  more: boolean;
}
/** Whether the audit trail is as it was written. */
export interface AuditChain {
  holds: boolean;
  lines: number;
  last_line?: number;
  head?: string;
  breaks: AuditBreak[];
  breaks_more: number;
}
export interface AuditBreak {
  line: number;
  wrong: 'changed' | 'missing' | 'out-of-order' | 'without-hash' | 'taken-out' | 'head-not-found';
  says: string;
}

// --- plugins and releases

/** A plugin or mapping plugin as it is named. */
export interface Part {
  name: string;
  version: string;
  digest: string;
}

export interface FlowInfo {
  flow: string;
  plugin: Part | null;
  mapper: Part | null;
  title: string | null;
  /** When a new release goes live: at once, by hand, or at once where the past comes out the same. */
  policy: 'at-once' | 'by-hand' | 'if-same';
  live: string | null;
  /** The release that a rollback makes live. */
  back: string | null;
  candidate: { release: string; held: string | null } | null;
  state: 'starting' | 'running' | 'held';
  why: string | null;
  /** As tandem.toml names it; null: the plugin's own mapping, and publishing makes one. */
  mapping_file: string | null;
}

export type Standing = 'live' | 'candidate' | 'taken-back' | 'earlier' | 'known';

export interface ReleaseRow {
  release: string;
  /** `known`: was never live. */
  standing: Standing;
  made_at: string;
  origin: string;
  signed_by: string | null;
  live_at: string | null;
  who: string | null;
  why: string | null;
  /** Why the candidate waits. */
  held: string | null;
  plugin: Part;
  mapper: Part | null;
  /** null: the plugin's own. */
  mapping: string | null;
}

export interface Grant {
  /** The slot, or "host". */
  connection: string;
  method: string;
  path: string;
  reason: string;
  granted: boolean;
}

export interface Code {
  name: string;
  kind: 'plugin' | 'mapping plugin';
  version: string;
  digest: string;
  permissions: Grant[];
}

export interface ReleaseDetail extends ReleaseRow {
  /** It cannot be loaded: then what follows is empty. */
  problem: string | null;
  settings: Record<string, unknown>;
  schema: Schema | null;
  mapping_text: string;
  codes: Code[];
  /** Permissions not granted yet: it cannot go live before. */
  missing: number;
  /** Newest first. */
  activations: { at: string; who: string; why: string }[];
  /** Sections of the mapping that do nothing. */
  notes: { section: string; why: string }[];
  /** From the live one; null for the live one itself, or before the first. */
  differs: Differences | null;
}

export interface Differences {
  before: string;
  after: string;
  parts: { what: string; before: unknown; after: unknown }[];
  /** Lines of the mapping that only one has: "-old", "+new". */
  mapping: string[];
}

export interface Comparison {
  id: string;
  flow: string;
  release: string;
  /** Runs. */
  total: number;
  done: number;
  over: boolean;
  error: string | null;
  found: Compared | null;
}
export interface Compared {
  events: number;
  runs: number;
  /** Events, as the two after it. */
  same: number;
  different: number;
  untold: number;
  untold_why: string[];
  read_now: number;
  groups: {
    call: string;
    /** Empty: the call as a whole, which only one of the two makes. */
    field: string;
    count: number;
    /** `event` is null where it is not known which of its run it was. */
    examples: { event: number | null; key: string; before: unknown; after: unknown }[];
  }[];
  /** How many events end otherwise, and some of them. */
  ended_otherwise: number;
  endings: { key: string; event: number | null; before: string; after: string }[];
  /** Changed sections that none of the events used. */
  unused: string[];
}

export interface Activated {
  release: string;
  live_at: string;
  /** Files that now say the same. */
  files: string[];
  /** It is live, but the files could not be written: why. */
  unwritten: string | null;
}

/** What of JSON Schema the plugins' settings use. */
export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  minimum?: number;
  maximum?: number;
}

// --- the mapping editor

export type Way = 'to-b1' | 'to-salesforce' | 'both';
export type OneWay = Exclude<Way, 'both'>;

export interface MappingDoc {
  /** Whose text it is, unedited. */
  release: string | null;
  text: string;
  /** Not usable: then the sections hold what could be read. */
  problem: { line: number | null; error: string } | null;
  sections: MappingSection[];
  tables: Record<string, Record<string, string>>;
}
export interface MappingSection {
  name: string;
  b1: string;
  salesforce: string;
  way: Way;
  /** Fields that the flow sets itself. */
  reserved: { to_b1: string[]; to_salesforce: string[] };
  rules: Rule[];
}

export type Direction = 'both' | 'to_salesforce' | 'to_b1';
export const DIRECTIONS: readonly Direction[] = ['both', 'to_salesforce', 'to_b1'];
export type PairPolicy = 'newest' | 'b1' | 'salesforce' | 'review';
export const PAIR_POLICIES: readonly PairPolicy[] = ['newest', 'b1', 'salesforce', 'review'];

export interface OneWayPut {
  kind: 'one-way';
  /** The target's. */
  field: string;
  rule: string;
}
export interface PairPut {
  kind: 'both';
  /** B1's. */
  field: string;
  salesforce: string;
  direction: Direction;
  policy: PairPolicy;
  /** Over B1's record; null: copied. */
  to_salesforce: string | null;
  /** Over Salesforce's record; null: copied. */
  to_b1: string | null;
}
export type RulePut = OneWayPut | PairPut;
export type Rule = RulePut & { reads: string[]; line: number; problem: string | null };

export type Edit =
  | { do: 'put'; section: string; rule: RulePut; instead_of?: string }
  | { do: 'remove'; section: string; field: string }
  | { do: 'table'; name: string; rows: Record<string, string> | null; instead_of?: string };

export interface Field {
  name: string;
  label: string;
  type: string;
  length: number | null;
  custom: boolean;
  settable: boolean;
  required: boolean;
  values: { value: string; label: string }[] | null;
  relation: { name: string; object: string } | null;
}
export interface SectionFields {
  b1: Field[];
  salesforce: Field[];
  /** Why a side could not be read: then it is empty. */
  unread: string | null;
}

export interface Finding {
  section: string;
  field: string;
  line: number | null;
  grade: 'error' | 'warning' | 'note';
  finding: string;
}
export interface Checked {
  findings: Finding[];
  unread: string | null;
}

export interface ExpressionSaid {
  ok: boolean;
  error: string | null;
  at: number | null;
  reads: string[];
}
export interface Word {
  name: string;
  kind: 'function' | 'method' | 'operator' | 'value';
  signature: string;
  does: string;
  example: string;
}

export interface TryRecord {
  id: string;
  words: string;
  at: string | null;
}
export interface Previewed {
  record: string;
  /** null: it could not be read. */
  source: Record<string, unknown> | null;
  error: string | null;
  /** The mapping plugin had the last word. */
  mapper: boolean;
  values: {
    field: string;
    rule: string;
    value: unknown;
    error: string | null;
    by_plugin: boolean;
    /** Put together by the plugin at run time. */
    not_here: boolean;
  }[];
}

export interface Choice {
  value: string;
  label: string;
}
export interface TableProposal {
  b1: Choice[];
  salesforce: Choice[];
  rows: { code: string; value: string; why: 'same value' | 'same label' | 'alike' }[];
}

// --- the set-up assistant

export interface Setup {
  /** Where tandem.toml lies. */
  file: string;
  /** Why the host does not take up what the file says now. */
  refused: string | null;
  /** This machine's, by its IANA name. */
  time_zone: string;
  connections: SetupConnection[];
  plugins: SetupPlugin[];
  flows: SetupFlow[];
}

export interface B1Settings {
  kind: 'b1';
  /** https://server:50000/b1s/v2 */
  url: string;
  company: string;
  user: string;
  time_zone: string;
  pin_sha256: string | null;
  ca_file: string | null;
}
export interface SalesforceSettings {
  kind: 'salesforce';
  login_url: string;
  client_id: string;
  /** With a private key alone. */
  username: string | null;
  namespace: string;
  /** Of the Pub/Sub API; null for Salesforce's own. */
  pubsub_url: string | null;
  pin_sha256: string | null;
  ca_file: string | null;
}
export type ConnectionSettings = B1Settings | SalesforceSettings;
export type SecretWay = 'password' | 'client_secret' | 'private_key';

export interface SetupConnection {
  name: string;
  settings: ConnectionSettings;
  way: SecretWay;
  /** Where the secret lies, in words. */
  kept: string;
  /** The running host has it as it stands here. */
  live: boolean;
}
export interface ConnectionPut {
  settings: ConnectionSettings;
  way: SecretWay;
  /** Without it the kept one counts, where the address is as it was. */
  secret?: string;
  /** As the connection was when the form was opened: nothing is saved over what somebody else made of it. */
  instead_of?: ConnectionSettings;
  /** Nothing was there when the form was opened. */
  new?: boolean;
}

export interface Look {
  findings: LookFinding[];
  /** What the server shows, where it is not trusted yet or is pinned. */
  certificate: Certificate | null;
}
export interface LookFinding {
  what: string;
  state: 'good' | 'soon' | 'wrong';
  says: string;
  mend: string;
}
export interface Certificate {
  sha256: string;
  subject: string;
  issuer: string;
  names: string[];
  from: string;
  until: string;
  self_signed: boolean;
  trusted: boolean;
}
export interface Provisioned {
  made: {
    what: string;
    /** It was there before. */
    present: boolean;
  }[];
}

export interface SetupPlugin {
  /** Its file's name without .wasm. */
  plugin: string;
  title: string;
  version: string;
  slots: { slot: string; kind: Side }[];
  schema: Schema | null;
  /** Kinds of records that a first load goes through; none: it offers none. */
  first_load: string[];
  /** Why it cannot be used. */
  problem: string | null;
}

export interface SetupFlow extends SetupFlowPut {
  flow: string;
  /** The running host has taken it up. */
  live: boolean;
  /** The one that the files say, once the host has made it. */
  release: string | null;
  /** Rights that are not allowed yet. */
  missing: number;
  /** A release of it is live. */
  running: boolean;
  why: string | null;
}
export interface SetupFlowPut {
  plugin: string;
  /** By the plugin's name of each. */
  connections: Record<string, string>;
  settings: Record<string, unknown>;
}

/** How far a rehearsal or a first load is. */
export type LoadState = 'goes-on' | 'over' | 'failed' | 'stopped';
export interface Load {
  flow: string;
  offers: string[];
  rehearsal: LoadRehearsal | null;
  load: LoadRun | null;
}
export interface LoadRehearsal {
  state: LoadState;
  since: string | null;
  total: number;
  done: number;
  error: string | null;
  began_at: string;
  found: {
    effects: Counted[];
    links: Counted[];
    outcomes: Counted[];
    asks: number;
    /** The first hundred. */
    questions: { key: string; why: string }[];
  };
}
export interface Counted {
  what: string;
  records: number;
}
export interface LoadRun {
  state: LoadState;
  since: string | null;
  total: number;
  /** Read so far. */
  taken: number;
  /** Worked through. */
  done: number;
  /** Of these that wait for another record. */
  waiting: number;
  /** Of these to review. */
  review: number;
  error: string | null;
  began_at: string;
  ended_at: string | null;
  by: string;
}

// --- the proof that both sides agree

/** What is under way, or was last since the host came up; `next`: when the next one by schedule is. */
export interface Reconcile {
  run: ReconcileRun | null;
  next: string | null;
}
export interface ReconcileRun {
  state: LoadState;
  /** null: by schedule. */
  by: string | null;
  began_at: string;
  ended_at: string | null;
  since: string | null;
  /** Flows. */
  total: number;
  done: number;
  progress: {
    /** Empty before the first, and where it is another's. */
    flow: string;
    comparison: string;
    step: 'reading-salesforce' | 'reading-b1' | 'comparing' | 'explaining';
    rows: number;
  };
  /** The report's name, once there is one. */
  report: string | null;
  error: string | null;
}

export interface ReportRow {
  name: string;
  at: string;
  took_ms: number;
  since: string | null;
  flows: string[];
  /** They are all that the host has. */
  of_all: boolean;
  verdict: 'agree' | 'partly' | 'explained' | 'unexplained' | 'nothing';
  words: string;
  in_step: number;
  differences: number;
  unexplained: number;
  /** Flows of which not all could be read. */
  missed: string[];
  /** Flows whose plugins say nothing. */
  unsaid: string[];
}
export interface ReportPage {
  reports: ReportRow[];
  more: boolean;
}

/** Differences are asked for by themselves. */
export interface Report {
  summary: ReportRow;
  tandem: string;
  flows: ReconciledFlow[];
  /** Those that this person may have. */
  files: string[];
}
export interface ReconciledFlow {
  flow: string;
  title: string;
  plugin: string;
  b1: string;
  salesforce: string;
  unsaid?: string;
  failed: boolean;
  comparisons: Reconciled[];
}
/** What is stated of one kind of thing. */
export interface Reconciled {
  name: string;
  title: string;
  /** Why nothing is stated. */
  not_whole?: string;
  salesforce: number;
  b1: number;
  in_step: number;
  differing: number;
  missing_in_b1: number;
  missing_in_salesforce: number;
  double: number;
  alone: number;
  left_out?: { why: string; count: number }[];
  sums: Sum[];
  reasons: { reason: Reason; count: number }[];
  unexplained: number;
  not_again: number;
}
/** Amounts are decimal numbers as text, exact to the cent. */
export interface Sum {
  what: string;
  /** Empty for what is no money. */
  currency: string;
  month: string;
  salesforce: string;
  b1: string;
  difference: string;
  other_month: string;
  rounding: string;
  alone: string;
  differences: string;
}

export const REASONS = [
  'unexplained',
  'review',
  'ignored',
  'waiting',
  'retry',
  'under-way',
  'rejected',
  'outage',
  'held',
  'meanwhile',
  'not-read',
  'told',
  'never-linked',
  'incomparable',
  'first-seen',
] as const;
export type Reason = (typeof REASONS)[number];

export interface DifferenceFilter {
  flow?: string;
  comparison?: string;
  why?: string;
  q?: string;
}
export interface Difference {
  /** In the report, by which it is found again. */
  place: number;
  flow: string;
  comparison: string;
  kind: 'differs' | 'missing-in-b1' | 'missing-in-salesforce' | 'double-in-b1' | 'double-in-salesforce';
  /** Empty where it is hidden. */
  label: string;
  salesforce: string;
  b1: string;
  fields?: { field: string; salesforce: string; b1: string }[];
  why: Reason;
  reason: string;
  event?: number;
}
export interface DifferencePage {
  differences: Difference[];
  /** Where the next page begins. */
  next: number | null;
  masked: boolean;
}
