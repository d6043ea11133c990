"""Sales regions by postal code, which no expression says well; and an order without a purchase order number is asked about.

It sees the source record and the fields that the mapping file gave, and has the last word on those that it says it sets.
It can reach nothing but the log: `from wit_world.imports import log`, then `log.log(log.Level.INFO, "…")`. There is no standard
output: `print` ends the run.
"""

import json

from componentize_py_types import Err
from wit_world.imports.mapper_description import Description, Section


class WitWorld:
    # What people consent to, and what the host holds it to. `reads` are queried for it, through lookups too.
    def describe(self) -> Description:
        return Description(
            name="my-plugin",
            version="0.1.0",
            title="Sales regions by postal code; an order needs a purchase order number",
            sections=[Section(name="header", reads=["Account.BillingPostalCode"], sets=["U_Region"])],
        )

    # Called for each record of each section that it names. `source` and `mapped` are JSON texts; what it returns is the
    # fields that it sets, as JSON text. Python reads numbers as binary floats: give those of more than 15 digits as text.
    def map(self, section: str, source: str, mapped: str) -> str:
        try:
            return json.dumps(fields(json.loads(source), json.loads(mapped)))
        except Err:
            raise
        except Exception as error:
            # Any other exception would end the whole run.
            raise Err(f"the mapping plugin my-plugin failed: {error!r}")


def fields(opportunity: dict, order: dict) -> dict:
    if order.get("NumAtCard") is None:
        # Sends the record to review with this text.
        raise Err("fill in the PO number: our customers must name their purchase order")
    account = opportunity.get("Account") or {}
    return {"U_Region": region(account.get("BillingPostalCode") or "")}


def region(postal_code: str) -> str:
    if postal_code[:1] in ("0", "1", "2", "3"):
        return "North"
    if postal_code[:1] in ("4", "5", "6"):
        return "West"
    if postal_code[:1] in ("7", "8", "9"):
        return "South"
    return "Abroad"
