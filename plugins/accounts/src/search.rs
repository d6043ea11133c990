//! Records of either side that may be the counterpart of some of the other: by the code that an account carries, or by what
//! tells companies apart. Never more at a time than fits, however many there are.

use std::collections::BTreeMap;

use tandem_sdk::{Error, Header, Method, Value, b1, http, lists, matching, request, salesforce, text};

use crate::describe::Settings;
use crate::gather;

/// Rows of one answer: some fields each, so that it is small.
const PAGE: usize = 1_000;

/// Accounts that carry one of these `CardCode`s, whole.
pub fn accounts_carrying(settings: &Settings, codes: &[String]) -> Result<Vec<Value>, Error> {
    let codes: Vec<String> = codes.iter().map(|code| settings.keys.carried(code)).collect();
    salesforce::query_in(&gather::account_fields(settings), "Account", "Tandem_Card_Code__c", &codes, "")
}

/// This company's accounts without a code that share something telling with one of these partners; what `find` looks at, and no
/// more.
pub fn accounts_like(settings: &Settings, partners: &[&Value]) -> Result<Vec<Value>, Error> {
    const FIELDS: &str = "Id,Name,Website,BillingPostalCode,ShippingPostalCode,Tandem_Card_Code__c,Tandem_Tax_Id__c,\
                          Tandem_Email__c";
    /// Conditions of one query.
    const CONDITIONS: usize = 60;
    /// Characters of a query besides its conditions.
    const FRAME: usize = 500;
    let company = settings.only.field().map(|field| format!(",{field}")).unwrap_or_default();
    let mut conditions: Vec<String> = Vec::new();
    for partner in partners {
        // What is no id would fail the query.
        let made_for = text(partner, "U_SF_Id");
        if made_for.len() == 18 && made_for.chars().all(|c| c.is_ascii_alphanumeric()) {
            conditions.push(format!("Id = {}", salesforce::quote(made_for)));
        }
        let tax = matching::longest_run(text(partner, "FederalTaxID"));
        if !matching::tax_id(text(partner, "FederalTaxID")).is_empty() {
            conditions.push(format!("Tandem_Tax_Id__c LIKE {}", like(tax)));
        }
        // A name may be spelt in another way; a postcode is not.
        let codes = partner["BPAddresses"].as_array().into_iter().flatten().map(|row| text(row, "ZipCode"));
        let codes = codes.filter(|code| !code.is_empty()).map(salesforce::quote);
        conditions.extend(codes.map(|code| format!("BillingPostalCode = {code} OR ShippingPostalCode = {code}")));
        for pattern in patterns(partner, "CardName", ["EmailAddress", "Website"]) {
            conditions.push(match pattern {
                Pattern::Name(word) => format!("Name LIKE {}", like(&word)),
                Pattern::Domain(domain) => format!("Tandem_Email__c LIKE {0} OR Website LIKE {0}", like(&domain)),
            });
        }
    }
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for chunk in lists::runs(&b1::distinct(&conditions), " OR ".len() + 4, lists::SALESFORCE - FRAME, CONDITIONS) {
        let any = chunk.join(" OR ");
        let mut last = String::new();
        loop {
            let more = if last.is_empty() { String::new() } else { format!(" AND Id > {}", salesforce::quote(&last)) };
            let soql = format!(
                "SELECT {FIELDS}{company} FROM Account WHERE Tandem_Card_Code__c = null AND ({any}){more} ORDER BY Id LIMIT {PAGE}"
            );
            let rows = salesforce::query("salesforce", &soql)?;
            let full = rows.len() == PAGE;
            last = rows.last().map(|row| text(row, "Id").to_owned()).unwrap_or_default();
            let rows = rows.into_iter().filter(|row| settings.only.holds(row));
            found.extend(rows.map(|row| (text(&row, "Id").to_owned(), row)));
            if !full {
                break;
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Partners that share something telling with one of these accounts; what `find` looks at, and no more.
pub fn partners_like(accounts: &[&Value]) -> Result<Vec<Value>, Error> {
    const FIELDS: &str =
        "CardCode,CardName,CardType,FederalTaxID,EmailAddress,Website,U_SF_Id,BilltoDefault,ShipToDefault,BPAddresses";
    /// Conditions of one filter.
    const CONDITIONS: usize = 6;
    /// Characters of an address besides them.
    const FRAME: usize = 300;
    let mut conditions: Vec<String> = Vec::new();
    for account in accounts {
        conditions.push(format!("U_SF_Id eq {}", b1::quote(text(account, "Id"))));
        let tax = matching::longest_run(text(account, "Tandem_Tax_Id__c"));
        if !matching::tax_id(text(account, "Tandem_Tax_Id__c")).is_empty() {
            conditions.push(format!("contains(FederalTaxID,{})", b1::quote(tax)));
        }
        for pattern in patterns(account, "Name", ["Tandem_Email__c", "Website"]) {
            conditions.push(match pattern {
                // Whether B1 tells capitals apart depends on its database.
                Pattern::Name(word) => spellings(&word)
                    .iter()
                    .map(|word| format!("contains(CardName,{})", b1::quote(word)))
                    .collect::<Vec<_>>()
                    .join(" or "),
                Pattern::Domain(domain) => format!(
                    "endswith(EmailAddress,{}) or contains(Website,{})",
                    b1::quote(&format!("@{domain}")),
                    b1::quote(&domain)
                ),
            });
        }
    }
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    let conditions = b1::distinct(&conditions);
    // Each with the key behind which its next page begins.
    let mut open: Vec<(String, String)> = lists::runs(&conditions, "%20or%20".len(), lists::B1 - FRAME, CONDITIONS)
        .into_iter()
        .map(|chunk| (chunk.join(" or "), String::new()))
        .collect();
    while !open.is_empty() {
        let asked = open.iter().map(|(any, last)| {
            let more = if last.is_empty() { String::new() } else { format!(" and CardCode gt {}", b1::quote(last)) };
            let filter = b1::encode(&format!("({any}){more}"));
            let path = format!("/BusinessPartners?$filter={filter}&$select={FIELDS}&$orderby=CardCode&$top={PAGE}");
            let mut request = request("b1", Method::Get, path, None, "");
            request.headers.push(Header { name: "Prefer".into(), value: format!("odata.maxpagesize={PAGE}") });
            request
        });
        let answers = http::send_all(&asked.collect::<Vec<_>>());
        let mut next = Vec::new();
        for ((any, _), answer) in open.into_iter().zip(answers) {
            let rows = b1::rows(answer)?;
            if let Some(last) = rows.last().filter(|_| rows.len() == PAGE) {
                next.push((any, text(last, "CardCode").to_owned()));
            }
            found.extend(rows.into_iter().map(gather::flat).map(|row| (text(&row, "CardCode").to_owned(), row)));
        }
        open = next;
    }
    Ok(found.into_values().collect())
}

enum Pattern {
    Name(String),
    Domain(String),
}

fn patterns(record: &Value, name: &str, addresses: [&str; 2]) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    patterns.extend(matching::search_words(text(record, name)).into_iter().map(Pattern::Name));
    let mut domains: Vec<String> = addresses.iter().map(|field| matching::domain(text(record, field))).collect();
    domains.sort();
    domains.dedup();
    patterns.extend(domains.into_iter().filter(|domain| !domain.is_empty()).map(Pattern::Domain));
    patterns
}

/// As written, in capitals, and with a capital at its head.
pub fn spellings(word: &str) -> Vec<String> {
    let mut all = vec![word.to_owned(), word.to_uppercase(), head(word)];
    all.sort();
    all.dedup();
    all
}

/// With a capital at its head.
pub fn head(word: &str) -> String {
    let mut letters = word.chars();
    let head: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{head}{}", letters.as_str().to_lowercase())
}

fn like(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("'%{}%'", escaped.replace('\'', "\\'"))
}
