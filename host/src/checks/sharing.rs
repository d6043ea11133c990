//! What `tandem check` finds of an org's sharing: where its org-wide defaults (*Sharing Settings*) keep people from each other's records, the
//! integration user must be able to change those of others all the same. Asked is what it may do with such records, which counts its
//! permission sets, roles and sharing rules alike and needs no right to look at any of them. Source: Object Reference, `Organization` and `UserRecordAccess`.

use serde_json::Value;

use crate::connections::salesforce::Salesforce;
use crate::connections::salesforce::full_id;
use crate::connections::salesforce::rights::{PRIVATE_SET, STANDARD_SET};
use crate::connections::{Call, CallError, Connection};

/// Objects whose records the flows change, and the org-wide default of each.
const OBJECTS: [(&str, &str); 4] = [
    ("Account", "DefaultAccountAccess"),
    ("Contact", "DefaultContactAccess"),
    ("Opportunity", "DefaultOpportunityAccess"),
    ("Case", "DefaultCaseAccess"),
];
/// Records of one object that are looked at; 200 can be asked about.
const LOOKED_AT: usize = 100;
const LIMIT: u64 = 8 << 20;

/// A line of the check.
pub struct Line {
    /// What was found.
    pub says: String,
    /// What to do about it; none where nothing is wrong.
    pub mend: Option<String>,
}

impl Line {
    fn good(says: String) -> Self {
        Self { says, mend: None }
    }

    fn bad(says: String, mend: impl Into<String>) -> Self {
        Self { says, mend: Some(mend.into()) }
    }
}

