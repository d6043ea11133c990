"""Sales regions by postal code, which no expression says well; and an order without a purchase order number is asked about.

It sees the source record and the fields that the mapping file gave, and returns the final ones. It can reach nothing.
A field that it reads and no rule does is named under `[read]` in the mapping file.
"""

import json

from componentize_py_types import Err


class WitWorld:
    # Called for each record of each section. `source` and `mapped` are JSON texts; what it returns is all fields of the
    # record, as JSON text. Python reads numbers as binary floats: those of up to 15 digits come back as they were.
    def map(self, section: str, source: str, mapped: str) -> str:
        if section != "header":
            return mapped
        opportunity = json.loads(source)
        order = json.loads(mapped)
        if order.get("NumAtCard") is None:
            # Sends the record to review with this text.
            raise Err("fill in the PO number: our customers must name their purchase order")
        account = opportunity.get("Account") or {}
        order["U_Region"] = region(account.get("BillingPostalCode") or "")
        return json.dumps(order)


def region(postal_code: str) -> str:
    if postal_code[:1] in ("0", "1", "2", "3"):
        return "North"
    if postal_code[:1] in ("4", "5", "6"):
        return "West"
    if postal_code[:1] in ("7", "8", "9"):
        return "South"
    return "Abroad"
