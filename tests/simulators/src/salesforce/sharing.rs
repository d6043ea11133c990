//! Sharing by owner: what the org-wide defaults (*Sharing Settings*) let the integration user do with records that somebody else owns. Roles, sharing
//! rules and teams are none. Sources: Salesforce help, "Organization-Wide Default Access Settings"; Object Reference, `Organization` and
//! `UserRecordAccess`; Metadata API guide, `CustomField` (`writeRequiresMasterRead`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::org::{INTEGRATION_USER, Manner, Org, Record, RowError};
use super::query::Rows;
use super::soql::{Condition, Literal, Op, Operand, Query, Selected};

const ACCESS: &str = "UserRecordAccess";

/// An org-wide default, as `Organization` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Level {
    /// *Private*
    None,
    /// *Public Read Only*
    Read,
    /// *Public Read/Write*
    Edit,
    /// *Public Read/Write/Transfer*
    ReadEditTransfer,
    /// As the account is.
    ControlledByParent,
}

/// The defaults of the objects that Tandem writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "PascalCase")]
pub struct Sharing {
    account: Level,
    contact: Level,
    opportunity: Level,
    case: Level,
}

impl Default for Sharing {
    /// Nobody is kept from anything.
    fn default() -> Self {
        Self {
            account: Level::Edit,
            contact: Level::ControlledByParent,
            opportunity: Level::Edit,
            case: Level::ReadEditTransfer,
        }
    }
}

impl Sharing {
    fn of(self, object: &str) -> Option<Level> {
        match object {
            "Account" => Some(self.account),
            "Contact" => Some(self.contact),
            "Opportunity" => Some(self.opportunity),
            "Case" => Some(self.case),
            _ => None,
        }
    }
}

/// What may be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Nothing,
    Read,
    Edit,
}

impl Org {
    /// Sets the org-wide defaults.
    pub fn share(&mut self, sharing: Sharing) {
        self.sharing = sharing;
        let Some(mut own) = self.get("Organization", super::ORG_ID).cloned() else { return };
        for object in ["Account", "Contact", "Opportunity", "Case"] {
            own.insert(format!("Default{object}Access"), json!(sharing.of(object)));
        }
        self.keep("Organization", own);
    }

    /// Whether owners let that user see a record.
    pub(super) fn owner_shows(&self, manner: Manner, object: &str, record: &Record) -> bool {
        self.access(manner, object, record) >= Access::Read
    }

    /// Whether owners let that user change a record.
    pub(super) fn owner_lets_change(&self, manner: Manner, object: &str, record: &Record) -> bool {
        self.access(manner, object, record) == Access::Edit
    }

    fn access(&self, manner: Manner, object: &str, record: &Record) -> Access {
        let Some(rights) = self.rights().filter(|_| manner.is_limited()) else { return Access::Edit };
        let parent = |object: &str, field: &str| {
            let parent = self.get(object, record.get(field)?.as_str()?)?;
            Some(self.access(manner, object, parent))
        };
        let detail = self.schema.objects.get(object).and_then(|own| own.fields.iter().find(|(_, spec)| spec.detail));
        if let Some((field, (of, _))) = detail.and_then(|(field, spec)| Some((field, spec.parent.as_ref()?))) {
            // The package's details ask of their account no more than to be seen.
            return parent(of, field).map_or(Access::Edit, |own| if own >= Access::Read { Access::Edit } else { own });
        }
        if object == "OpportunityLineItem" {
            return parent("Opportunity", "OpportunityId").unwrap_or(Access::Edit);
        }
        let Some(level) = self.sharing.of(object) else { return Access::Edit };
        let reach = rights.reach(object);
        let by_account = || parent("Account", "AccountId");
        if reach.modify_all || record.get("OwnerId").is_some_and(|owner| owner == INTEGRATION_USER) {
            return Access::Edit;
        }
        let by_default = match level {
            Level::None => Access::Nothing,
            Level::Read => Access::Read,
            Level::Edit | Level::ReadEditTransfer => Access::Edit,
            Level::ControlledByParent => by_account().unwrap_or(Access::Nothing),
        };
        by_default.max(if reach.view_all { Access::Read } else { Access::Nothing })
    }

    /// Whoever may change a record of somebody else's may not delete it for that: this is for its owner, and for *Modify All*. A contact that is
    /// as its account is goes with the right on that; a line and a detail ask no more than to be changed.
    pub(super) fn check_may_delete(&self, manner: Manner, object: &str, record: &Record) -> Result<(), RowError> {
        let Some(rights) = self.rights().filter(|_| manner.is_limited()) else { return Ok(()) };
        let account = || self.get("Account", record.get("AccountId")?.as_str()?);
        if let ("Contact", Level::ControlledByParent, Some(account)) = (object, self.sharing.contact, account()) {
            let reaches = rights.reach(object).modify_all;
            return if reaches { Ok(()) } else { self.check_may_delete(manner, "Account", account) };
        }
        let owned = self.schema.objects.get(object).is_some_and(|own| own.fields.contains_key("OwnerId"));
        let own = record.get("OwnerId").is_some_and(|owner| owner == INTEGRATION_USER);
        if !owned || own || rights.reach(object).modify_all {
            return Ok(());
        }
        Err(RowError::new("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", &[]))
    }

    /// A new line changes its opportunity.
    pub(super) fn check_parent_is_open(&self, manner: Manner, object: &str, record: &Record) -> Result<(), RowError> {
        if object != "OpportunityLineItem" || self.owner_lets_change(manner, object, record) {
            return Ok(());
        }
        Err(RowError::new(
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            "insufficient access rights on cross-reference id",
            &["OpportunityId"],
        ))
    }

