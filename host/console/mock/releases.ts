// Releases of the flows: what is live, what waits, what was before.
import type * as T from '../src/api/types.ts';
import { now } from './clock.ts';
import { CANDIDATE, digest, FLOWS, iso, OLDER, RELEASES } from './data.ts';

export interface Release {
  release: string;
  made_at: string;
  origin: string;
  signed_by: string | null;
  plugin: T.Part;
  mapper: T.Part | null;
  /** null: the plugin's own. */
  mapping: string | null;
  mapping_text: string;
  settings: Record<string, unknown>;
  codes: T.Code[];
  activations: T.ReleaseDetail['activations'];
  taken_back: boolean;
  problem: string | null;
}

export interface FlowReleases {
  /** Newest first. */
  all: Release[];
  /** null: none is yet. */
  live: string | null;
  /** What was live before, newest last. */
  before: string[];
  candidate: { release: string; held: string | null } | null;
}

export const NONE_LIVE = 'It waits for somebody to make its first release live.';

export const ORDERS_MAPPING = `# Sales order <- Opportunity (header) and OpportunityLineItem (line).
# A field of the target and an expression over \`source\`; a plain path copies the value digit for digit.
version = 1

[header]
NumAtCard = "source.Tandem_PO_Number__c"
Comments = "source.Tandem_Order_Notes__c"  # the warehouse reads it
ShipToCode = "source.Tandem_Ship_To__c"
PayToCode = "source.Tandem_Bill_To__c"

[line]
WarehouseCode = "source.Tandem_Warehouse__c"
VatGroup = "source.Tandem_Tax_Code__c"
ShipDate = "source.ServiceDate"
`;

const ACCOUNTS_MAPPING = `# Business partner <-> Account, both ways.
version = 1

[tables.note]
M = "Mail"
P = "Paper"

[account]
CardName = { salesforce = "Name", policy = "b1" }
Phone1 = { salesforce = "Phone" }  # the later change wins
Website = { salesforce = "Website" }
EmailAddress = { salesforce = "Tandem_Email__c" }
FederalTaxID = { salesforce = "Tandem_Tax_Id__c", direction = "to_b1" }
"BillTo.Street" = { salesforce = "BillingStreet" }
"BillTo.City" = { salesforce = "BillingCity" }
"BillTo.ZipCode" = { salesforce = "BillingPostalCode" }

[account.U_DeliveryNoteBy]
salesforce = "Delivery_Note_By__c"
to_salesforce = 'tables.note[source.U_DeliveryNoteBy]'
to_b1 = 'reverse.note[source.Delivery_Note_By__c]'

[new_partner]
FreeText = "source.Description"
`;

export const MAPPINGS: Record<string, string> = { orders: ORDERS_MAPPING, accounts: ACCOUNTS_MAPPING };

const SETTINGS: Record<string, Record<string, unknown>> = {
  orders: {
    credit_check: true,
    multi_currency: true,
    currency: 'EUR',
    currencies: { $: 'USD' },
    approval_poll_minutes: 15,
    deleted: 'review',
    lines: 'salesforce',
    notify: ['sales@example.com'],
  },
};

export const SCHEMAS: Record<string, T.Schema> = {
  orders: {
    type: 'object',
    properties: {
      key_prefix: {
        type: 'string',
        default: '',
        description:
          'Put before CardCode and ItemCode in Salesforce where several B1 companies share an org, such as "us:"; the same in all flows of one company',
      },
      credit_check: {
        type: 'boolean',
        default: true,
        description: 'Hold orders of customers over their credit limit for review, and changes that go over it',
      },
      multi_currency: {
        type: 'boolean',
        default: true,
        description: 'The org has several currencies (CurrencyIsoCode on records)',
      },
      currency: {
        type: 'string',
        default: 'EUR',
        description: "Currency of the org's records when multi_currency is false",
      },
      currencies: {
        type: 'object',
        additionalProperties: { type: 'string' },
        default: {},
        description:
          "ISO code by B1's code of a currency; without it the International Code in B1's table of currencies",
      },
      total_difference: {
        type: ['number', 'null'],
        minimum: 0,
        default: null,
        description:
          "Amount, in the order's currency, from which on a total before tax that B1 sees otherwise is a question",
      },
      warehouse: {
        type: ['string', 'null'],
        default: null,
        description: "WarehouseCode of lines that name none; without it B1's default",
      },
      approval_poll_minutes: {
        type: 'integer',
        minimum: 1,
        default: 15,
        description: 'Minutes between two looks at an order that awaits approval in B1',
      },
      deleted: {
        $ref: '#/$defs/Deleted',
        default: 'review',
        description: 'The order of an opportunity that is deleted: a person is asked, or it is cancelled at once',
      },
      lines: {
        $ref: '#/$defs/Wins',
        default: 'salesforce',
        description: 'Whose change counts where the opportunity and a clerk in B1 changed the same',
      },
      notify: {
        type: 'array',
        items: { type: 'string' },
        default: [],
        description: 'Who is told by e-mail of an order that was cancelled',
      },
      freight: {
        type: ['array', 'null'],
        items: { type: 'object' },
        default: null,
        description: 'Freight by weight, as a list of rules',
      },
    },
    $defs: {
      Deleted: { type: 'string', enum: ['review', 'cancel'] },
      Wins: { oneOf: [{ const: 'salesforce' }, { const: 'b1' }, { const: 'review' }] },
    },
  },
};

