//! Companies with several branches (`PUT /admin/settings` `branches`): every marketing document belongs to one, and so do
//! warehouses and partners. Source: the shared facts' line on branches, "Specify an active branch" with -5002. The words of the other
//! refusals, and that a document keeps its branch, are assumed.

use serde_json::Value;

use super::Refusal;
use super::database::{Database, Key, Record};

const BRANCH: &str = "BPL_IDAssignedToInvoice";

/// Branches at the start: `BPLID`, `BPLName`, `Disabled`.
pub const SEEDED: [(i64, &str, &str); 3] = [(1, "Main", "tNO"), (2, "South", "tNO"), (3, "Closed", "tYES")];

/// The branch of a warehouse at the start: the second of the company's warehouses is South's.
pub fn of_warehouse(place: usize) -> i64 {
    if place == 1 { 2 } else { 1 }
}

fn refused(why: String) -> Refusal {
    Refusal::new(400, -5002, why)
}

/// A new document names an active branch, that of its partner and of its rows' warehouses; it shows the branch's name.
pub fn check(db: &Database, header: &mut Record, partner: &Record, lines: &[Value]) -> Result<(), Refusal> {
    let active = |id: &i64| db.get("BusinessPlaces", &Key::Number(*id)).filter(|branch| branch["Disabled"] != "tYES");
    let id = header.get(BRANCH).and_then(Value::as_i64);
    let Some((id, branch)) = id.and_then(|id| Some((id, active(&id)?))) else {
        return Err(refused("Specify an active branch  [ORDR.BPLId]".into()));
    };
    let assigned = partner.get("BPBranchAssignment").and_then(Value::as_array).filter(|rows| !rows.is_empty());
    let own = |row: &Value| row["BPLID"] == id && row["DisabledForBP"] != "tYES";
    if assigned.is_some_and(|rows| !rows.iter().any(own)) {
        let code = partner["CardCode"].as_str().unwrap_or_default();
        return Err(refused(format!("Business partner {code} is not assigned to branch {id} [ORDR.CardCode]")));
    }
    for (number, line) in lines.iter().enumerate() {
        let code = line["WarehouseCode"].as_str().unwrap_or_default();
        let warehouse = db.get("Warehouses", &Key::Text(code.to_owned()));
        let other = warehouse.and_then(|own| own["BusinessPlaceID"].as_i64()).filter(|own| *own != id);
        if other.is_some() {
            let why = format!("Warehouse {code} is not assigned to branch {id} [RDR1.WhsCode][line: {}]", number + 1);
            return Err(refused(why));
        }
    }
    header.insert("BPLName".into(), branch["BPLName"].clone());
    Ok(())
}

/// A document stays in its branch.
pub fn keeps(header: &Record, body: &Record) -> Result<(), Refusal> {
    let moved = body.get(BRANCH).is_some_and(|branch| Some(branch) != header.get(BRANCH));
    if moved {
        Err(refused("You cannot change the branch of an existing document [ORDR.BPLId]".into()))
    } else {
        Ok(())
    }
}

/// What is drawn from a document by a clerk is of the same branch.
pub fn inherit(base: &Record, body: &mut Record) {
    if let Some(branch) = base.get(BRANCH) {
        body.insert(BRANCH.into(), branch.clone());
    }
}
