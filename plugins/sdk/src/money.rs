//! Currencies of B1 and of Salesforce, and rates of the day. B1's code of a currency is free text (`$`), Salesforce's is the
//! ISO code.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::{
    Decimal, Deserialize, Error, JsonSchema, Map, Method, Permission, Serialize, Value, body_of, decimal, from_json,
    http, json, kept, permission, request, storage, text,
};

/// What B1 said is asked anew after an hour.
const KEPT_MS: u64 = 3_600_000;
/// Where ISO codes are kept by B1's codes, and percents by tax group.
const CURRENCIES: &str = "currencies";
const TAXES: &str = "taxes";

/// ISO code by B1's code of a currency, such as `{ "$" = "USD" }`; without it the International Code in B1's table of currencies
// As a setting. The company's currencies are read from B1 when first asked for, and again for a code that is not known.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(from = "BTreeMap<String, String>")]
pub struct Currencies {
    /// As set.
    #[serde(flatten)]
    told: BTreeMap<String, String>,
    /// As B1 has them.
    #[serde(skip)]
    known: RefCell<BTreeMap<String, String>>,
    /// Read from B1 in this run.
    #[serde(skip)]
    fresh: Cell<bool>,
}

/// As set; B1 is not asked yet.
impl From<BTreeMap<String, String>> for Currencies {
    fn from(told: BTreeMap<String, String>) -> Self {
        Self { told, ..Self::default() }
    }
}

impl Currencies {
    /// Only what a test names, by B1's code.
    #[doc(hidden)]
    pub fn fixed(pairs: &[(&str, &str)]) -> Self {
        let told = pairs.iter().map(|(code, iso)| ((*code).to_owned(), (*iso).to_owned())).collect();
        Self { told, known: RefCell::default(), fresh: Cell::new(true) }
    }

    /// The ISO code of one of B1's codes; the code itself where B1 names none.
    pub fn iso(&self, code: &str) -> Result<String, Error> {
        if code.is_empty() {
            return Ok(String::new());
        }
        self.look(|own, _| own == code)?;
        Ok(self.iso_of(code))
    }

    /// B1's code of an ISO code: the first of `preferred` that means it (the document's or the partner's own), else the
    /// setting's, else the code that is the same, else any that means it. A code of B1 itself stays what it is, and what B1 does
    /// not know, too: B1 then says so.
    pub fn code(&self, iso: &str, preferred: &[&str]) -> Result<String, Error> {
        self.look(|own, means| own == iso || means == iso)?;
        for own in preferred.iter().filter(|own| !own.is_empty()) {
            self.look(|code, _| code == *own)?;
            if self.iso_of(own) == iso {
                return Ok((*own).to_owned());
            }
        }
        let known = self.known.borrow();
        let same = known.contains_key(iso).then(|| iso.to_owned());
        let by = |table: &BTreeMap<String, String>| {
            table.iter().find(|(_, means)| *means == iso).map(|(own, _)| own.clone())
        };
        Ok(by(&self.told).or(same).or_else(|| by(&known)).unwrap_or_else(|| iso.to_owned()))
    }

    fn iso_of(&self, code: &str) -> String {
        let known = self.known.borrow();
        self.told.get(code).or_else(|| known.get(code)).cloned().unwrap_or_else(|| code.to_owned())
    }

    /// Makes sure that a currency is known, if B1 has it.
    fn look(&self, wanted: impl Fn(&str, &str) -> bool) -> Result<(), Error> {
        let there = |table: &BTreeMap<String, String>| table.iter().any(|(code, iso)| wanted(code, iso));
        if there(&self.told) || there(&self.known.borrow()) || self.fresh.get() {
            return Ok(());
        }
        let kept = kept::within(CURRENCIES, KEPT_MS);
        let kept = kept.as_object().into_iter().flatten();
        *self.known.borrow_mut() =
            kept.filter_map(|(code, iso)| Some((code.clone(), iso.as_str()?.to_owned()))).collect();
        if there(&self.known.borrow()) {
            return Ok(());
        }
        self.fresh.set(true);
        let rows = match crate::b1::every("Currencies") {
            Ok(rows) => rows,
            // A user who may not read them does without.
            Err(error) if is_refused(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        let known: BTreeMap<String, String> =
            rows.iter().map(|row| (text(row, "Code").to_owned(), iso_in(row))).collect();
        kept::keep(CURRENCIES, &json!(known));
        *self.known.borrow_mut() = known;
        Ok(())
    }

    /// What reading them needs.
    pub fn permission() -> Permission {
        permission("b1", Method::Get, "/Currencies", "reads which ISO code a currency of B1 has")
    }
}

/// The ISO code in a row of `Currencies`. `DocumentsCode` is *International Code* on B1's form; versions with a column for the
/// ISO code are said to call it `ISOCode`: not verified, and looked at first where it is there.
fn iso_in(row: &Value) -> String {
    let is_iso = |code: &&str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
    let found = ["ISOCode", "DocumentsCode"].iter().map(|name| text(row, name)).find(is_iso);
    found.unwrap_or_else(|| text(row, "Code")).to_owned()
}

fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Denied(_)) || matches!(error, Error::Remote(remote) if remote.status < 500)
}