export const RIGHTS: Record<string, [string, string, string, string][]> = {
  orders: [
    ['salesforce', 'GET', '/query?FROM=Opportunity,OpportunityLineItems', 'reads the opportunity with its lines'],
    ['salesforce', 'PATCH', '/sobjects/Opportunity/*', 'writes order number, status and messages back'],
    ['b1', 'GET', '/BusinessPartners', 'checks the customer: active, currency, credit'],
    ['b1', 'GET', '/Items', 'checks that every item can be sold'],
    ['b1', 'POST', '/Orders', 'makes sales orders'],
    ['b1', 'PATCH', '/Orders(*)', 'changes an order when its opportunity changes'],
    ['b1', 'POST', '/Orders(*)/Cancel', 'cancels an order when its opportunity is re-opened'],
    ['host', 'link', 'order', 'remembers which opportunity is which order'],
  ],
};
const MORE: [string, string, string, string][] = [
  ['host', 'storage', 'accounts', 'storage of another flow (accounts): looks up the customer that was asked for'],
  ['b1', 'POST', '/Deliveries', 'makes the delivery of an order that is picked up'],
];

export function grants(of: [string, string, string, string][], granted: boolean): T.Grant[] {
  return of.map(([connection, method, path, reason]) => ({ connection, method, path, reason, granted }));
}

export const part = (name: string, version: string, seed: number): T.Part => ({ name, version, digest: digest(seed) });

export function releasesOf(began: number): Map<string, FlowReleases> {
  return new Map(
    FLOWS.map((flow, place): [string, FlowReleases] => {
      const live = RELEASES[flow.name] ?? '';
      const plugin = part(flow.plugin, '1.4.0', 500 + place);
      const known = RIGHTS[flow.name] ?? [
        ['b1', 'GET', '/BusinessPartners', 'reads what it tells of'],
        ['salesforce', 'PATCH', '/sobjects/*', 'writes what it tells of'],
      ];
      const text = MAPPINGS[flow.name] ?? '';
      const first: Release = {
        release: live,
        made_at: iso(began + place * 3_600_000),
        origin: 'the files',
        signed_by: null,
        plugin,
        mapper: null,
        mapping: text === '' ? null : digest(600 + place),
        mapping_text: text,
        settings: SETTINGS[flow.name] ?? {},
        codes: [{ ...plugin, kind: 'plugin', permissions: grants(known, true) }],
        activations: [{ at: iso(began + place * 3_600_000), who: 'admin', why: 'first release' }],
        taken_back: false,
        problem: null,
      };
      if (flow.name !== 'orders') return [flow.name, { all: [first], live, before: [], candidate: null }];
      const day = 86_400_000;
      const newer = part('orders', '1.5.0', 700);
      const all: Release[] = [
        {
          ...first,
          release: CANDIDATE,
          made_at: iso(now() - day / 4),
          origin: 'imported from orders-1.5.0.release, signed by the supplier',
          signed_by: 'supplier',
          plugin: newer,
          settings: { ...first.settings, approval_poll_minutes: 5 },
          mapping_text: ORDERS_MAPPING.replace('Tandem_Order_Notes__c', 'Description'),
          mapping: digest(701),
          codes: [{ ...newer, kind: 'plugin', permissions: [...grants(known, true), ...grants(MORE, false)] }],
          activations: [],
        },
        {
          ...first,
          release: digest(78),
          made_at: iso(now() - 5 * day),
          mapping_text: ORDERS_MAPPING.replace('PayToCode', 'Project'),
          mapping: digest(702),
          origin: 'drafted in the console by operator',
          activations: [{ at: iso(now() - 5 * day), who: 'operator', why: 'projects on orders' }],
          taken_back: true,
        },
        { ...first, activations: [{ at: first.activations[0]?.at ?? '', who: 'admin', why: 'first release' }] },
        {
          ...first,
          release: OLDER,
          made_at: iso(began - 30 * day),
          plugin: part('orders', '1.3.2', 499),
          codes: [{ ...part('orders', '1.3.2', 499), kind: 'plugin', permissions: grants(known, true) }],
          activations: [{ at: iso(began - 30 * day), who: 'admin', why: 'set up' }],
        },
      ];
      return [
        flow.name,
        {
          all,
          live,
          before: [OLDER],
          candidate: { release: CANDIDATE, held: 'It asks for more: storage of another flow (accounts).' },
        },
      ];
    }),
  );
}
