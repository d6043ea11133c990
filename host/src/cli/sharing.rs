//! What `tandem check` finds of an org's sharing: where its org-wide defaults (*Sharing Settings*) keep people from each other's records, the
//! integration user must be able to change those of others all the same. Asked is what it may do with such records, which counts its
//! permission sets, roles and sharing rules alike and needs no right to look at any of them. Source: Object Reference, `Organization` and `UserRecordAccess`.

use anyhow::Result;
use serde_json::Value;

use crate::connections::salesforce::Salesforce;
use crate::connections::salesforce::rights::PRIVATE_SET;
use crate::sources::full_id;

/// Objects whose records the flows change, and the org-wide default of each.
const OBJECTS: [(&str, &str); 4] = [
    ("Account", "DefaultAccountAccess"),
    ("Contact", "DefaultContactAccess"),
    ("Opportunity", "DefaultOpportunityAccess"),
    ("Case", "DefaultCaseAccess"),
];
/// Records of one object that are looked at; 200 can be asked about.
const LOOKED_AT: usize = 100;
const LIMIT: u64 = 1 << 20;

/// What to do about what is lacking.
pub fn mend() -> String {
    format!(
        "deploy what is beside the package (scripts/package.sh access) and assign {PRIVATE_SET} to the integration user, too"
    )
}

/// What the integration user may do with records of others.
#[derive(Default)]
pub struct Found {
    /// What it may not, one line for each object.
    pub lacking: Vec<String>,
    /// Objects of which it sees no record of anybody else: none is there, or they are private.
    pub unseen: Vec<&'static str>,
}

/// Looks at the newest records of each object whose records are not everybody's.
pub async fn look(org: &Salesforce) -> Result<Found> {
    let fields = OBJECTS.map(|(_, field)| field).join(", ");
    let defaults = org.query(&format!("SELECT {fields} FROM Organization"), LIMIT).await?;
    let defaults = defaults.first().unwrap_or(&Value::Null);
    let user = full_id(&org.token().await?.user_id).unwrap_or_default();
    let mut found = Found::default();
    for (object, field) in OBJECTS {
        let default = match defaults[field].as_str() {
            // Contacts are as their accounts are.
            Some("ControlledByParent") => defaults[OBJECTS[0].1].as_str(),
            own => own,
        };
        let words = match default {
            Some("None") => "Private",
            Some("Read") => "Public Read Only",
            _ => continue,
        };
        let others = format!("FROM {object} WHERE OwnerId != '{user}' ORDER BY SystemModstamp DESC LIMIT {LOOKED_AT}");
        let others = ids(&org.query(&format!("SELECT Id {others}"), LIMIT).await?, "Id");
        if others.is_empty() {
            found.unseen.push(object);
            continue;
        }
        let listed = others.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
        let asked = format!(
            "SELECT RecordId, HasEditAccess FROM UserRecordAccess WHERE UserId = '{user}' AND RecordId IN ({listed})"
        );
        let mut access = org.query(&asked, LIMIT).await?;
        access.retain(|row| row["HasEditAccess"] == true);
        let changed = ids(&access, "RecordId");
        let kept = others.iter().filter(|id| !changed.contains(id)).count();
        if kept > 0 {
            found.lacking.push(format!(
                "{object}: Sharing Settings say {words}, and of the {} newest records that somebody else owns the integration user may not change {kept}",
                others.len()
            ));
        }
    }
    Ok(found)
}

fn ids(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter().filter_map(|row| full_id(row[field].as_str()?)).collect()
}
