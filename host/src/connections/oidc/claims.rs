//! What a provider says of a person, once it is believed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::ProviderError;
use crate::config::OidcConfig;

/// Groups of one person that are looked at; of more, none is: one that is left out may be the one that limits.
const MOST_GROUPS: usize = 1_000;

/// Who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Whom the provider means, whatever they are called.
    pub subject: String,
    /// What they are called; none where no claim says it.
    pub name: Option<String>,
    /// In which groups they are.
    pub groups: Vec<String>,
    /// There are more groups than the provider puts into a token, or than are looked at.
    pub has_too_many: bool,
    /// Why the provider could not be asked for what the token lacks: nobody is let in by it.
    pub unread: Option<ProviderError>,
    /// The token itself, by which the provider knows whom to sign out.
    pub token: String,
}

/// All that a token holds, and what the provider added.
#[derive(Clone, Debug)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Of a token whose signature was checked.
    pub fn of(token: &str) -> Option<Self> {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok().map(Self)
    }

    /// From when on it holds, in seconds since 1970.
    pub fn not_before(&self) -> Option<i64> {
        self.seconds("nbf")
    }

    /// A moment, in seconds since 1970.
    pub fn seconds(&self, claim: &str) -> Option<i64> {
        let at = self.0.get(claim)?;
        at.as_i64().or_else(|| at.as_f64().map(|at| at as i64))
    }

    /// A claim that is one text or several.
    pub fn texts(&self, claim: &str) -> Vec<&str> {
        match self.0.get(claim) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// What a program may do by an access token: `scope` as the standard has it, `scp` as Entra ID and Okta do.
    pub fn scopes(&self) -> BTreeSet<String> {
        let all = ["scope", "scp"].into_iter().flat_map(|claim| self.texts(claim));
        all.flat_map(str::split_whitespace).map(str::to_owned).collect()
    }

    /// Something is asked for that is not in it.
    pub fn lacks(&self, config: &OidcConfig) -> bool {
        self.name(config).is_none() || self.at(&config.roles_claim).is_none()
    }

    /// It is said of the same person.
    pub fn is_of_same(&self, other: &Map<String, Value>) -> bool {
        self.0.get("sub").is_some_and(|own| own.is_string() && other.get("sub") == Some(own))
    }

    /// What is not there yet.
    pub fn add(&mut self, other: Map<String, Value>) {
        for (name, value) in other {
            self.0.entry(name).or_insert(value);
        }
    }

    /// Who it is.
    pub fn person(&self, config: &OidcConfig, token: String) -> Person {
        let said = self.at(&config.roles_claim);
        let is_over = said.and_then(Value::as_array).is_some_and(|all| all.len() > MOST_GROUPS);
        let groups = match said {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) if !is_over => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        // Entra ID says so in place of more than 200.
        let elsewhere = self.0.get("_claim_names").and_then(|names| names.get(&config.roles_claim));
        Person {
            subject: self.text("sub").unwrap_or_default().to_owned(),
            name: self.name(config).map(str::to_owned),
            groups,
            has_too_many: is_over || elsewhere.is_some() || self.0.get("hasgroups").is_some(),
            unread: None,
            token,
        }
    }

    fn name(&self, config: &OidcConfig) -> Option<&str> {
        match &config.name_claim {
            Some(claim) => self.at(claim)?.as_str(),
            None => self.text("preferred_username").or_else(|| {
                // An address that nobody has checked may be another person's.
                let is_checked = self.0.get("email_verified") != Some(&Value::Bool(false));
                self.text("email").filter(|_| is_checked)
            }),
        }
        .map(str::trim)
        .filter(|name| !name.is_empty())
    }

    /// A claim that is a text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim)?.as_str()
    }

    /// A claim by its name, or by the way to it: names such as `https://example.com/groups` have dots, too.
    fn at(&self, claim: &str) -> Option<&Value> {
        if let Some(whole) = self.0.get(claim) {
            return Some(whole);
        }
        let (first, rest) = claim.split_once('.')?;
        let mut at = self.0.get(first)?;
        let mut rest = rest;
        // A client's id within `resource_access` may have dots as well.
        while let Value::Object(own) = at {
            if let Some(whole) = own.get(rest) {
                return Some(whole);
            }
            let (next, after) = longest(own, rest)?;
            (at, rest) = (next, after);
        }
        None
    }
}

