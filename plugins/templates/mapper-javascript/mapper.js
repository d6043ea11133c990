// Sales regions by postal code, which no expression says well; and an order without a purchase order number is asked about.
//
// It sees the source record and the fields that the mapping file gave, and returns the final ones. It can reach nothing.
// A field that it reads and no rule does is named under `[read]` in the mapping file.

// Called for each record of each section. `source` and `mapped` are JSON texts; what it returns is all fields of the record,
// as JSON text. JavaScript reads numbers as binary floats: those of up to 15 digits come back as they were, give longer ones as text.
export function map(section, source, mapped) {
  if (section !== 'header') return mapped;
  const opportunity = JSON.parse(source);
  const order = JSON.parse(mapped);
  // What is thrown as text sends the record to review with that text.
  if (order.NumAtCard == null) throw 'fill in the PO number: our customers must name their purchase order';
  order.U_Region = region(opportunity.Account?.BillingPostalCode ?? '');
  return JSON.stringify(order);
}

function region(postalCode) {
  if (/^[0-3]/.test(postalCode)) return 'North';
  if (/^[4-6]/.test(postalCode)) return 'West';
  if (/^[7-9]/.test(postalCode)) return 'South';
  return 'Abroad';
}
