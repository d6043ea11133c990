// Believable data: a small company whose orders, accounts, catalogue, inventory, invoices, credit and fulfilment run. All of it
// follows from a seed, so that two starts show the same.
import type * as T from '../src/api/types.ts';
import { agentWorld, type AgentWorld } from './agents.ts';
import { now as present } from './clock.ts';
import { reconcileOf, type ReconcileWorld } from './reconcile.ts';
import { releasesOf, type FlowReleases, type Release } from './releases.ts';
import { setupOf, type SetupWorld } from './setup.ts';

export interface Stored {
  row: T.EventRow;
  trace: string;
  payload: unknown;
  decided?: { asked: string; answer: string; at: string };
  waits_for?: T.Story['waits_for'];
  kind?: string;
  review?: Omit<T.Review, 'event'>;
  links: T.RecordLink[];
}

export interface World {
  events: Stored[];
  accounts: (T.Account & { password: string })[];
  tokens: T.Token[];
  acts: T.Act[];
  views: T.View[];
  revision: number;
  began: number;
  releases: Map<string, FlowReleases>;
  /** Those that the host has. */
  flows: Flow[];
  setup: SetupWorld;
  reconcile: ReconcileWorld;
  agents: AgentWorld;
  comparisons: Map<string, { flow: string; release: string; before: Release; after: Release; began: number }>;
  /** How many were made since the start; names of what is made follow from it. */
  made: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** All mock accounts have it. */
export const PASSWORD = 'mock-password';

export interface Flow {
  name: string;
  plugin: string;
  title: string;
  topics: string[];
  keys: (n: number) => string;
  words: string[];
  timer: string;
}
export const FLOWS: Flow[] = [
  {
    name: 'orders',
    plugin: 'orders',
    title: 'Won opportunities become sales orders',
    topics: ['salesforce.opportunity', 'b1.order'],
    keys: (n) => opportunity(n),
    words: ['order 10{n} was made', 'order 10{n} was changed: 2 rows', 'order 10{n} is in step'],
    timer: 'approval_poll_minutes',
  },
  {
    name: 'accounts',
    plugin: 'accounts',
    title: 'Accounts and contacts are business partners',
    topics: ['salesforce.account', 'b1.partner', 'salesforce.contact'],
    keys: (n) => (n % 2 ? account(n) : `C2${String(n % 900).padStart(4, '0')}`),
    words: ['C2{n} was changed: Phone1, EmailAddress', 'nothing differs', 'the account was changed: BillingStreet'],
    timer: 'sweep',
  },
  {
    name: 'catalogue',
    plugin: 'catalogue',
    title: 'Items and price lists become products and price books',
    topics: ['b1.item', 'b1.price_list'],
    keys: (n) => `A${String(n % 900).padStart(5, '0')}`,
    words: ['the product was changed: Description', 'price 149.00 EUR in Standard', 'nothing differs'],
    timer: 'nightly',
  },
  {
    name: 'inventory',
    plugin: 'inventory',
    title: 'Stock is shown on products and open lines',
    topics: ['b1.stock'],
    keys: (n) => `A${String((n * 7) % 900).padStart(5, '0')}`,
    words: ['available 42 in 01', 'available 0 in 01: 3 lines were told', 'nothing differs'],
    timer: 'stock',
  },
  {
    name: 'invoices',
    plugin: 'invoices',
    title: 'Invoices and payments are shown on accounts',
    topics: ['b1.invoice', 'b1.payment'],
    keys: (n) => String(5000 + (n % 900)),
    words: ['invoice 60{n} is open: 1,190.00 EUR', 'invoice 60{n} is paid', 'overdue since 4 days'],
    timer: 'receivables',
  },
  {
    name: 'credit',
    plugin: 'credit',
    title: 'Limits and balances are shown on accounts',
    topics: ['b1.partner'],
    keys: (n) => `C2${String((n * 3) % 900).padStart(4, '0')}`,
    words: ['balance 12,400.00 of 50,000.00 EUR', 'nothing differs'],
    timer: 'hourly',
  },
  {
    name: 'fulfilment',
    plugin: 'fulfilment',
    title: 'Deliveries are told on orders, returns become cases',
    topics: ['b1.delivery', 'b1.return'],
    keys: (n) => String(3000 + (n % 900)),
    words: ['delivery 30{n}: 4 rows, with its tracking number', 'order 10{n} is delivered in part'],
    timer: 'deliveries',
  },
];

export const RELEASES: Record<string, string> = Object.fromEntries(
  FLOWS.map((flow, place) => [flow.name, digest(place + 1)]),
);
export const OLDER = digest(77);
export const CANDIDATE = digest(99);

export function digest(seed: number): string {
  const roll = dice(seed * 7919);
  return Array.from({ length: 64 }, () => Math.floor(roll() * 16).toString(16)).join('');
}

/** Numbers from a seed. */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function opportunity(n: number): string {
  return `0065g00000${String(n).padStart(4, '0')}kLmAAI`.slice(0, 18);
}
function account(n: number): string {
  return `0015g00000${String(n).padStart(4, '0')}QrsAAE`.slice(0, 18);
}

export function iso(at: number): string {
  return new Date(at).toISOString();
}

const COMMON = [
  { choice: 'retry', does: 'Try again, with what both systems say now' },
  { choice: 'ignore', does: 'Leave it as it is; the next change of the record asks anew' },
];

export const KINDS: { id: string; flow: string; words: string; mends: string[]; state: T.State }[] = [
  {
    id: 'credit-limit',
    flow: 'orders',
    words: '… is over the credit limit: … of … EUR',
    mends: ['Send although over the limit', 'Cancel the order in SAP Business One', 'Leave it as it is'],
    state: 'review',
  },
  {
    id: 'same-account',
    flow: 'accounts',
    words: '… may be the same as …; choose which, or let a new one be made',
    mends: ['It is the same as a record that is there', 'Create a new record', 'Leave it as it is'],
    state: 'review',
  },
  {
    id: 'price-missing',
    flow: 'orders',
    words: 'line … (…): the price is missing',
    mends: ['Try again, once the cause is mended', 'Leave it as it is'],
    state: 'review',
  },
  {
    id: 'unknown-warehouse',
    flow: 'fulfilment',
    words: 'warehouse … is not known to the org',
    mends: [],
    state: 'rejected',
  },
  {
    id: 'no-account',
    flow: 'invoices',
    words: 'no account carries the CardCode …: not shown',
    mends: [],
    state: 'rejected',
  },
];

/** The trace of the order whose answer was lost. */
export const LOST = 't-won-4711';

export function world(now = present()): World {
  const roll = dice(20261127);
  const events: Stored[] = [];
  const put = (stored: Omit<Stored, 'trace' | 'links'> & Partial<Pick<Stored, 'trace' | 'links'>>) => {
    events.push({ trace: `t-${stored.row.id.toString(16)}`, links: [], ...stored });
  };
  const row = (
    id: number,
    flow: string,
    topic: string,
    key: string,
    state: T.State,
    at: number,
    more: Partial<T.EventRow> = {},
  ): T.EventRow => ({
    id,
    flow,
    topic,
    key,
    state,
    created_at: iso(at),
    due_at: iso(at),
    ...(['done', 'rejected', 'superseded'].includes(state) && { finished_at: iso(at + 900) }),
    attempts: 1,
    reason: null,
    choices: [],
    ...more,
  });

  // A week of work that went well.
  for (let n = 0; n < 240; n++) {
    const flow = FLOWS[Math.floor(roll() * FLOWS.length)] ?? FLOWS[0];
    if (!flow) continue;
    const topic = flow.topics[n % flow.topics.length] ?? '';
    const key = flow.keys(n);
    const words = (flow.words[n % flow.words.length] ?? '').replace('{n}', String(10 + (n % 89)));
    const at = now - Math.floor((1 - n / 240) ** 1.6 * 7 * DAY) - 20 * MINUTE;
    put({
      row: row(20_000 + n, flow.name, topic, key, n % 37 === 5 ? 'superseded' : 'done', at, {
        reason: n % 37 === 5 ? 'a later event of the same record says more' : words,
      }),
      payload: { Id: key, LastModifiedDate: iso(at) },
      links:
        flow.name === 'orders'
          ? [{ scope: 'orders', kind: 'order', b1_id: `10${10 + (n % 89)}`, salesforce_id: key }]
          : [],
    });
  }

  // The order whose answer was lost: three attempts, then done; caused by the won opportunity, and it caused two more.
  const lost = now - 42 * MINUTE;
  put({
    row: row(20_301, 'orders', 'salesforce.opportunity', opportunity(4711), 'done', lost, {
      attempts: 3,
      finished_at: iso(lost + 5 * MINUTE + 21_000),
      reason: 'order 1042 was made',
    }),
    trace: LOST,
    payload: {
      Id: opportunity(4711),
      Name: 'Workshop equipment, second line',
      StageName: 'Closed Won',
      Amount: 18_450,
      CurrencyIsoCode: 'EUR',
      CloseDate: iso(lost).slice(0, 10),
      AccountId: account(210),
    },
    links: [
      { scope: 'orders', kind: 'order', b1_id: '1042', salesforce_id: opportunity(4711) },
      { scope: 'accounts', kind: 'partner', b1_id: 'C20000', salesforce_id: account(210) },
    ],
  });
  put({
    row: row(20_300, 'accounts', 'accounts.wanted', account(210), 'done', lost - 4_000, {
      reason: 'C20000 was made',
    }),
    trace: LOST,
    payload: { Id: account(210) },
    links: [{ scope: 'accounts', kind: 'partner', b1_id: 'C20000', salesforce_id: account(210) }],
  });
  put({
    row: row(20_302, 'inventory', 'b1.stock', 'A00001', 'done', lost + 6 * MINUTE, {
      reason: 'available 38 in 01: 1 line was told',
    }),
    trace: LOST,
    payload: { ItemCode: 'A00001', InStock: 42, Committed: 4 },
  });

  // What is under way.
  put({
    row: row(20_310, 'orders', 'salesforce.opportunity', opportunity(4720), 'leased', now - 8_000),
    payload: { Id: opportunity(4720), StageName: 'Closed Won', Amount: 2_300 },
  });
  put({
    row: row(20_311, 'orders', 'salesforce.opportunity', opportunity(4720), 'ready', now - 5_000),
    payload: { Id: opportunity(4720), StageName: 'Closed Won', Amount: 2_450 },
  });
  put({
    row: row(20_312, 'orders', 'salesforce.opportunity', opportunity(4721), 'waiting', now - 11 * MINUTE, {
      due_at: iso(now + 20 * MINUTE),
      reason: 'waits for its account',
    }),
    waits_for: { kind: 'partner', side: 'salesforce', id: account(233), until: iso(now + DAY - 11 * MINUTE) },
    payload: { Id: opportunity(4721), StageName: 'Closed Won', AccountId: account(233) },
  });
  put({
    row: row(20_313, 'catalogue', 'b1.item', 'A00107', 'ready', now - 2 * MINUTE, {
      attempts: 2,
      due_at: iso(now + MINUTE),
      reason: 'Salesforce asks for a pause: REQUEST_LIMIT_EXCEEDED',
    }),
    payload: { ItemCode: 'A00107' },
  });

  // What a person is asked.
  const limits = [
    ['Parameter Technology', 'C23900', '61,200.00', '50,000.00'],
    ['Earthshaker Corporation', 'C30000', '27,900.00', '25,000.00'],
    ['Norm Thompson', 'C40000', '10,410.00', '10,000.00'],
    ['Microchips', 'C42000', '88,000.00', '80,000.00'],
  ] as const;
  limits.forEach(([name, code, balance, limit], place) => {
    const id = 20_320 + place;
    const key = opportunity(4730 + place);
    put({
      row: row(id, 'orders', 'salesforce.opportunity', key, 'review', now - (3 + place * 5) * HOUR, {
        reason: `${name} (${code}) is over the credit limit: ${balance} of ${limit} EUR`,
        choices: ['send anyway', 'retry', 'ignore'],
      }),
      kind: 'credit-limit',
      payload: { Id: key, StageName: 'Closed Won', Amount: 9_800 + place * 450 },
      review: {
        choices: [{ choice: 'send anyway', does: 'Send although over the limit' }, ...COMMON],
        salesforce: {
          Id: key,
          Name: `${name}, spring order`,
          Amount: 9_800 + place * 450,
          CurrencyIsoCode: 'EUR',
          CloseDate: iso(now).slice(0, 10),
        },
        b1: { CardCode: code, CardName: name, CreditLimit: limit, CurrentAccountBalance: balance, Currency: 'EUR' },
        candidates: [],
        ...(place === 0 && {
          assignee: 'sales-operations',
          due: iso(now + 2 * DAY),
          note: 'Finance has been asked to raise the limit.',
        }),
      },
    });
  });
  put({
    row: row(20_330, 'accounts', 'salesforce.account', account(301), 'review', now - 26 * HOUR, {
      reason:
        'Maxi-Teq GmbH may be the same as Maxi-Teq, C20500 (name and postcode), Maxi Teq Service, C20781 (e-mail domain); choose which, or let a new one be made',
      choices: ['link with C20500', 'link with C20781', 'create', 'retry', 'ignore'],
    }),
    kind: 'same-account',
    payload: { Id: account(301), Name: 'Maxi-Teq GmbH' },
    review: {
      choices: [
        { choice: 'link with C20500', does: 'It is the same as C20500' },
        { choice: 'link with C20781', does: 'It is the same as C20781' },
        { choice: 'create', does: 'It is none of them: make a new one' },
        ...COMMON,
      ],
      salesforce: {
        Id: account(301),
        Name: 'Maxi-Teq GmbH',
        Tax_Id__c: 'DE811907980',
        BillingStreet: 'Lindenallee 12',
        BillingPostalCode: '68163',
        BillingCity: 'Mannheim',
        BillingCountryCode: 'DE',
        Phone: '+49 621 55501',
        Website: 'maxi-teq.example',
      },
      candidates: [
        {
          match: 'name and postcode',
          CardCode: 'C20500',
          CardName: 'Maxi-Teq',
          FederalTaxID: 'DE811907980',
          Street: 'Lindenallee 12',
          ZipCode: '68163',
          City: 'Mannheim',
          Country: 'DE',
          Phone1: '0621 55501',
          EmailAddress: 'info@maxi-teq.example',
        },
        {
          match: 'e-mail domain',
          'linked with': account(288),
          CardCode: 'C20781',
          CardName: 'Maxi Teq Service',
          FederalTaxID: 'DE294776112',
          Street: 'Hafenstraße 3',
          ZipCode: '20457',
          City: 'Hamburg',
          Country: 'DE',
          Phone1: '040 55518',
          EmailAddress: 'service@maxi-teq.example',
        },
      ],
      assignee: 'admin',
      due: iso(now - DAY),
    },
  });
  [
    ['4740', '2', 'A00042'],
    ['4741', '1', 'A00315'],
  ].forEach(([number, line, item], place) => {
    const key = opportunity(Number(number));
    put({
      row: row(20_340 + place, 'orders', 'salesforce.opportunity', key, 'review', now - (30 + place * 9) * HOUR, {
        reason: `line ${line} (${item}): the price is missing`,
        choices: ['retry', 'ignore'],
      }),
      kind: 'price-missing',
      payload: { Id: key, StageName: 'Closed Won' },
      review: {
        choices: COMMON,
        salesforce: { Id: key, Name: 'Spare parts', Amount: null, CloseDate: iso(now).slice(0, 10) },
        candidates: [],
      },
    });
  });

  // A call of a tool that waits to be approved.
  put({
    row: row(20_346, 'credit', 'tandem.tool.change-limit', 'C00042', 'review', now - 20 * MINUTE, {
      reason:
        "token desk calls credit_change-limit (Change a credit limit); it would write: PATCH b1 /BusinessPartners('C00042'): CreditLimit 50000 -> 60000",
      choices: ['approve 50a38e6a0025abbf', 'refuse'],
    }),
    kind: 'call-waits',
    payload: { input: { card_code: 'C00042', credit_limit: 60000 }, by: { who: 'token desk' } },
    review: {
      choices: [
        { choice: 'approve 50a38e6a0025abbf', does: 'Do it, as it was rehearsed' },
        { choice: 'refuse', does: 'Do not do it' },
      ],
      plan: [
        {
          call: "PATCH b1 /BusinessPartners('C00042')",
          record: 'C00042, CardName Customer 42',
          fields: [{ name: 'CreditLimit', old: 50000, new: 60000 }],
        },
      ],
      input: { card_code: 'C00042', credit_limit: 60000 },
      expires: iso(now + DAY),
      candidates: [],
    },
  });

  // What was rejected.
  for (let n = 0; n < 14; n++) {
    put({
      row: row(20_350 + n, 'fulfilment', 'b1.delivery', String(3400 + n), 'rejected', now - (1 + n) * 47 * MINUTE, {
        reason: `warehouse ${['07', '09', '12'][n % 3]} is not known to the org`,
      }),
      kind: 'unknown-warehouse',
      payload: { DocEntry: 3400 + n, WarehouseCode: ['07', '09', '12'][n % 3] },
    });
  }
  // The last one came after some days without any.
  for (let n = 0; n < 5; n++) {
    put({
      row: row(
        20_370 + n,
        'invoices',
        'b1.invoice',
        String(5900 + n),
        'rejected',
        now - (n === 0 ? 3 * HOUR : (2 + n) * DAY),
        {
          reason: `no account carries the CardCode C7${String(n).padStart(4, '0')}: not shown`,
        },
      ),
      kind: 'no-account',
      payload: { DocEntry: 5900 + n },
    });
  }
  // Ids grow with time, as the store gives them.
  events.sort((one, other) => Date.parse(one.row.created_at) - Date.parse(other.row.created_at));
  events.forEach((stored, place) => (stored.row.id = 20_000 + place));

  return {
    events,
    accounts: [
      {
        name: 'admin',
        role: 'admin',
        flows: null,
        made_at: iso(now - 90 * DAY),
        last_seen: iso(now),
        from: 'local',
        password: PASSWORD,
      },
      {
        name: 'operator',
        role: 'operator',
        flows: null,
        made_at: iso(now - 80 * DAY),
        last_seen: iso(now - 2 * HOUR),
        from: 'local',
        password: PASSWORD,
      },
      {
        name: 'sales-operations',
        role: 'reviewer',
        flows: ['orders', 'accounts'],
        made_at: iso(now - 60 * DAY),
        last_seen: iso(now - 40 * MINUTE),
        from: 'oidc',
        password: PASSWORD,
      },
      { name: 'viewer', role: 'viewer', flows: null, made_at: iso(now - 20 * DAY), from: 'local', password: PASSWORD },
    ],
    tokens: [
      {
        id: 'k1',
        name: 'monitoring',
        purpose: 'api',
        role: 'viewer',
        flows: null,
        by: 'admin',
        made_at: iso(now - 40 * DAY),
        expires_at: iso(now + 50 * DAY),
        last_used: iso(now - 30_000),
      },
      {
        id: 'k2',
        name: 'nightly-retry',
        purpose: 'api',
        role: 'operator',
        flows: ['catalogue', 'inventory'],
        by: 'operator',
        made_at: iso(now - 10 * DAY),
        expires_at: iso(now + 80 * DAY),
      },
      {
        id: 'k3',
        name: 'sales-assistant',
        purpose: 'tools',
        role: 'reviewer',
        flows: ['orders', 'inventory'],
        by: 'admin',
        made_at: iso(now - 2 * DAY),
        expires_at: iso(now + 28 * DAY),
        last_used: iso(now - 90_000),
      },
    ],
    acts: acts(now),
    views: [
      { name: 'Orders in trouble', query: 'flow=orders&state=review%2Crejected', shared: true, by: 'admin' },
      { name: 'Last day, rejected', query: 'state=rejected&within=day', shared: false, by: 'operator' },
    ],
    revision: 1,
    began: now - 3 * DAY,
    releases: releasesOf(now - 3 * DAY),
    flows: [...FLOWS],
    setup: setupOf(FLOWS),
    agents: agentWorld(),
    reconcile: reconcileOf({ events, flows: FLOWS }, now),
    comparisons: new Map(),
    made: 0,
  };
}

/** A host that was just installed: accounts, and nothing else. */
export function emptyWorld(now = present()): World {
  return {
    ...world(now),
    events: [],
    acts: [],
    tokens: [],
    views: [],
    began: now - 2 * MINUTE,
    releases: new Map(),
    flows: [],
    setup: setupOf([]),
    reconcile: reconcileOf({ events: [], flows: [] }, now),
  };
}

function acts(now: number): T.Act[] {
  const told: [string, T.Act['via'], string, string, string | undefined, T.Act['outcome']][] = [
    ['admin', 'session', 'sign in', 'admin', undefined, 'done'],
    ['viewer', 'session', 'retry', 'event 20351', undefined, 'refused'],
    ['sales-operations', 'session', 'answer', 'review 20295: send anyway', 'agreed with finance', 'done'],
    ['nightly-retry', 'token', 'retry', '12 events of kind stock', undefined, 'done'],
    ['operator', 'session', 'ignore', 'event 20117', 'entered by hand in B1', 'done'],
    ['operator', 'session', 'rehearse', 'event 20301', undefined, 'done'],
    ['root', 'command-line', 'make live', 'orders', 'new mapping of payment terms', 'done'],
    ['operator', 'session', 'sign in', 'operator', 'wrong password', 'refused'],
  ];
  return Array.from({ length: 160 }, (_, n): T.Act => {
    const [who, via, act, what, why, outcome] = told[n % told.length] ??
      told[0] ?? ['', 'session', '', '', undefined, 'done'];
    return {
      id: 1000 - n,
      at: iso(now - n * 53 * MINUTE),
      who,
      via,
      act,
      what,
      ...(why !== undefined && { why }),
      ...(via !== 'command-line' && { address: '127.0.0.1' }),
      outcome,
    };
  });
}