/// The company's own currency, as B1 writes it; none where B1 does not say.
pub fn local_currency() -> Result<Option<String>, Error> {
    const LOCAL: &str = "local-currency";
    if let Some(known) = storage::get(LOCAL) {
        return Ok(Some(crate::b1::key_text(&from_json(&known))));
    }
    let ask = request("b1", Method::Post, "/CompanyService_GetAdminInfo", Some(&json!({})), "");
    let answer = match http::send(&ask) {
        Ok(response) => body_of(&response),
        Err(error) if is_refused(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let local = text(&answer, "LocalCurrency").to_owned();
    if local.is_empty() {
        return Ok(None);
    }
    let _ = storage::set(LOCAL, &json!(local).to_string());
    Ok(Some(local))
}

/// The ISO code of the company's own currency; none where B1 does not say.
pub fn company_currency(currencies: &Currencies) -> Result<Option<String>, Error> {
    local_currency()?.map(|code| currencies.iso(&code)).transpose()
}

/// What one of a currency (B1's code, not the company's own) is worth in the company's own on a day (`2026-01-31`); none where
/// nobody has entered a rate. Assumed: rates are direct, B1's usual way (*1 USD = 0.85 EUR*).
pub fn rate(code: &str, day: &str) -> Result<Option<Decimal>, Error> {
    let body = json!({ "Currency": code, "Date": day.replace('-', "") });
    match http::send(&request("b1", Method::Post, "/SBOBobService_GetCurrencyRate", Some(&body), "")) {
        Ok(response) => {
            let answer = body_of(&response);
            Ok(decimal(&answer).or_else(|| decimal(&answer["value"])).filter(|rate| *rate > Decimal::ZERO))
        }
        // -4006 is a missing rate; whatever else B1 refuses gives none, either.
        Err(error) if is_refused(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Percent by group: of `VatGroups`, whose rate is that of its last row, and of `SalesTaxCodes`; a company has the one or the other.
/// What B1 said holds for an hour.
pub fn tax_rates(groups: &[String]) -> Result<BTreeMap<String, Decimal>, Error> {
    let kept = kept::within(TAXES, KEPT_MS);
    let kept = kept.as_object().into_iter().flatten();
    let mut taxes: BTreeMap<String, Decimal> =
        kept.filter_map(|(group, percent)| Some((group.clone(), decimal(percent)?))).collect();
    let known = taxes.len();
    for (set, select) in [("VatGroups", "Code,VatGroups_Lines"), ("SalesTaxCodes", "Code,Rate")] {
        let is_open = |group: &&String| !group.is_empty() && !taxes.contains_key(*group);
        let open: Vec<String> = groups.iter().filter(is_open).cloned().collect();
        if open.is_empty() {
            break;
        }
        let rows = match crate::b1::read(crate::b1::Read::texts(set, "Code", &open, select)) {
            Ok(rows) => rows,
            // Not in this company's country, or not for this user.
            Err(error) if is_refused(&error) => continue,
            Err(error) => return Err(error),
        };
        for row in rows {
            let last = row["VatGroups_Lines"]
                .as_array()
                .and_then(|lines| lines.last())
                .and_then(|line| decimal(&line["Rate"]));
            if let Some(rate) = last.or_else(|| decimal(&row["Rate"])) {
                taxes.entry(text(&row, "Code").to_owned()).or_insert(rate);
            }
        }
    }
    if taxes.len() > known {
        let percent: Map<String, Value> =
            taxes.iter().map(|(group, rate)| (group.clone(), crate::b1::number(*rate))).collect();
        kept::keep(TAXES, &Value::Object(percent));
    }
    Ok(taxes)
}

/// What [`tax_rates`] needs.
pub fn tax_permissions() -> [Permission; 2] {
    ["VatGroups", "SalesTaxCodes"]
        .map(|set| permission("b1", Method::Get, &format!("/{set}"), "reads the rates of tax groups"))
}

/// What asking for rates needs.
pub fn rate_permissions() -> [Permission; 2] {
    [
        permission("b1", Method::Post, "/CompanyService_GetAdminInfo", "asks which currency is the company's own"),
        permission("b1", Method::Post, "/SBOBobService_GetCurrencyRate", "asks for the rate of the day"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_its_iso_code_are_found_both_ways() {
        let currencies = Currencies::fixed(&[("$", "USD"), ("EUR", "EUR")]);
        assert_eq!(currencies.iso("$").unwrap(), "USD");
        assert_eq!(currencies.iso("XYZ").unwrap(), "XYZ");
        assert_eq!(currencies.code("USD", &[]).unwrap(), "$");
        assert_eq!(currencies.code("$", &[]).unwrap(), "$");
        let two = Currencies::fixed(&[("$", "USD"), ("US$", "USD")]);
        assert_eq!(two.code("USD", &["EUR", "US$"]).unwrap(), "US$");
    }

    #[test]
    fn the_international_code_is_the_iso_code_where_it_looks_like_one() {
        assert_eq!(iso_in(&json!({ "Code": "$", "DocumentsCode": "USD" })), "USD");
        assert_eq!(iso_in(&json!({ "Code": "EUR", "DocumentsCode": "Eur" })), "EUR");
    }
}
