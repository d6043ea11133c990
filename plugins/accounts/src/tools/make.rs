//! Has a customer made in B1 of an account, as an order that needs one would.

use tandem_sdk::tools::{self, Asked, Offer, Refusal, writes};
use tandem_sdk::{Deserialize, JsonSchema, Serialize, Side, links, salesforce, text};

use crate::describe::{Create, Settings};
use crate::look;

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// Id of an Account in its 18 letters
    account: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Looked {
    /// Id of the Account, which is looked at next
    account: String,
    /// Its Name
    account_name: String,
}

/// See the module's words.
pub fn offer() -> Offer<Settings> {
    writes(
        "make-customer",
        "Have a customer made of an account",
        "Has the flow make a customer in SAP Business One of an account in Salesforce that has none, by the flow's own \
         mapping, as an order that needs one would. Customers that may be the same are looked for first: one that is, \
         is linked instead, and where it cannot be told a person is asked. What comes of it is told by tandem_why.",
        make,
    )
    .in_order_of("/account")
}

fn make(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Looked, Refusal> {
    let id = tools::record_id("account", &wanted.account)?;
    let refused = |why: String| Err(Refusal::Refused(why));
    if asked.settings.create_in_b1 == Create::Never {
        return refused("this flow makes no customers: create_in_b1 = \"never\" in its settings".into());
    }
    if let Some(link) = links::find("account", Side::Salesforce, id) {
        return refused(format!("the account has its customer already: {}", link.b1_id));
    }
    let soql = format!("SELECT Id, Name FROM Account WHERE Id = {}", salesforce::quote(id));
    let found = salesforce::query("salesforce", &soql)?;
    let Some(account) = found.first() else { return refused(format!("there is no account {id}")) };
    look::wanted(id);
    Ok(Looked { account: id.to_owned(), account_name: text(account, "Name").to_owned() })
}
