//! Details of a record: they go to the recycle bin with their parent and come back with it, and stay below it. Sources: Salesforce help, "Object
//! Relationships Overview"; Metadata API guide, `CustomField` (`reparentableMasterDetail`).

use super::org::{Manner, Org, Record, RowError};

/// Children that go to the recycle bin with their parent, by the lookup that names it.
const GOES_WITH: [(&str, &str); 5] = [
    ("OpportunityLineItem", "OpportunityId"),
    ("Opportunity", "AccountId"),
    ("Contact", "AccountId"),
    ("PricebookEntry", "Product2Id"),
    ("PricebookEntry", "Pricebook2Id"),
];

impl Org {
    /// What goes to the recycle bin with a record of an object: child object and the field that names its parent. Details that name other
    /// details go before those, so that what they name is still there when both come back.
    pub(super) fn going_with(&self, name: &str) -> Vec<(String, String)> {
        let standard = GOES_WITH.iter().filter(|(child, field)| {
            let parent = self.schema.field(child, field).and_then(|(_, spec)| spec.parent.as_ref());
            parent.is_some_and(|(parent, _)| parent == name)
        });
        let is_detail = |child: &str, field: &str| self.schema.field(child, field).is_some_and(|(_, spec)| spec.detail);
        let details = self.schema.relations(name).filter(|(child, field, _)| is_detail(child, field));
        let mut details: Vec<(String, String)> =
            details.map(|(child, field, _)| (child.into(), field.into())).collect();
        let all: Vec<String> = details.iter().map(|(child, _)| child.clone()).collect();
        let named = |child: &str| self.schema.relations(child).any(|(other, ..)| all.iter().any(|own| own == other));
        details.sort_by_key(|(child, _)| named(child));
        standard.map(|(child, field)| ((*child).to_owned(), (*field).to_owned())).chain(details).collect()
    }

    /// A detail stays below its parent, unless the relationship lets it go.
    pub(super) fn check_parent_stays(
        &self,
        name: &str,
        before: &Record,
        checked: &Record,
        manner: Manner,
    ) -> Result<(), RowError> {
        let fields = &self.schema.objects[name].fields;
        let moves = |field: &&String| {
            fields.get(*field).is_some_and(|spec| spec.detail && !spec.reparentable)
                && before.get(*field) != checked.get(*field)
        };
        match checked.keys().find(moves).filter(|_| !manner.system) {
            Some(field) => Err(RowError::new(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                format!(
                    "Unable to create/update fields: {field}. Please check the security settings of this field and verify that it is read/write for your profile or permission set."
                ),
                &[field],
            )),
            None => Ok(()),
        }
    }
}
