//! What of a document belongs to which opportunity: by the orders that its lines come from, and those orders' links. The link
//! says which order is an opportunity's; `U_SF_Id` alone does not, for *Duplicate* copies it. A document of several opportunities
//! stands under the one with the greatest share, and each one's share is noted.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::chain::{self, Chain, Name, Share};
use tandem_sdk::{Decimal, Error, Map, Value, b1, decimal, from_json, json, salesforce, storage, text};

/// Fields of a document's record that are shared.
const AMOUNTS: [&str; 4] = ["Tandem_Total__c", "Tandem_Total_Document__c", "Tandem_Paid__c", "Tandem_Paid_Document__c"];
/// Fields that tell what kind of amounts they are.
const KINDS: [&str; 2] = ["Tandem_Type__c", "Tandem_Currency__c"];

/// The shares of a document.
#[derive(Debug, Default, PartialEq)]
pub struct Shares {
    /// By opportunity id. Void documents have none.
    own: BTreeMap<String, Share>,
    whole: Share,
    /// The opportunity it stands under, also when it is void.
    pub shown_under: Option<String>,
}

/// The shares of documents, in order.
pub fn of(chain: &Chain, documents: &[Name]) -> Vec<Shares> {
    let orders: BTreeSet<i64> = documents.iter().flat_map(|(kind, entry)| chain.orders(*kind, *entry)).collect();
    let linked = chain::linked(orders).into_iter().map(|(order, link)| (order, link.salesforce_id)).collect();
    documents.iter().map(|(kind, entry)| shares(chain, &linked, *kind, *entry)).collect()
}

fn shares(chain: &Chain, linked: &BTreeMap<i64, String>, kind: i64, entry: i64) -> Shares {
    let (by_order, whole) = chain.shares(kind, entry);
    let mut own: BTreeMap<String, Share> = BTreeMap::new();
    for (order, share) in by_order {
        if let Some(opportunity) = linked.get(&order) {
            own.entry(opportunity.clone()).or_default().add(share);
        }
    }
    // Of several with the same the first, so that it does not jump.
    let most = own.iter().rev().max_by_key(|(_, share)| share.value).map(|(id, _)| id.clone());
    let any = || chain.orders(kind, entry).iter().find_map(|order| linked.get(order)).cloned();
    Shares { shown_under: most.or_else(any), own, whole }
}

impl Shares {
    /// The amounts of each opportunity, where the record alone does not tell them: there are several, or not all is its.
    fn parts(&self, fields: &Map<String, Value>) -> BTreeMap<&str, Value> {
        let simple = self.own.len() == 1 && self.own.values().all(|share| *share == self.whole);
        if self.own.is_empty() || simple {
            return BTreeMap::new();
        }
        let shares: Vec<Share> = self.own.values().copied().collect();
        let mut parts: BTreeMap<&str, Value> = self.own.keys().map(|id| (id.as_str(), json!({}))).collect();
        for name in AMOUNTS {
            let amount = fields.get(name).and_then(decimal).unwrap_or_default();
            for (part, own) in parts.values_mut().zip(chain::split(amount, &shares, self.whole)) {
                part[name] = b1::number(own);
            }
        }
        for part in parts.values_mut() {
            for name in KINDS {
                part[name] = fields.get(name).cloned().unwrap_or_default();
            }
        }
        parts
    }

    /// Notes each one's part of a record with that key. All opportunities that have, or had, one.
    pub fn note(&self, key: &str, fields: &Map<String, Value>) -> Vec<String> {
        let parts = self.parts(fields);
        let list = format!("shares:{key}");
        let before: Vec<String> = storage::get(&list)
            .map(|text| from_json(&text))
            .and_then(|list| Some(list.as_array()?.iter().filter_map(|id| Some(id.as_str()?.to_owned())).collect()))
            .unwrap_or_default();
        for gone in before.iter().filter(|id| !parts.contains_key(id.as_str())) {
            storage::delete(&share(gone, key));
        }
        if parts.is_empty() {
            storage::delete(&list);
        } else {
            let _ = storage::set(&list, &json!(parts.keys().collect::<Vec<_>>()).to_string());
        }
        for (id, part) in &parts {
            let _ = storage::set(&share(id, key), &part.to_string());
        }
        let mut touched: Vec<String> = before;
        touched.extend(self.own.keys().cloned().chain(self.shown_under.clone()));
        b1::distinct(&touched)
    }
}

