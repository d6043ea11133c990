//! Person accounts: the name is the person's own two, and the contact behind the account is the account itself, so that B1's
//! contact employees have nobody to meet.

use tandem_sdk::{Map, Value, text};

/// Fields that only an org with person accounts has.
pub const FIELDS: [&str; 3] = ["IsPersonAccount", "FirstName", "LastName"];

/// True for a person's account.
pub fn is(account: &Value) -> bool {
    account["IsPersonAccount"] == true
}

/// The partner with its name as Salesforce puts a person's together: `Muster, Erika` is `Erika Muster`.
pub fn partner(partner: &Value) -> Value {
    let (first, last) = names(text(partner, "CardName"), "");
    let mut plain = partner.clone();
    plain["CardName"] = format!("{first} {last}").trim().into();
    plain
}

/// Sets the two names in the place of `Name`, which cannot be written.
pub fn put_names(to_salesforce: &mut Map<String, Value>, partner: &Value, account: &Value) {
    if to_salesforce.remove("Name").is_none() {
        return;
    }
    let (first, last) = names(text(partner, "CardName"), text(account, "LastName"));
    for (field, name) in [("FirstName", first), ("LastName", last)] {
        to_salesforce.insert(field.into(), if name.is_empty() { Value::Null } else { name.into() });
    }
}

/// First and last name: around a comma; else the last name that is known, or the last word.
fn names(card_name: &str, known_last: &str) -> (String, String) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((last, first)) = card_name.split_once(',') {
        return (words(first), words(last));
    }
    let name = words(card_name);
    let known = name.strip_suffix(known_last).filter(|_| !known_last.is_empty());
    if let Some(first) = known.filter(|first| first.is_empty() || first.ends_with(' ')) {
        return (first.trim().to_owned(), known_last.to_owned());
    }
    match name.rsplit_once(' ') {
        Some((first, last)) => (first.to_owned(), last.to_owned()),
        None => (String::new(), name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_name_is_two_names() {
        let pair = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        assert_eq!(names("Muster, Erika", ""), pair("Erika", "Muster"));
        assert_eq!(names("Erika  Maria Muster", ""), pair("Erika Maria", "Muster"));
        assert_eq!(names("Max von der Heide", "von der Heide"), pair("Max", "von der Heide"));
        assert_eq!(names("Max von der Heide", "Heide"), pair("Max von der", "Heide"));
        assert_eq!(names("Annaheide", "heide"), pair("", "Annaheide"));
        assert_eq!(names("Plato", ""), pair("", "Plato"));
    }
}
