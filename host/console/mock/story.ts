// The runs and calls of an event, as its journal would tell them.
import type * as T from '../src/api/types.ts';
import { CANDIDATE, dice, iso, LOST, OLDER, RELEASES, type Stored, type World } from './data.ts';

interface Made {
  kind: string;
  subject: string;
  effect?: boolean;
  state?: T.CallRow['state'];
  took_ms?: number;
  method?: string;
  connection?: string;
  path?: string;
  status?: number;
  request?: unknown;
  response?: unknown;
}

function calls(at: number, made: Made[]): T.CallRow[] {
  let clock = at;
  return made.map((call, seq) => {
    clock += (call.took_ms ?? 1) + 2;
    return {
      seq,
      item: 0,
      effect: false,
      state: 'done' as const,
      at: iso(clock),
      request_bytes: call.request === undefined ? 0 : JSON.stringify(call.request).length,
      response_bytes: call.response === undefined ? 0 : JSON.stringify(call.response).length,
      request: call.request ?? null,
      response: call.response ?? null,
      ...call,
    };
  });
}

const READ: Made[] = [
  { kind: 'clock.now', subject: '', took_ms: 0, response: '2026-11-27T14:32:05.120Z' },
  { kind: 'storage.get', subject: 'look:newest', took_ms: 1, response: null },
];

function order(stored: Stored): Record<string, unknown> {
  return {
    CardCode: 'C20000',
    DocDate: stored.row.created_at.slice(0, 10),
    DocDueDate: stored.row.created_at.slice(0, 10),
    NumAtCard: 'PO-7781',
    DiscountPercent: 0,
    U_SF_Id: stored.row.key,
    DocumentLines: [{ ItemCode: 'A00001', Quantity: 4, UnitPrice: 4612.5, U_SF_LineId: '00k5g0000012abc' }],
  };
}

function query(stored: Stored, at = 120): Made {
  return {
    kind: 'http',
    subject: 'query',
    took_ms: at,
    method: 'GET',
    connection: 'salesforce',
    path: '/services/data/v64.0/query?q=SELECT Id, Name, Amount, (SELECT … FROM OpportunityLineItems) FROM Opportunity',
    status: 200,
    response: { totalSize: 1, done: true, records: [stored.payload] },
  };
}

function mapped(stored: Stored): Made {
  return {
    kind: 'map',
    subject: 'orders.header',
    took_ms: 1,
    request: stored.payload,
    response: order(stored),
  };
}

/** What the flows beside orders write. */
const WRITES: Record<string, [string, string, Record<string, unknown>]> = {
  accounts: [
    'b1',
    "/b1s/v2/BusinessPartners('C20000')",
    { CardName: 'Maxi-Teq', Phone1: '+49 621 55501', EmailAddress: 'info@maxi-teq.example' },
  ],
  catalogue: ['salesforce', '/services/data/v64.0/sobjects/Product2/KEY', { Name: 'Workbench', IsActive: true }],
  inventory: ['salesforce', '/services/data/v64.0/sobjects/Product2/KEY', { B1_Available__c: 38 }],
  invoices: ['salesforce', '/services/data/v64.0/sobjects/Account/KEY', { B1_Open_Balance__c: 1190 }],
  credit: ['salesforce', '/services/data/v64.0/sobjects/Account/KEY', { B1_Credit_Limit__c: 50_000 }],
  fulfilment: ['salesforce', '/services/data/v64.0/sobjects/Opportunity/KEY', { B1_Delivery_State__c: 'Delivered' }],
};

function post(stored: Stored, answer: Partial<Made>): Made {
  return {
    kind: 'http',
    subject: 'create order',
    effect: true,
    method: 'POST',
    connection: 'b1',
    path: '/b1s/v2/Orders',
    request: { headers: { Prefer: 'return=minimal' }, body: order(stored) },
    ...answer,
  };
}

