// Which fields of a B1 record and of a Salesforce record say the same, so that they stand in one row.
import type { Fields } from '../../api/types.ts';

const PAIRS: readonly (readonly string[])[] = [
  ['CardName', 'Name', 'ItemName'],
  ['CardCode', 'B1_Card_Code__c', 'ItemCode', 'ProductCode'],
  ['FederalTaxID', 'Tax_Id__c'],
  ['Street', 'BillingStreet'],
  ['ZipCode', 'BillingPostalCode'],
  ['City', 'BillingCity'],
  ['Country', 'BillingCountryCode', 'BillingCountry'],
  ['Phone1', 'Phone'],
  ['EmailAddress', 'Email'],
  ['Currency', 'DocCurrency', 'CurrencyIsoCode'],
  ['DocTotal', 'Amount'],
  ['DocDueDate', 'CloseDate'],
];

/** A row of the comparison: its names, and the value of each column with whether it differs from the first that has one. */
export interface Row {
  names: string[];
  cells: { value: unknown; differs: boolean }[];
}

function pairOf(name: string): readonly string[] {
  return PAIRS.find((pair) => pair.includes(name)) ?? [name];
}

/**
 * All fields of all columns, those of a pair in one row, in the order in which they come first. Values are compared with the
 * first column's, which is the record asked about; what it does not have is no difference.
 */
export function rows(columns: readonly Fields[]): Row[] {
  const found = new Map<string, { names: string[]; values: unknown[] }>();
  columns.forEach((fields, place) => {
    for (const [name, value] of Object.entries(fields)) {
      const key = pairOf(name).join(' ');
      const row = found.get(key) ?? { names: [], values: columns.map(() => undefined) };
      if (!row.names.includes(name)) row.names.push(name);
      row.values[place] = value;
      found.set(key, row);
    }
  });
  return [...found.values()].map(({ names, values }) => ({
    names,
    cells: values.map((value) => ({
      value,
      differs: value !== undefined && values[0] !== undefined && plain(value) !== plain(values[0]),
    })),
  }));
}

/** Whether a cell of the row differs. */
export function different(row: Row): boolean {
  return row.cells.some((cell) => cell.differs);
}

/** Case and blanks at the ends tell no records apart. */
function plain(value: unknown): string {
  return typeof value === 'string' ? value.trim().toLowerCase() : JSON.stringify(value);
}
