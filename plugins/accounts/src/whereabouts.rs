//! A contact that its account does not show is deleted, merged, moved, or only not to be seen by the integration user. What is not
//! seen is not gone.

use std::collections::BTreeMap;

use tandem_sdk::{Error, Value, b1, salesforce, text};

/// What became of a contact.
#[derive(Clone, Debug, PartialEq)]
pub enum Whereabouts {
    /// Not shown at all, not even as deleted.
    Unseen,
    /// In the recycle bin.
    Deleted,
    /// Merged into the contact with this id.
    Merged(String),
    /// With the account of this id; empty for none. True when it carries a contact key of Tandem's.
    Moved(String, bool),
}

/// Merges of merges that are followed.
const ROUNDS: usize = 4;

/// Of contacts by id; all of the ids have an entry.
pub fn of(ids: &[String]) -> Result<BTreeMap<String, Whereabouts>, Error> {
    let mut rows: BTreeMap<String, Value> = BTreeMap::new();
    let mut open = ids.to_vec();
    for _ in 0..ROUNDS {
        if open.is_empty() {
            break;
        }
        let fields = "Id,AccountId,IsDeleted,MasterRecordId,Tandem_Contact_Key__c";
        let found = salesforce::query_all_in(fields, "Contact", "Id", &open)?;
        let masters = found.iter().map(|row| text(row, "MasterRecordId").to_owned());
        open = masters.filter(|id| !id.is_empty() && !rows.contains_key(id)).collect();
        rows.extend(b1::by_key(found, "Id"));
    }
    Ok(ids.iter().map(|id| (id.clone(), where_is(id, &rows))).collect())
}

fn where_is(id: &str, rows: &BTreeMap<String, Value>) -> Whereabouts {
    let Some(row) = rows.get(id) else { return Whereabouts::Unseen };
    if row["IsDeleted"] != true {
        return Whereabouts::Moved(text(row, "AccountId").to_owned(), row["Tandem_Contact_Key__c"].is_string());
    }
    let mut master = text(row, "MasterRecordId");
    if master.is_empty() {
        return Whereabouts::Deleted;
    }
    for _ in 0..ROUNDS {
        match rows.get(master) {
            Some(row) if row["IsDeleted"] != true => return Whereabouts::Merged(master.to_owned()),
            Some(row) if !text(row, "MasterRecordId").is_empty() => master = text(row, "MasterRecordId"),
            Some(_) => return Whereabouts::Deleted,
            None => break,
        }
    }
    Whereabouts::Unseen
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use super::*;

    #[test]
    fn a_merged_contact_is_its_last_master_and_an_unseen_one_is_not_gone() {
        let row = |deleted: bool, master: &str, account: &str| json!({ "IsDeleted": deleted, "MasterRecordId": master, "AccountId": account });
        let rows = [
            ("a", row(true, "b", "1")),
            ("b", row(true, "c", "1")),
            ("c", row(false, "", "2")),
            ("d", row(true, "", "1")),
            ("e", row(true, "d", "1")),
            ("f", row(true, "unseen", "1")),
        ];
        let rows: BTreeMap<String, Value> = rows.into_iter().map(|(id, row)| (id.to_owned(), row)).collect();
        let is = |id: &str| where_is(id, &rows);
        assert_eq!(is("a"), Whereabouts::Merged("c".into()));
        assert_eq!(is("c"), Whereabouts::Moved("2".into(), false));
        assert_eq!((is("d"), is("e")), (Whereabouts::Deleted, Whereabouts::Deleted));
        assert_eq!((is("f"), is("unseen")), (Whereabouts::Unseen, Whereabouts::Unseen));
    }
}
