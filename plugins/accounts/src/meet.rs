//! Which contact employee and which contact are the same person.

use std::collections::BTreeMap;

use tandem_sdk::{Value, b1, matching, text};

/// The contact that each employee is, by `InternalCode`; taken out of the free ones. Who agrees in e-mail and name comes before
/// all others; an e-mail alone counts where it is one person's on either side, since people share `info@`.
pub fn matches<'a>(employees: &[&Value], free: &mut Vec<&'a Value>) -> BTreeMap<String, &'a Value> {
    let of_employee = |employee: &Value| {
        let name = match (text(employee, "FirstName"), text(employee, "LastName")) {
            ("", "") => matching::name(text(employee, "Name")),
            (first, last) => matching::name(&format!("{first} {last}")),
        };
        (text(employee, "E_Mail").trim().to_lowercase(), name)
    };
    let of_contact = |contact: &Value| {
        let name = format!("{} {}", text(contact, "FirstName"), text(contact, "LastName"));
        (text(contact, "Email").trim().to_lowercase(), matching::name(&name))
    };
    let own: Vec<(String, String)> = employees.iter().map(|employee| of_employee(employee)).collect();
    let theirs: Vec<(String, String)> = free.iter().map(|contact| of_contact(contact)).collect();
    let once = |mail: &str, all: &[(String, String)]| all.iter().filter(|(other, _)| other == mail).count() == 1;
    let same_mail = |a: usize, b: usize| !own[a].0.is_empty() && own[a].0 == theirs[b].0;
    let same_name = |a: usize, b: usize| !own[a].1.is_empty() && own[a].1 == theirs[b].1;
    let both = |a, b| same_mail(a, b) && same_name(a, b);
    let mail = |a: usize, b| same_mail(a, b) && once(&own[a].0, &own) && once(&own[a].0, &theirs);
    let rules: [&dyn Fn(usize, usize) -> bool; 3] = [&both, &mail, &same_name];
    let (mut found, mut taken) = (BTreeMap::new(), vec![false; free.len()]);
    for rule in rules {
        for (a, employee) in employees.iter().enumerate() {
            let code = b1::key_text(&employee["InternalCode"]);
            if found.contains_key(&code) {
                continue;
            }
            if let Some(b) = (0..free.len()).find(|b| !taken[*b] && rule(a, *b)) {
                taken[b] = true;
                found.insert(code, free[b]);
            }
        }
    }
    let mut place = 0;
    free.retain(|_| {
        place += 1;
        !taken[place - 1]
    });
    found
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use super::*;

    fn met(employees: &[Value], contacts: &[Value]) -> Vec<(String, String)> {
        let mut free: Vec<&Value> = contacts.iter().collect();
        let found = matches(&employees.iter().collect::<Vec<_>>(), &mut free);
        assert_eq!(found.len() + free.len(), contacts.len());
        found.into_iter().map(|(code, contact)| (code, text(contact, "Id").to_owned())).collect()
    }

    #[test]
    fn a_shared_address_is_nobodys_and_ones_own_finds_a_new_name() {
        let employee =
            |code: i64, name: &str, mail: &str| json!({ "InternalCode": code, "Name": name, "E_Mail": mail });
        let contact = |id: &str, last: &str, mail: &str| json!({ "Id": id, "LastName": last, "Email": mail });
        let pair = |code: &str, id: &str| (code.to_owned(), id.to_owned());
        let shared = [contact("b", "Busch", "info@x.example"), contact("a", "Adler", "info@x.example")];
        assert_eq!(met(&[employee(1, "Adler", "INFO@x.example")], &shared), [pair("1", "a")]);
        assert_eq!(met(&[employee(1, "Dahl", "info@x.example")], &shared), []);
        let married = [contact("n", "Neumann", "carla@x.example"), contact("o", "Celan", "")];
        assert_eq!(met(&[employee(1, "Celan", "carla@x.example")], &married), [pair("1", "n")]);
        assert_eq!(met(&[employee(1, "Celan", ""), employee(2, "Celan", "")], &married), [pair("1", "o")]);
    }
}
