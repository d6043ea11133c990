// What both systems hold of a record at present.
import { now as today } from './clock.ts';
import type * as T from '../src/api/types.ts';
import { note, ok, type Answer, type Asked, type MockState } from './answers.ts';
import { sees } from './overview.ts';
import type { Open } from './sessions.ts';

const held = (name: string, value: unknown, more: Omit<T.FieldNow, 'name' | 'value'> = {}): T.FieldNow => ({
  name,
  value,
  ...more,
});
const written = (name: string, value: unknown, now = value, more: Omit<T.FieldNow, 'name' | 'value'> = {}) =>
  held(name, now, { last_written: value, changed: now !== value, ...more });

/** A clerk changed the order's remark. */
const ORDER = (number: string): [T.FieldNow[], T.FieldNow[]] => [
  [
    written('B1_Order_Number__c', number),
    held('Delivery_Notes__c', 'Deliver to gate 2', { with: ['Comments'], in_step: false }),
    held('PO_Number__c', 'PO-7781', { with: ['NumAtCard'], in_step: true }),
  ],
  [
    written('CardCode', 'C20000'),
    written('Comments', 'Deliver to gate 2', 'Ring first', { with: ['Delivery_Notes__c'], in_step: false }),
    written('NumAtCard', 'PO-7781', 'PO-7781', { with: ['PO_Number__c'], in_step: true }),
  ],
];

function hidden(field: T.FieldNow): T.FieldNow {
  const dots = (value: unknown) => (typeof value === 'string' ? '•'.repeat(Math.min(8, value.length)) : value);
  const { last_written: last, ...rest } = field;
  return { ...rest, value: dots(field.value), ...(last !== undefined && { last_written: dots(last) }) };
}

export function now(state: MockState, { query }: Asked, session: Open): Answer {
  const record = (query.get('record') ?? '').trim();
  const field = query.get('field')?.trim() ?? '';
  const masked = session.account.role === 'viewer';
  const of = state.world.events.filter((one) => sees(session.account, one.row.flow));
  const links = new Map(
    of
      .flatMap(({ links }) => links)
      .filter((link) => [link.b1_id, link.salesforce_id].includes(record))
      .map((link) => [link.kind + link.b1_id + link.salesforce_id, link]),
  );
  const read_at = new Date(today()).toISOString();
  const present = (one: Omit<T.Present, 'read_at'>): T.Present => ({
    ...one,
    read_at,
    fields: one.fields
      .filter((own) => field === '' || own.name === field || own.with?.includes(field))
      .map((own) => (masked ? hidden(own) : own)),
  });
  const records = [...links.values()].slice(0, 2).flatMap(({ kind, b1_id, salesforce_id }): T.Present[] => {
    const org = { system: 'salesforce', connection: 'crm', id: salesforce_id } as const;
    const erp = { system: 'b1', connection: 'erp', id: b1_id } as const;
    const [inOrg, inErp] = ORDER(b1_id);
    // An account that somebody deleted, and a company that cannot be reached.
    const why = 'unreachable: the server does not answer';
    return kind === 'order'
      ? [
          present({ ...org, object: 'Opportunity', found: true, fields: inOrg }),
          present({ ...erp, object: 'Orders', found: true, fields: inErp }),
        ]
      : [
          present({ ...org, object: 'Account', found: false, fields: [] }),
          present({ ...erp, object: 'BusinessPartners', found: false, why, fields: [] }),
        ];
  });
  note(state, session, 'explain.now', `record ${record}`, 'done');
  return ok({ records, masked } satisfies T.Now);
}
