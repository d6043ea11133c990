//! What Tandem needs in a B1 company: the ledger table and the user fields that carry the Salesforce id. They need an
//! exclusive moment: no other session may be working, else B1 refuses clearly.

use serde_json::json;

use super::B1;
use crate::connections::{Call, CallError, Method};

const LIMIT: u64 = 1 << 20;

/// One thing B1 must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provision {
    /// For people.
    pub what: &'static str,
    /// It was there before.
    pub present: bool,
}

/// User fields with the Salesforce id that records were made for: table, name, and for people. Marketing documents, their
/// rows, and business partners.
const MARKED: [(&str, &str, &str); 3] = [
    ("ORDR", "SF_Id", "user field U_SF_Id on marketing documents (the opportunity's id)"),
    ("RDR1", "SF_LineId", "user field U_SF_LineId on their rows (the opportunity line's id)"),
    ("OCRD", "SF_Id", "user field U_SF_Id on business partners (the account's id)"),
];
/// What B1 may have refused when one of them was to be made.
pub const EXCLUSIVE: &str = "B1's user field and table could not be made; both need an exclusive moment: let nobody else work in the company, then try again";
/// By this B1 refuses a property that it does not have.
const UNKNOWN: &str = "-1000";
const LEDGER: &str = "user table TANDEM (the ledger that makes a second order impossible)";

/// B1's words, with the mend where it lacks a field that Tandem needs and makes.
pub fn with_mend(code: &str, message: String) -> String {
    let lacks = |name: &str| message.contains(&format!("'U_{name}'"));
    if code == UNKNOWN && MARKED.iter().any(|(_, name, _)| lacks(name)) {
        return format!(
            "{message}. Tandem needs this field in the company: `tandem init` makes it, and `tandem check` says what is missing"
        );
    }
    message
}

impl B1 {
    /// Looks which of the things are there.
    pub async fn provisions(&self) -> Result<Vec<Provision>, CallError> {
        let table = self.send_one(Call::get("/U_TANDEM?$top=1")).await;
        let present = match table {
            Ok(_) => true,
            Err(CallError::Remote { status: 400..=404, .. }) => false,
            Err(error) => return Err(error),
        };
        let mut provisions = vec![Provision { what: LEDGER, present }];
        for (table, name, what) in MARKED {
            let path = format!("/UserFieldsMD?$filter=TableName%20eq%20'{table}'%20and%20Name%20eq%20'{name}'");
            let field = self.send_one(Call::get(path)).await?;
            let rows: serde_json::Value = serde_json::from_str(&field.body).unwrap_or_default();
            let present = rows["value"].as_array().is_some_and(|rows| !rows.is_empty());
            provisions.push(Provision { what, present });
        }
        Ok(provisions)
    }

    /// Makes what is missing; safe to call again.
    pub async fn provision(&self) -> Result<Vec<Provision>, CallError> {
        let before = self.provisions().await?;
        let missing = |what: &str| before.iter().any(|provision| provision.what == what && !provision.present);
        if missing(LEDGER) {
            let body =
                json!({ "TableName": "TANDEM", "TableDescription": "Tandem ledger", "TableType": "bott_NoObject" });
            self.make("/UserTablesMD", &body).await?;
        }
        for (table, name, what) in MARKED {
            if missing(what) {
                let body = json!({ "Name": name, "Type": "db_Alpha", "Size": 18, "Description": "Salesforce Id", "TableName": table });
                self.make("/UserFieldsMD", &body).await?;
            }
        }
        Ok(before)
    }

    async fn make(&self, path: &str, body: &serde_json::Value) -> Result<(), CallError> {
        match self.send_one(Call::write(Method::Post, path, body)).await {
            Ok(_) => Ok(()),
            // Somebody made it at the same moment.
            Err(CallError::Remote { code, .. }) if code == "-2035" => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send_one(&self, call: Call) -> crate::connections::CallResult {
        let mut answers = self.send_all(vec![call], LIMIT.into()).await;
        answers.pop().unwrap_or_else(|| Err(CallError::Unreachable("no answer".into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_tandem_makes_is_told_with_the_mend_where_a_company_lacks_it() {
        let lacking = with_mend("-1000", "Property 'U_SF_Id' of 'Document' is invalid".into());
        assert!(lacking.starts_with("Property 'U_SF_Id'") && lacking.contains("`tandem init`"), "{lacking}");
        for (code, message) in
            [("-1000", "Property 'U_Region' of 'Document' is invalid"), ("-10", "'U_SF_Id' is too long")]
        {
            assert_eq!(with_mend(code, message.into()), message);
        }
    }
}