function told(stored: Stored): Made {
  return {
    kind: 'http',
    subject: 'tell the opportunity',
    effect: true,
    took_ms: 210,
    method: 'PATCH',
    connection: 'salesforce',
    path: `/services/data/v64.0/sobjects/Opportunity/${stored.row.key}`,
    status: 204,
    request: { body: { B1_Order_Number__c: '1042', Sync_State__c: 'Done', Sync_Message__c: 'Order 1042 was made' } },
  };
}

export function runs(stored: Stored): T.RunRow[] {
  const { row } = stored;
  const began = Date.parse(row.created_at) + 400;
  const release = RELEASES[row.flow] ?? '';
  if (stored.trace === LOST && row.flow === 'orders') {
    return [
      {
        id: 8101,
        flow: row.flow,
        release: OLDER,
        started_at: iso(began),
        finished_at: iso(began + 20_900),
        error: 'B1 did not answer within 20 s: whether the order was made is not known',
        events: 1,
        calls: calls(began, [
          ...READ,
          query(stored),
          mapped(stored),
          post(stored, { state: 'intended', took_ms: 20_000 }),
        ]),
      },
      {
        id: 8102,
        flow: row.flow,
        release,
        started_at: iso(began + 36_000),
        finished_at: iso(began + 36_800),
        error: 'Session Timeout (-301): B1 is signed in to anew',
        events: 1,
        calls: calls(began + 36_000, [
          {
            kind: 'http',
            subject: 'probe',
            took_ms: 88,
            method: 'GET',
            connection: 'b1',
            path: `/b1s/v2/Orders?$filter=U_SF_Id eq '${row.key}'&$select=DocEntry,DocNum`,
            status: 401,
            response: { error: { code: '-301', message: 'Invalid session or session already timeout.' } },
          },
        ]),
      },
      {
        id: 8103,
        flow: row.flow,
        release,
        started_at: iso(began + 5 * 60_000),
        finished_at: iso(began + 5 * 60_000 + 1_900),
        events: 3,
        calls: calls(began + 5 * 60_000, [
          ...READ,
          {
            kind: 'http',
            subject: 'probe',
            took_ms: 96,
            method: 'GET',
            connection: 'b1',
            path: `/b1s/v2/Orders?$filter=U_SF_Id eq '${row.key}'&$select=DocEntry,DocNum`,
            status: 200,
            response: { value: [] },
          },
          query(stored),
          mapped(stored),
          post(stored, { took_ms: 640, status: 201, response: { DocEntry: 842, DocNum: 1042 } }),
          { kind: 'storage.put', subject: `ledger:${row.key}`, took_ms: 1, request: { DocEntry: 842 } },
          told(stored),
        ]),
      },
    ];
  }
  if (row.attempts === 0 || row.state === 'ready') return [];
  const roll = dice(row.id);
  const finished = row.state === 'leased' ? {} : { finished_at: iso(began + 700) };
  const made: Made[] = [...READ, query(stored, 60 + Math.floor(roll() * 200))];
  if (row.state === 'done')
    made.push({ ...told(stored), request: { body: { Sync_State__c: 'Done', Sync_Message__c: row.reason } } });
  return [
    {
      id: row.id * 2,
      flow: row.flow,
      release,
      started_at: iso(began),
      ...finished,
      events: 1 + (row.id % 4),
      calls: calls(began, made),
    },
  ];
}

export function story(world: World, stored: Stored, masked: boolean): T.Story {
  const others = world.events.filter((other) => other.trace === stored.trace && other !== stored).map(({ row }) => row);
  const open = ['ready', 'leased', 'waiting', 'review'];
  return {
    event: {
      ...stored.row,
      trace: stored.trace,
      payload: masked ? hide(stored.payload) : stored.payload,
      detail: null,
      ...(stored.decided && { decided: stored.decided }),
    },
    masked,
    ...(stored.waits_for && { waits_for: stored.waits_for }),
    behind: open.includes(stored.row.state)
      ? world.events
          .map(({ row }) => row)
          .filter(
            (row) =>
              row.key === stored.row.key &&
              row.flow === stored.row.flow &&
              row.id < stored.row.id &&
              open.includes(row.state),
          )
      : [],
    caused_by: others.filter((row) => row.id < stored.row.id),
    caused: others.filter((row) => row.id > stored.row.id),
    links: stored.links,
    runs: runs(stored).map((run) =>
      masked
        ? {
            ...run,
            calls: run.calls.map((call) => ({ ...call, request: hide(call.request), response: hide(call.response) })),
          }
        : run,
    ),
  };
}

