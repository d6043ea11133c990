// Sales regions by postal code, which no expression says well; and an order without a purchase order number is asked about.
//
// It sees the source record and the fields that the mapping file gave, and has the last word on those that it says it sets.
// It can reach nothing but the log: `import { log } from 'tandem:plugin/log@0.2.0'`, then `log('info', '…')`; `console.log` goes nowhere.

// What people consent to, and what the host holds it to. `reads` are queried for it, through lookups too.
export function describe() {
  return {
    name: 'my-plugin',
    version: '0.1.0',
    title: 'Sales regions by postal code; an order needs a purchase order number',
    sections: [{ name: 'header', reads: ['Account.BillingPostalCode'], sets: ['U_Region'] }],
  };
}

// Called for each record of each section that it names. `source` and `mapped` are JSON texts; what it returns is the fields
// that it sets, as JSON text. JavaScript reads numbers as binary floats: give those of more than 15 digits as text.
export function map(section, source, mapped) {
  try {
    return JSON.stringify(fields(JSON.parse(source), JSON.parse(mapped)));
  } catch (error) {
    // What is thrown as text sends the record to review with that text; an error as such would end the whole run.
    throw typeof error === 'string' ? error : `the mapping plugin my-plugin failed: ${error}`;
  }
}

function fields(opportunity, order) {
  if (order.NumAtCard == null) throw 'fill in the PO number: our customers must name their purchase order';
  return { U_Region: region(opportunity.Account?.BillingPostalCode ?? '') };
}

function region(postalCode) {
  if (/^[0-3]/.test(postalCode)) return 'North';
  if (/^[4-6]/.test(postalCode)) return 'West';
  if (/^[7-9]/.test(postalCode)) return 'South';
  return 'Abroad';
}