fn share(opportunity: &str, key: &str) -> String {
    format!("share:{opportunity}:{key}")
}

/// What was invoiced of opportunities: records that are theirs alone, and their shares of others.
pub fn amounts(opportunities: &[String]) -> Result<BTreeMap<String, Vec<Value>>, Error> {
    const SHARES: u32 = 10_000;
    let mut amounts: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut shared: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for id in opportunities {
        let prefix = share(id, "");
        for entry in storage::scan(&prefix, SHARES) {
            amounts.entry(id.clone()).or_default().push(from_json(&entry.value));
            shared.entry(id).or_default().push(entry.key.trim_start_matches(&prefix).to_owned());
        }
    }
    let fields = format!("Id,Tandem_Key__c,Tandem_Opportunity__c,{},{}", KINDS.join(","), AMOUNTS.join(","));
    // Not summed up by Salesforce: that would turn them into the org's own currency.
    let live = "AND Tandem_Status__c != 'Cancelled'";
    for record in salesforce::query_in(&fields, "Tandem_Invoice__c", "Tandem_Opportunity__c", opportunities, live)? {
        let id = text(&record, "Tandem_Opportunity__c").to_owned();
        let is_shared = |keys: &Vec<String>| keys.iter().any(|key| key == text(&record, "Tandem_Key__c"));
        if !shared.get(&id).is_some_and(is_shared) {
            amounts.entry(id).or_default().push(record);
        }
    }
    Ok(amounts)
}

/// An amount of a record or a share (`Total`, `Paid`) in a currency; `None` where it takes a rate that nobody has entered.
pub fn in_currency(row: &Value, name: &str, own: &str, company: &str, rate: Option<Decimal>) -> Option<Decimal> {
    let amount = |field: String| decimal(&row[field]).unwrap_or_default();
    if own == company {
        Some(amount(format!("Tandem_{name}__c")))
    } else if text(row, "Tandem_Currency__c") == own {
        Some(amount(format!("Tandem_{name}_Document__c")))
    } else {
        amount(format!("Tandem_{name}__c")).checked_div(rate?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_invoiced_is_told_in_the_opportunitys_own_currency() {
        let row = |currency: &str| json!({ "Tandem_Currency__c": currency, "Tandem_Total__c": 85, "Tandem_Total_Document__c": 100 });
        let rate = Some(Decimal::new(85, 2));
        assert_eq!(in_currency(&row("USD"), "Total", "USD", "EUR", None), Some(100.into()));
        assert_eq!(in_currency(&row("USD"), "Total", "EUR", "EUR", None), Some(85.into()));
        assert_eq!(in_currency(&row("EUR"), "Total", "USD", "EUR", rate), Some(100.into()));
        assert_eq!(in_currency(&row("EUR"), "Total", "USD", "EUR", None), None);
    }

    #[test]
    fn an_invoice_of_two_opportunities_is_each_ones_by_its_lines() {
        let row = |number: i64, order: i64, total: i64| json!({ "LineNum": number, "BaseType": 17, "BaseEntry": order, "BaseLine": 0, "Quantity": 1, "LineTotal": total });
        let invoice = json!({ "DocEntry": 5, "DocumentLines": [row(0, 1, 30), row(1, 2, 70), row(2, 3, 100)] });
        let mut chain = Chain::default();
        chain.add(13, [&invoice]);
        // The third order is nobody's.
        let linked = BTreeMap::from([(1, "006A".to_owned()), (2, "006B".to_owned())]);
        let shares = shares(&chain, &linked, 13, 5);
        assert_eq!(shares.shown_under.as_deref(), Some("006B"));
        let fields = json!({ "Tandem_Total__c": 238, "Tandem_Paid__c": 119, "Tandem_Currency__c": "EUR" });
        let parts = shares.parts(fields.as_object().unwrap());
        let told = |id: &str| (parts[id]["Tandem_Total__c"].to_string(), parts[id]["Tandem_Paid__c"].to_string());
        assert_eq!((told("006A"), told("006B")), (("35.7".into(), "17.85".into()), ("83.3".into(), "41.65".into())));
    }
}
