//! What Tandem needs in a B1 company: the ledger table and the user field that carries the Salesforce id. Both need an
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

impl B1 {
    /// Looks which of the things are there.
    pub async fn provisions(&self) -> Result<Vec<Provision>, CallError> {
        let table = self.send_one(Call::get("/U_TANDEM?$top=1")).await;
        let table_present = match table {
            Ok(_) => true,
            Err(CallError::Remote { status: 400..=404, .. }) => false,
            Err(error) => return Err(error),
        };
        let field = self
            .send_one(Call::get("/UserFieldsMD?$filter=TableName%20eq%20'ORDR'%20and%20Name%20eq%20'SF_Id'"))
            .await?;
        let rows: serde_json::Value = serde_json::from_str(&field.body).unwrap_or_default();
        let field_present = rows["value"].as_array().is_some_and(|rows| !rows.is_empty());
        Ok(vec![
            Provision {
                what: "user table TANDEM (the ledger that makes a second order impossible)",
                present: table_present,
            },
            Provision {
                what: "user field U_SF_Id on marketing documents (the opportunity's id)",
                present: field_present,
            },
        ])
    }

    /// Makes what is missing; safe to call again.
    pub async fn provision(&self) -> Result<Vec<Provision>, CallError> {
        let before = self.provisions().await?;
        let missing = |index: usize| before.get(index).is_some_and(|provision: &Provision| !provision.present);
        if missing(0) {
            let body =
                json!({ "TableName": "TANDEM", "TableDescription": "Tandem ledger", "TableType": "bott_NoObject" });
            self.make("/UserTablesMD", &body).await?;
        }
        if missing(1) {
            let body = json!({ "Name": "SF_Id", "Type": "db_Alpha", "Size": 18, "Description": "Salesforce Id", "TableName": "ORDR" });
            self.make("/UserFieldsMD", &body).await?;
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
        let mut answers = self.send_all(vec![call], LIMIT).await;
        answers.pop().unwrap_or_else(|| Err(CallError::Unreachable("no answer".into())))
    }
}
