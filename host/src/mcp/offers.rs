//! What a program may show its user to begin with: what can be read here by an address, and questions that people ask. Each ends in a call of a tool, and is
//! held to the same rules.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// Something that can be read by its address.
pub struct Place {
    /// Its address; `{record}` stands for any record.
    pub uri: &'static str,
    /// By which it is listed.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What it holds.
    pub description: &'static str,
    /// The tool that reads it.
    tool: &'static str,
}

/// All of them.
pub const PLACES: [Place; 3] = [
    Place {
        uri: "tandem://flows",
        name: "flows",
        title: "Flows",
        description: "What is kept in step here, and how many events stand where",
        tool: "tandem_flows",
    },
    Place {
        uri: "tandem://reviews",
        name: "reviews",
        title: "Questions that wait for a person",
        description: "What the flows cannot decide alone, with why and what may be answered",
        tool: "tandem_reviews",
    },
    Place {
        uri: "tandem://records/{record}",
        name: "record",
        title: "A record",
        description: "By a Salesforce id, or the DocEntry, CardCode or ItemCode of a B1 record: its links, what happened to it, and what wrote its fields",
        tool: "tandem_why",
    },
];

/// What is put where a record's name stands.
const RECORD: &str = "{record}";

impl Place {
    /// It is a kind of place: a record has to be named.
    pub fn is_template(&self) -> bool {
        self.uri.contains(RECORD)
    }
}

/// The tool that reads what lies there, and what it gets; none where there is nothing.
pub fn read_by(uri: &str) -> Option<(&'static str, Value)> {
    PLACES.iter().find_map(|place| match place.uri.strip_suffix(RECORD) {
        Some(before) => {
            let record = percent_decode_str(uri.strip_prefix(before)?).decode_utf8().ok()?;
            (!record.is_empty()).then(|| (place.tool, json!({ "record": record })))
        }
        None => (place.uri == uri).then(|| (place.tool, json!({}))),
    })
}

/// A question that people ask.
pub struct Asked {
    /// By which it is listed.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What comes of it.
    pub description: &'static str,
    /// What has to be named for it, and what that is; none where nothing has.
    pub names: Option<(&'static str, &'static str)>,
    /// The tool that it begins with, without its flow: who may not call it is not shown the question.
    pub needs: &'static str,
    /// What the model is told; `{}` stands for what was named.
    text: &'static str,
}

/// All of them.
pub const ASKED: [Asked; 4] = [
    Asked {
        name: "why",
        title: "Why is this as it is?",
        description: "Why an order is held, late or other than expected, and what a person can do about it",
        names: Some(("record", "a Salesforce id, or the DocEntry, CardCode or ItemCode of a B1 record")),
        needs: "why",
        text: "Find out why the record {} is as it is. Ask tandem_why first. Where it is an opportunity or an order, ask for its orders and deliveries, too. \
               Say in plain words what happened and when, what it waits for, and who can do what about it. Name the numbers of events. Do not guess: say what is not known.",
    },
    Asked {
        name: "customer",
        title: "How does this customer stand?",
        description: "Orders, deliveries, open invoices and credit of a customer, in short",
        names: Some(("customer", "CardCode, or a part of the name")),
        needs: "find-customer",
        text: "Tell how the customer {} stands. Ask the tool that finds customers first (its name ends in find-customer); where several fit, say which there are and go on with none. \
               Then ask for credit, open invoices and orders, and for the deliveries of open orders. Begin with what somebody should do something about. \
               Give each amount with its currency, and never add up currencies.",
    },
    Asked {
        name: "reviews",
        title: "What waits for a person?",
        description: "The questions that wait, grouped by cause, the most pressing first",
        names: None,
        needs: "reviews",
        text: "Read the questions that wait for a person (tandem_reviews). Group those with one cause, say for each group why it is asked, what may be answered and what each answer would do. \
               The most pressing first: a won opportunity without an order before a telephone number. Answer none of them.",
    },
    Asked {
        name: "can-deliver",
        title: "Can we deliver this?",
        description: "Stock of an item per warehouse, and its price",
        names: Some(("item", "ItemCode")),
        needs: "stock-of",
        text: "Say whether the item {} can be delivered now: what is in stock, what of it is promised already and what is free, by warehouse; and its price. \
               Say what is on order from vendors only if somebody asks when more comes.",
    },
];

impl Asked {
    /// What the model is told; none where a name lacks.
    pub fn text(&self, named: Option<&str>) -> Option<String> {
        match (self.names, named.map(str::trim).filter(|named| !named.is_empty())) {
            (None, _) => Some(self.text.to_owned()),
            // Once: what was named is not looked through again.
            (Some(_), Some(named)) => Some(self.text.replacen("{}", named, 1)),
            (Some(_), None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_leads_to_its_tool_and_no_other_to_any() {
        assert_eq!(read_by("tandem://flows"), Some(("tandem_flows", json!({}))));
        assert_eq!(read_by("tandem://records/C%201/7"), Some(("tandem_why", json!({ "record": "C 1/7" }))));
        for none in
            ["tandem://", "tandem://flows/x", "tandem://records/", "tandem://records/%ff", "file:///etc/passwd", ""]
        {
            assert_eq!(read_by(none), None, "{none}");
        }
    }

    #[test]
    fn a_question_names_what_it_is_about() {
        assert_eq!(ASKED[0].text(None), None);
        assert_eq!(ASKED[0].text(Some("  ")), None);
        assert!(
            ASKED[0].text(Some("a {} b")).is_some_and(|text| text.starts_with("Find out why the record a {} b is"))
        );
        assert!(ASKED[2].text(None).is_some());
    }
}