/// What was found of one object.
enum Found {
    /// Everybody may change its records.
    Open,
    /// All that were looked at can be changed: so many.
    Changes(usize),
    /// Of so many some cannot.
    Kept { looked: usize, kept: usize, words: &'static str },
    /// It cannot be edited at all, whoever owns a record.
    NoEdit,
    /// None is seen of anybody else.
    Unseen { private: bool },
    /// The org did not say.
    Failed(CallError),
}

/// Looks at the newest records of each object whose records are not everybody's.
pub async fn look(connection: &Connection) -> Result<Vec<Line>, CallError> {
    let org = connection.org()?;
    let fields = OBJECTS.map(|(_, field)| field).join(", ");
    let defaults = org.query(&format!("SELECT {fields} FROM Organization"), LIMIT).await?;
    let defaults = defaults.first().unwrap_or(&Value::Null);
    let user = full_id(&org.token().await?.user_id).unwrap_or_default();
    let mut found = Vec::new();
    for (object, field) in OBJECTS {
        let default = match defaults[field].as_str() {
            // Contacts are as their accounts are.
            Some("ControlledByParent") => defaults[OBJECTS[0].1].as_str(),
            own => own,
        };
        let words = match default {
            Some("None") => "Private",
            Some("Read") => "Public Read Only",
            _ => {
                found.push((object, Found::Open));
                continue;
            }
        };
        // What the org refuses to say of one is nothing against the others.
        found.push((object, of(connection, org, object, words, &user).await.unwrap_or_else(Found::Failed)));
    }
    Ok(told(&found))
}

async fn of(
    connection: &Connection,
    org: &Salesforce,
    object: &str,
    words: &'static str,
    user: &str,
) -> Result<Found, CallError> {
    let others = format!("FROM {object} WHERE OwnerId != '{user}' ORDER BY SystemModstamp DESC LIMIT {LOOKED_AT}");
    let others = ids(&org.query(&format!("SELECT Id {others}"), LIMIT).await?, "Id");
    if others.is_empty() {
        return Ok(Found::Unseen { private: words == "Private" });
    }
    let listed = others.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
    let asked = format!(
        "SELECT RecordId, HasEditAccess FROM UserRecordAccess WHERE UserId = '{user}' AND RecordId IN ({listed})"
    );
    let mut access = org.query(&asked, LIMIT).await?;
    access.retain(|row| row["HasEditAccess"] == true);
    let changed = ids(&access, "RecordId");
    let looked = others.len();
    let kept = others.iter().filter(|id| !changed.contains(id)).count();
    if kept == 0 {
        return Ok(Found::Changes(looked));
    }
    let described = connection.send(Call::get(format!("/sobjects/{object}/describe")), LIMIT).await?;
    let described: Value = serde_json::from_str(&described.body).unwrap_or_default();
    Ok(if described["updateable"] == false { Found::NoEdit } else { Found::Kept { looked, kept, words } })
}

fn ids(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter().filter_map(|row| full_id(row[field].as_str()?)).collect()
}

/// What is wrong, one line for each object, and what is not, in one.
fn told(found: &[(&'static str, Found)]) -> Vec<Line> {
    let set = |set: &str| {
        format!(
            "deploy what is beside the package (scripts/package.sh access) and assign {set} to the integration user, too"
        )
    };
    let mut lines: Vec<Line> = found
        .iter()
        .filter_map(|(object, found)| match found {
            Found::Kept { looked, kept, words } => Some(Line::bad(
                format!(
                    "{object}: Sharing Settings say {words}, and of the {looked} newest records that somebody else owns the integration user may not change {kept}"
                ),
                set(PRIVATE_SET),
            )),
            Found::NoEdit => Some(Line::bad(
                format!("{object}: the integration user may not edit any record: it lacks the right on the object"),
                set(STANDARD_SET),
            )),
            Found::Failed(error) => {
                Some(Line::bad(format!("{object}: not known whether records of others can be changed: {error}"), ""))
            }
            _ => None,
        })
        .collect();
    let named = |is: &dyn Fn(&Found) -> Option<String>| {
        let all: Vec<String> =
            found.iter().filter_map(|(object, found)| Some(format!("{object}{}", is(found)?))).collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    let changed = named(&|found| match found {
        Found::Changes(looked) => Some(format!(" ({looked} of the newest were looked at)")),
        Found::Open => Some(String::new()),
        _ => None,
    });
    let looked = found.iter().any(|(_, found)| !matches!(found, Found::Unseen { .. } | Found::Open | Found::Failed(_)));
    let private = named(&|found| matches!(found, Found::Unseen { private: true }).then(String::new));
    let none = named(&|found| matches!(found, Found::Unseen { private: false }).then(String::new));
    lines.extend(changed.map(|own| Line::good(format!("records that somebody else owns can be changed: {own}"))));
    lines.extend(none.map(|own| Line::good(format!("no record is there that somebody else owns: {own}"))));
    if let Some(own) = private {
        let says = format!(
            "Sharing Settings say Private, and no record is seen that somebody else owns: {own}; either none is there, or the integration user sees none of them"
        );
        // With some of another object seen it most likely sees what there is; with none at all nothing is known.
        lines.push(match looked {
            true => Line::good(says),
            false => {
                Line::bad(says, format!("{}; where none is there yet, check again when there is one", set(PRIVATE_SET)))
            }
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(found: &[(&'static str, Found)]) -> Vec<(bool, String)> {
        told(found).into_iter().map(|line| (line.mend.is_none(), line.says)).collect()
    }

    #[test]
    fn what_was_looked_at_is_counted_and_what_is_not_seen_is_said_beside_it() {
        let lines = says(&[("Account", Found::Changes(100)), ("Case", Found::Unseen { private: true })]);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].0 && lines[0].1.contains("Account (100 of the newest were looked at)"), "{lines:?}");
        assert!(lines[1].0 && lines[1].1.contains("Case") && !lines[1].1.contains("can be changed"), "{lines:?}");
    }

    #[test]
    fn where_nothing_is_seen_of_what_is_private_nothing_is_claimed() {
        let lines = says(&[("Account", Found::Unseen { private: true }), ("Case", Found::Unseen { private: true })]);
        assert!(matches!(&lines[..], [(false, says)] if says.contains("Account, Case")), "{lines:?}");
        // Read by everybody, and none is there.
        let lines = says(&[("Account", Found::Unseen { private: false })]);
        assert!(matches!(&lines[..], [(true, says)] if !says.contains("can be changed")), "{lines:?}");
    }
}