function hide(value: unknown): unknown {
  if (typeof value === 'string') return '•••';
  if (Array.isArray(value)) return value.map(hide);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hide(inner)]));
  }
  return value;
}

export function rehearsal(
  stored: Stored,
  asked: { release?: string; payload?: unknown; choice?: string },
): T.Rehearsal {
  const { row } = stored;
  const release = asked.release ?? RELEASES[row.flow] ?? '';
  const seen = asked.payload === undefined ? stored : { ...stored, payload: asked.payload };
  if (asked.choice === 'ignore') {
    return { release, verdict: { state: 'done', words: 'left as it is' }, effects: [] };
  }
  if (asked.choice === 'retry' && stored.review) {
    return { release, verdict: { state: 'review', words: row.reason ?? '' }, effects: [] };
  }
  const link = asked.choice?.startsWith('link with ') ? asked.choice.slice(10) : undefined;
  if (link || asked.choice === 'create') {
    const name = (stored.review?.salesforce?.Name as string | undefined) ?? '';
    return {
      release,
      verdict: { state: 'done', words: link ? `linked with ${link}` : 'a new business partner is made' },
      effects: [
        link
          ? {
              connection: 'b1',
              method: 'PATCH',
              path: `/b1s/v2/BusinessPartners('${link}')`,
              fields: [
                { name: 'CardName', value: name, before: 'Maxi-Teq' },
                { name: 'Phone1', value: '+49 621 55501', before: '0621 55501' },
                { name: 'U_SF_Id', value: row.key, before: null },
              ],
            }
          : {
              connection: 'b1',
              method: 'POST',
              path: '/b1s/v2/BusinessPartners',
              fields: [
                { name: 'CardName', value: name },
                { name: 'CardType', value: 'cCustomer' },
                { name: 'U_SF_Id', value: row.key },
              ],
            },
        {
          connection: 'salesforce',
          method: 'PATCH',
          path: `/services/data/v64.0/sobjects/Account/${row.key}`,
          fields: [{ name: 'B1_Card_Code__c', value: link ?? 'C20914', before: null }],
        },
      ],
    };
  }
  if (row.flow !== 'orders') {
    const [connection, path, fields] = WRITES[row.flow] ?? ['salesforce', `sobjects/Account/${row.key}`, {}];
    return {
      release,
      verdict: { state: 'done', words: row.reason ?? '' },
      effects: [
        {
          connection,
          method: 'PATCH',
          path: path.replace('KEY', row.key),
          fields: Object.entries(fields).map(([name, value]) => ({ name, value })),
        },
      ],
    };
  }
  const { DocumentLines, ...header } = order(seen);
  const amount = (seen.payload as { Amount?: unknown } | null)?.Amount;
  const fields = Object.entries({
    ...header,
    ...(release === CANDIDATE && { PaymentGroupCode: 3, NumAtCard: 'PO 7781' }),
    ...(asked.payload !== undefined && { Comments: `Amount ${String(amount)}` }),
    DocumentLines,
  }).map(([name, value]) => ({ name, value }));
  return {
    release,
    verdict: { state: 'done', words: 'an order is made' },
    effects: [
      { connection: 'b1', method: 'POST', path: '/b1s/v2/Orders', fields },
      {
        connection: 'salesforce',
        method: 'PATCH',
        path: `/services/data/v64.0/sobjects/Opportunity/${row.key}`,
        fields: [
          { name: 'B1_Order_Number__c', value: '1042' },
          { name: 'Sync_State__c', value: 'Done' },
          { name: 'Sync_Message__c', value: 'Order 1042 was made' },
        ],
      },
    ],
  };
}