/// The longest name of an object with which a way begins, and the way from there on.
fn longest<'a, 'b>(of: &'a Map<String, Value>, way: &'b str) -> Option<(&'a Value, &'b str)> {
    let ends = way.char_indices().filter(|(_, c)| *c == '.').map(|(at, _)| at);
    ends.rev().find_map(|at| Some((of.get(&way[..at])?, &way[at + 1..])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(more: &str) -> OidcConfig {
        let text = format!("issuer = \"https://id\"\nclient_id = \"t\"\nclient_secret = {{ env = \"S\" }}\n{more}");
        toml::from_str(&text).unwrap()
    }

    fn person(claims: Value, more: &str) -> Person {
        let Value::Object(claims) = claims else { panic!("an object") };
        Claims(claims).person(&config(more), String::new())
    }

    #[test]
    fn a_name_is_what_was_asked_for_and_an_address_only_where_it_was_checked() {
        let both = json!({ "sub": "1", "preferred_username": " ada ", "email": "ada@example.com" });
        assert_eq!(person(both.clone(), "").name.as_deref(), Some("ada"));
        assert_eq!(person(both.clone(), "name_claim = \"email\"").name.as_deref(), Some("ada@example.com"));
        assert_eq!(person(both, "name_claim = \"upn\"").name, None, "no other one in its place");
        assert_eq!(person(json!({ "email": "a@b" }), "").name.as_deref(), Some("a@b"));
        assert_eq!(person(json!({ "email": "a@b", "email_verified": false }), "").name, None);
        assert_eq!(person(json!({ "preferred_username": "" }), "").name, None);
    }

    #[test]
    fn groups_are_found_wherever_a_provider_puts_them() {
        let ways = [
            ("", json!({ "groups": ["a", "b", 7] })),
            ("roles_claim = \"realm_access.roles\"", json!({ "realm_access": { "roles": ["a", "b"] } })),
            ("roles_claim = \"https://example.com/groups\"", json!({ "https://example.com/groups": ["a", "b"] })),
            (
                "roles_claim = \"resource_access.tandem.example.com.roles\"",
                json!({ "resource_access": { "tandem.example.com": { "roles": ["a", "b"] } } }),
            ),
        ];
        for (more, claims) in ways {
            assert_eq!(person(claims, more).groups, ["a", "b"], "{more}");
        }
        assert_eq!(person(json!({ "groups": "one" }), "").groups, ["one"]);
        assert!(person(json!({ "groups": { "a": 1 } }), "").groups.is_empty());
        assert!(person(json!({}), "roles_claim = \"a.b.c\"").groups.is_empty());
        assert!(person(json!({ "_claim_names": { "groups": "src1" } }), "").has_too_many);
    }

    #[test]
    fn of_too_many_groups_none_is_left_out_alone() {
        let of = |count: usize| {
            let all: Vec<String> = (0..count).map(|number| format!("g{number}")).collect();
            let person = person(json!({ "groups": all }), "");
            (person.groups.len(), person.has_too_many)
        };
        assert_eq!((of(MOST_GROUPS), of(MOST_GROUPS + 1)), ((MOST_GROUPS, false), (0, true)));
    }

    #[test]
    fn what_is_added_is_of_the_same_person_and_changes_nothing() {
        let Value::Object(own) = json!({ "sub": "1", "email": "own@example.com" }) else { unreachable!() };
        let mut claims = Claims(own);
        let said = |value: Value| value.as_object().cloned().unwrap();
        assert!(!claims.is_of_same(&said(json!({ "sub": "2" }))) && !claims.is_of_same(&said(json!({}))));
        assert!(claims.lacks(&config("")));
        claims.add(said(json!({ "sub": "1", "email": "other@example.com", "groups": ["a"] })));
        let person = claims.person(&config(""), String::new());
        assert_eq!((person.name.as_deref(), person.groups), (Some("own@example.com"), vec!["a".to_owned()]));
    }
}
