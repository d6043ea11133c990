//! Names of the package in an org whose package carries a namespace: what is `Tandem_Paid__c` here is `tndm__Tandem_Paid__c` there. Plugins, mappings
//! and people speak the short names; each exchange with the org is translated, both ways and as a whole, so that no other part of the host
//! knows of it. Prose that names a field goes out as it is: it was cut to the length of its own field, and would grow.

use std::borrow::Cow;

/// What each name of the package begins with.
const OWN: &str = "Tandem_";
/// How a name ends that carries the namespace: of a field or object, an event, custom metadata, a relationship.
const ENDINGS: [&str; 4] = ["__c", "__e", "__mdt", "__r"];

/// The namespace of the package in one org; most have none.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// `tndm__`; empty without one.
    prefix: String,
}

impl Namespace {
    /// As the configuration has it: `tndm`, or empty.
    pub fn new(namespace: &str) -> Self {
        Self { prefix: if namespace.is_empty() { String::new() } else { format!("{namespace}__") } }
    }

    /// Whether there is one.
    pub fn is_some(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// A field of the package whose name does not tell that it is one, such as `Object__c` of its custom metadata.
    pub fn own(&self, field: &str) -> String {
        format!("{}{field}", self.prefix)
    }

    /// An address, a query or a body as the org understands it.
    pub fn outward<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() {
            return text.into();
        }
        let places = text.match_indices(OWN).map(|(place, _)| place);
        let mut out = String::new();
        let mut done = 0;
        for place in places.filter(|place| begins_word(text, *place) && is_name(&text[*place..])) {
            out.push_str(&text[done..place]);
            out.push_str(&self.prefix);
            done = place;
        }
        if done == 0 && out.is_empty() { text.into() } else { (out + &text[done..]).into() }
    }

    /// A body as the org understands it. In JSON a text with a blank in it is prose, and no name: what is asked there stands in
    /// addresses, which have none. What is no JSON is a table (CSV), whose first line has the names, and whose cells what people wrote.
    pub fn outward_body<'a>(&self, body: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() {
            return body.into();
        }
        if !body.starts_with(['{', '[']) {
            let (names, cells) = body.split_at(body.find('\n').unwrap_or(body.len()));
            return (self.outward(names).into_owned() + cells).into();
        }
        let mut out = String::with_capacity(body.len());
        let mut rest = body;
        while let Some(start) = rest.find('"') {
            let (before, literal) = rest.split_at(start + 1);
            let end = end_of_text(literal);
            let (text, after) = literal.split_at(end);
            out.push_str(before);
            out.push_str(&if text.contains(' ') { text.into() } else { self.outward(text) });
            let closed = after.strip_prefix('"').unwrap_or(after);
            out.push_str(&after[..after.len() - closed.len()]);
            rest = closed;
        }
        (out + rest).into()
    }

    /// An answer or an event without the namespace.
    pub fn inward<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() || !text.contains(&self.prefix) {
            return text.into();
        }
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (place, _) in text.match_indices(&self.prefix) {
            let after = text.as_bytes().get(place + self.prefix.len());
            if begins_word(text, place) && after.is_some_and(u8::is_ascii_alphabetic) {
                out.push_str(&text[done..place]);
                done = place + self.prefix.len();
            }
        }
        (out + &text[done..]).into()
    }
}

/// Where a JSON text ends whose first byte is the first of `literal`: at its quotation mark.
fn end_of_text(literal: &str) -> usize {
    let mut escaped = false;
    let ends = |byte: u8| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    };
    literal.bytes().position(ends).unwrap_or(literal.len())
}

/// Whether a word begins here; behind `%20` of an address one does.
fn begins_word(text: &str, place: usize) -> bool {
    let before = &text.as_bytes()[..place];
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let escaped = matches!(before, [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    escaped || !before.last().is_some_and(is_word)
}

fn is_name(text: &str) -> bool {
    let end = text.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_').unwrap_or(text.len());
    ENDINGS.iter().any(|ending| text[..end].ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_namespace_on_their_way_out_and_lose_it_on_their_way_in() {
        let own = Namespace::new("tndm");
        for (here, there) in [
            ("/sobjects/Account/Tandem_Card_Code__c/C1", "/sobjects/Account/tndm__Tandem_Card_Code__c/C1"),
            (
                "/query?q=SELECT%20Tandem_Key__c%2CTandem_Invoice__r.Name%20FROM%20Tandem_Payment__c",
                "/query?q=SELECT%20tndm__Tandem_Key__c%2Ctndm__Tandem_Invoice__r.Name%20FROM%20tndm__Tandem_Payment__c",
            ),
            (r#"{"Tandem_Paid__c":1,"Name":"Tandem_ 5"}"#, r#"{"tndm__Tandem_Paid__c":1,"Name":"Tandem_ 5"}"#),
            ("/event/Tandem_Change__e", "/event/tndm__Tandem_Change__e"),
            ("SELECT My_Tandem_X__c, Tandem_Bypass FROM A", "SELECT My_Tandem_X__c, Tandem_Bypass FROM A"),
        ] {
            assert_eq!(own.outward(here), there);
            assert_eq!(own.inward(there), here);
            assert_eq!(Namespace::new("").outward(here), here);
        }
        assert_eq!(
            own.inward(r#"{"tndm__Record_Id__c":"1","x":"mytndm__a"}"#),
            r#"{"Record_Id__c":"1","x":"mytndm__a"}"#
        );
        assert_eq!(own.outward(""), "");
        assert_eq!(own.outward("Tandem_Key__c"), "tndm__Tandem_Key__c");
    }

    #[test]
    fn a_bodys_names_carry_the_namespace_and_prose_keeps_its_length() {
        let own = Namespace::new("tndm");
        let prose = format!(r#"\"fill in\" Tandem_PO_Number__c, {}"#, "Tandem_Tax_Code__c ".repeat(11));
        let body = format!(
            r#"{{"attributes":{{"type":"Tandem_Stock__c"}},"Tandem_Sync_Message__c":"{prose}","url":"/query?q=SELECT%20Tandem_Key__c%20FROM%20A"}}"#
        );
        let sent = format!(
            r#"{{"attributes":{{"type":"tndm__Tandem_Stock__c"}},"tndm__Tandem_Sync_Message__c":"{prose}","url":"/query?q=SELECT%20tndm__Tandem_Key__c%20FROM%20A"}}"#
        );
        assert_eq!(own.outward_body(&body), sent);
        assert_eq!(own.inward(&sent), body);
        for (here, there) in [
            ("Id,Tandem_Key__c\n1,a b", "Id,tndm__Tandem_Key__c\n1,a b"),
            ("Id,Tandem_Key__c\n1,Tandem_Key__c\n", "Id,tndm__Tandem_Key__c\n1,Tandem_Key__c\n"),
            ("Tandem_Key__c", "tndm__Tandem_Key__c"),
            (r#"["Tandem_Key__c""#, r#"["tndm__Tandem_Key__c""#),
            (r#"["Tandem_Key__c"#, r#"["tndm__Tandem_Key__c"#),
        ] {
            assert_eq!(own.outward_body(here), there);
        }
        assert_eq!(Namespace::new("").outward_body(&body), body);
    }
}