    /// What is asked of a query's records beside its own condition, so that none is among them that the integration user may not see.
    pub(super) fn shown_only(&self, object: &str) -> Option<Condition> {
        let rights = self.rights()?;
        let hides = |object: &str, level: Level| level == Level::None && !rights.reach(object).view_all;
        let is = |field: &str, literal: Literal| Condition::Compare(Operand::Field(field.into()), Op::Eq, literal);
        let mine = |path: &str| is(path, Literal::Text(INTEGRATION_USER.into()));
        let account_hides = hides("Account", self.sharing.account);
        match object {
            "OpportunityLineItem" if hides("Opportunity", self.sharing.opportunity) => {
                Some(mine("Opportunity.OwnerId"))
            }
            "Contact" if self.sharing.contact == Level::ControlledByParent => {
                let lone = Condition::And(Box::new(is("AccountId", Literal::Null)), Box::new(mine("OwnerId")));
                let own = Condition::Or(Box::new(mine("Account.OwnerId")), Box::new(lone));
                (account_hides && !rights.reach("Contact").view_all).then_some(own)
            }
            own => match self.sharing.of(own) {
                Some(level) => hides(own, level).then(|| mine("OwnerId")),
                None => {
                    let fields = &self.schema.objects.get(own)?.fields;
                    let mut details =
                        fields.values().filter(|spec| spec.detail).filter_map(|spec| spec.parent.as_ref());
                    let (_, relation) = details.find(|(parent, _)| parent == "Account" && account_hides)?;
                    Some(mine(&format!("{relation}.OwnerId")))
                }
            },
        }
    }

    /// `SELECT … FROM UserRecordAccess WHERE UserId = '…' AND RecordId IN ('…')`; none for a query of something else.
    pub(super) fn record_access(&self, manner: Manner, query: &Query) -> Option<Rows> {
        if !query.object.eq_ignore_ascii_case(ACCESS) {
            return None;
        }
        let row = |id: &String| {
            let object = self.object_of(id)?;
            let access = self.access(manner, object, self.get(object, id)?);
            // Assumed: the right on the object counts as that of sharing does.
            let may = |act| self.check_may(manner, object, act).is_ok();
            let (read, edit) = (access >= Access::Read, access == Access::Edit && may("edit"));
            let known = json!({ "RecordId": id, "HasReadAccess": read, "HasEditAccess": edit });
            let mut row = Record::from_iter([("attributes".to_owned(), json!({ "type": ACCESS }))]);
            for selected in &query.fields {
                if let Selected::Operand(Operand::Field(field), _) = selected {
                    row.insert(field.clone(), known[field].clone());
                }
            }
            Some(Value::Object(row))
        };
        Some(Rows::Records(query.condition.as_ref().map(asked).unwrap_or_default().iter().filter_map(row).collect()))
    }
}

/// The ids that a condition names as `RecordId`.
fn asked(condition: &Condition) -> Vec<String> {
    let text = |literal: &Literal| match literal {
        Literal::Text(text) => Some(super::org::long_id(text)),
        _ => None,
    };
    match condition {
        Condition::And(one, other) => [asked(one), asked(other)].concat(),
        Condition::In(Operand::Field(field), ids, false) if field == "RecordId" => {
            ids.iter().filter_map(text).collect()
        }
        Condition::Compare(Operand::Field(field), Op::Eq, id) if field == "RecordId" => text(id).into_iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::rights::Rights;
    use super::*;
    use crate::clock::Clock;

    /// One set gives deletion, and neither *View All* nor *Modify All*.
    #[test]
    fn only_the_owner_and_modify_all_delete_a_record_that_everybody_may_change() -> anyhow::Result<()> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../salesforce-package/force-app/main/default");
        let rights = |modify_all: bool| {
            let given =
                ["allowCreate", "allowDelete", "allowEdit", "allowRead"].map(|may| format!("<{may}>true</{may}>"));
            let of = |object: &str| {
                let reach = format!("<modifyAllRecords>{modify_all}</modifyAllRecords><object>{object}</object>");
                format!("<objectPermissions>{}{reach}</objectPermissions>", given.concat())
            };
            Rights::parse(&format!("<PermissionSet>{}{}</PermissionSet>", of("Account"), of("Contact")))
        };
        let mut org = Org::load(&package, Clock::default())?;
        let record = |fields: Value| fields.as_object().cloned().unwrap_or_default();
        let (mut changes, people) = (Vec::new(), Manner::default());
        let host = Manner { silent: true, ..people };
        let theirs = org.insert("Account", record(json!({ "Name": "Theirs" })), people, &mut changes).map_err(told)?;
        let contact = record(json!({ "LastName": "Theirs", "AccountId": theirs }));
        let contact = org.insert("Contact", contact, people, &mut changes).map_err(told)?;
        org.grant(rights(false)?);
        let own = org.insert("Account", record(json!({ "Name": "Own" })), host, &mut changes).map_err(told)?;
        for (object, id) in [("Account", &theirs), ("Contact", &contact)] {
            let refused = org.delete(object, id, host, &mut changes).map_err(|error| error.code);
            assert_eq!(refused, Err("INSUFFICIENT_ACCESS_OR_READONLY"), "{object}");
        }
        org.delete("Account", &own, host, &mut changes).map_err(told)?;
        org.grant(rights(true)?);
        org.delete("Contact", &contact, host, &mut changes).map_err(told)?;
        org.delete("Account", &theirs, host, &mut changes).map_err(told)
    }

    fn told(error: RowError) -> anyhow::Error {
        anyhow::anyhow!("{}", error.json())
    }
}
