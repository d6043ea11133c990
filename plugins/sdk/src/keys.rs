//! B1's codes as Salesforce carries them. Several companies in one org may use the same codes for different things: each then
//! has a prefix of its own, the setting `key_prefix`.

use crate::{Deserialize, JsonSchema, Said, Serialize, Value, say};

/// Put before CardCode and ItemCode in Salesforce where several B1 companies share an org, such as "us:"; the same in all flows
/// of one company
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Keys(String);

impl Keys {
    /// By the prefix of one company's codes; empty where there is only one.
    pub fn of(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// As Salesforce carries it.
    pub fn carried(&self, code: &str) -> String {
        format!("{}{code}", self.0)
    }

    /// B1's code; `None` for another company's, and for none at all.
    pub fn own<'a>(&self, carried: &'a str) -> Option<&'a str> {
        carried.strip_prefix(self.0.as_str()).filter(|code| !code.is_empty())
    }
}

/// True for two codes that are not the same and that Salesforce takes for one: its external ids are compared without case.
pub fn are_twins(one: &str, other: &str) -> bool {
    one != other && one.to_lowercase() == other.to_lowercase()
}

/// What a person is told of a code whose twin has the record in Salesforce.
pub fn twin_words(code: &str, twin: &str) -> Said {
    say(
        "shared.twins",
        "{code} and {twin} are two codes in B1 and one in Salesforce, which does not tell capitals apart: the record there is that of {twin}; give one of them another code in B1",
        [("code", code.into()), ("twin", twin.into())],
    )
}

/// Which records of a shared org are this company's: those whose field has a value.
/// Flattened into a plugin's settings.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct Only {
    /// A field of the Salesforce record that tells the company, where several share an org, such as "Company__c"
    only_field: Option<String>,
    /// Its value for this company; records with another are left to the others' flows
    only_value: Option<String>,
}

impl Only {
    fn pair(&self) -> Option<(&str, &str)> {
        self.only_field.as_deref().zip(self.only_value.as_deref())
    }

    /// The field to read.
    pub fn field(&self) -> Option<String> {
        self.pair().map(|(field, _)| field.to_owned())
    }

    /// True for this company's records; for all where nothing is set.
    pub fn holds(&self, record: &Value) -> bool {
        let Some((field, value)) = self.pair() else { return true };
        let found = field.split('.').try_fold(record, |at, step| at.get(step)).unwrap_or(&Value::Null);
        crate::b1::key_text(found) == value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_differ_in_capitals_only_are_twins() {
        assert!(are_twins("PUMP-x1", "PUMP-X1") && are_twins("ärger", "ÄRGER"));
        assert!(!are_twins("PUMP-X1", "PUMP-X1") && !are_twins("PUMP-X1", "PUMP-X2"));
    }

    #[test]
    fn another_companys_code_is_not_ours() {
        let keys = Keys::of("us:");
        assert_eq!(keys.carried("C1"), "us:C1");
        assert_eq!((keys.own("us:C1"), keys.own("C1"), keys.own("us:")), (Some("C1"), None, None));
        assert_eq!(Keys::default().own("C1"), Some("C1"));
    }
}
