//! Has an opportunity looked at again, as if it had changed just now.

use tandem_sdk::tools::{self, Asked, Offer, Refusal, writes};
use tandem_sdk::{Deserialize, JsonSchema, Serialize, clock, schedule};

use crate::describe::Settings;

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// Id of an Opportunity in its 18 letters
    opportunity: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Looked {
    /// Id of the Opportunity, which is looked at next
    opportunity: String,
}

/// See the module's words.
pub fn offer() -> Offer<Settings> {
    writes(
        "send-again",
        "Have an opportunity looked at again",
        "Has the flow look at an opportunity again, as if it had changed just now: its order is made where it is won and \
         has none, changed where it differs, and what the opportunity shows is brought up to date. No order is made \
         twice by it. What comes of it is told by tandem_why.",
        again,
    )
    .in_order_of("/opportunity")
}

fn again(_: &Asked<'_, Settings>, wanted: Wanted) -> Result<Looked, Refusal> {
    let id = tools::record_id("opportunity", &wanted.opportunity)?;
    schedule::wake(clock::now(), id, "{}");
    Ok(Looked { opportunity: id.to_owned() })
}
