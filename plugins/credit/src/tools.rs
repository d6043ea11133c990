//! A customer's credit, asked of B1 when it is asked for.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::tools::{self, Asked, Offer, Offers, Refusal, reads};
use tandem_sdk::{Deserialize, JsonSchema, Number, Serialize, Value, mirror, money, text};

use crate::describe::Settings;
use crate::state::{Credit, State};
use crate::{CreditPlugin, PARTNER, judged};

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// CardCode of B1, such as `C20000`
    card_code: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Told {
    /// CardCode of B1
    card_code: String,
    /// CardName of B1
    card_name: String,
    /// CurrentAccountBalance of B1: what is invoiced and not paid; negative where the customer has paid more
    balance: Number,
    /// OpenOrdersBalance of B1: ordered, and neither delivered nor invoiced yet
    open_orders: Number,
    /// OpenDeliveryNotesBalance of B1: delivered, and not invoiced yet
    open_deliveries: Number,
    /// Balance, open orders and open deliveries together
    exposure: Number,
    /// CreditLimit of B1; missing where the customer has none, who may then buy without a limit
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_limit: Option<Number>,
    /// What is left of the limit, negative beyond it; missing where there is none
    #[serde(skip_serializing_if = "Option::is_none")]
    headroom: Option<Number>,
    /// `ok`, `near` or `exceeded`, by the flow's percentages of the limit; one that was reached is left only some
    /// percent below it
    state: String,
    /// ISO code of the company's own currency, in which all amounts are; missing where B1 does not tell it
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
}

impl Offers for CreditPlugin {
    type Settings = Settings;

    fn tools() -> Vec<Offer<Settings>> {
        vec![reads(
            "credit-of",
            "Credit of a customer",
            "Balance, open orders, open deliveries, credit limit and headroom of one customer as SAP Business One has \
             them now. Ask it before more is promised to a customer. It does not tell which documents are open, nor \
             whether B1 would take another order: CreditLimit is looked at, MaxCommitment and checks in transit are \
             not.",
            credit_of,
        )]
    }
}

fn credit_of(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Told, Refusal> {
    let code = tools::named("card_code", &wanted.card_code)?;
    let found = b1::read(Read::texts("BusinessPartners", "CardCode", &[code.to_owned()], PARTNER))?;
    let partner = customer(&found).ok_or_else(|| tools::no_customer(code))?;
    let own = text(partner, "CardCode").to_owned();
    let last = mirror::last_shown("credit", std::slice::from_ref(&own)).remove(&own).unwrap_or_default();
    let currency = money::company_currency(&asked.settings.currencies)?;
    Ok(told(asked.settings, partner, judged(&last), currency))
}

fn customer(found: &[Value]) -> Option<&Value> {
    found.iter().find(|partner| partner["CardType"] != "cSupplier")
}

/// `before`: how the customer was judged last.
fn told(settings: &Settings, partner: &Value, before: State, currency: Option<String>) -> Told {
    let credit = Credit::of(partner);
    Told {
        card_code: text(partner, "CardCode").to_owned(),
        card_name: text(partner, "CardName").to_owned(),
        balance: credit.balance.into(),
        open_orders: credit.orders.into(),
        open_deliveries: credit.deliveries.into(),
        exposure: credit.exposure().into(),
        credit_limit: credit.limit().map(Number::from),
        headroom: credit.headroom().map(Number::from),
        state: credit.state(settings, before).word().to_owned(),
        currency,
    }
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use super::*;

    fn of(limit: f64, balance: f64, before: State) -> Value {
        let partner = json!({
            "CardCode": "C1", "CardName": "One", "CreditLimit": limit, "CurrentAccountBalance": balance,
            "OpenOrdersBalance": 100, "OpenDeliveryNotesBalance": 0.25,
        });
        json!(told(&Settings::default(), &partner, before, Some("EUR".into())))
    }

    #[test]
    fn what_is_told_adds_up_to_the_cent() {
        let told = of(1000.0, 650.1, State::Ok);
        assert_eq!((told["exposure"].to_string(), told["headroom"].to_string()), ("750.35".into(), "249.65".into()));
        assert_eq!((&told["state"], &told["currency"]), (&json!("ok"), &json!("EUR")));
        assert_eq!(of(1000.0, 950.0, State::Ok)["state"], "exceeded");
    }

    #[test]
    fn a_state_is_left_as_late_as_its_account_shows_it() {
        assert_eq!(of(1000.0, 680.0, State::Ok)["state"], "ok");
        assert_eq!(of(1000.0, 680.0, State::Near)["state"], "near");
    }

    #[test]
    fn without_a_limit_there_is_neither_limit_nor_headroom() {
        let told = of(0.0, 5000.0, State::Ok);
        assert_eq!((told.get("credit_limit"), told.get("headroom")), (None, None));
        assert_eq!(told["state"], "ok");
    }

    #[test]
    fn a_supplier_is_no_customer() {
        let found =
            [json!({ "CardCode": "V1", "CardType": "cSupplier" }), json!({ "CardCode": "v1", "CardType": "cLid" })];
        assert_eq!(customer(&found).map(|partner| text(partner, "CardCode")), Some("v1"));
        assert!(customer(&found[..1]).is_none());
    }
}
