//! Looks at the opportunities, their customers and items as they are now, and decides what each event needs.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{
    Decimal, LinkQuery, Map, Outcome, Side, Value, decimal, events, from_json, json, links, mapping, outcome_of,
    salesforce, storage, text,
};

use crate::describe::Settings;
use crate::{News, Step, Work, facts, found};

/// An accounts flow has this long to link the customer.
const ACCOUNT_DEADLINE_MS: u64 = 24 * 3600 * 1000;

const OPPORTUNITY: [&str; 12] = [
    "Id",
    "Name",
    "StageName",
    "IsWon",
    "CloseDate",
    "AccountId",
    "Account.Name",
    "Account.Tandem_Card_Code__c",
    "Tandem_Requested_Date__c",
    "Tandem_Order_Number__c",
    "Tandem_Order_Status__c",
    "Tandem_Sync_State__c",
];
const LINE: [&str; 8] = [
    "Id",
    "Quantity",
    "UnitPrice",
    "Discount",
    "Description",
    "ProductCode",
    "Product2.Tandem_Item_Code__c",
    "SortOrder",
];

/// A sales order as B1 should have it.
#[derive(Clone)]
pub struct Order {
    /// Header fields without lines.
    pub header: Map<String, Value>,
    /// Line fields by `OpportunityLineItem` id, in order.
    pub lines: Vec<(String, Map<String, Value>)>,
    /// How often an order was made for this opportunity before: part of the ledger's key.
    pub generation: u64,
}

/// The order an opportunity is linked with, as it was synced last.
#[derive(Clone)]
pub struct Linked {
    pub doc_entry: String,
    pub doc_num: String,
    pub cancelled: bool,
    pub generation: u64,
    pub header: Map<String, Value>,
    /// Fields by `OpportunityLineItem` id, with B1's `LineNum`.
    pub lines: Vec<(String, i64, Value)>,
    pub next_line: i64,
    /// Lines that were sent and not confirmed: B1 may have them under a number of its own.
    pub adding: Vec<(String, Value)>,
}

impl Linked {
    /// From a link's base.
    pub fn read(doc_entry: &str, base: &str) -> Self {
        let base = from_json(base);
        let line =
            |line: &Value| (text(line, "id").to_owned(), line["num"].as_i64().unwrap_or(0), line["fields"].clone());
        Self {
            doc_entry: doc_entry.to_owned(),
            doc_num: text(&base, "doc_num").to_owned(),
            cancelled: base["cancelled"] == true,
            generation: base["generation"].as_u64().unwrap_or(1),
            header: base["header"].as_object().cloned().unwrap_or_default(),
            lines: base["lines"].as_array().into_iter().flatten().map(line).collect(),
            next_line: base["next_line"].as_i64().unwrap_or(0),
            adding: base["adding"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|line| (text(line, "id").to_owned(), line["fields"].clone()))
                .collect(),
        }
    }

    /// As a link's base.
    pub fn base(&self) -> String {
        let lines: Vec<Value> =
            self.lines.iter().map(|(id, num, fields)| json!({ "id": id, "num": num, "fields": fields })).collect();
        let mut base = json!({
            "doc_num": self.doc_num, "cancelled": self.cancelled, "generation": self.generation,
            "header": self.header, "lines": lines, "next_line": self.next_line,
        });
        if !self.adding.is_empty() {
            base["adding"] = self.adding.iter().map(|(id, fields)| json!({ "id": id, "fields": fields })).collect();
        }
        base.to_string()
    }

    pub fn same_as(&self, order: &Order) -> bool {
        let old: Vec<(&str, &Value)> = self.lines.iter().map(|(id, _, fields)| (id.as_str(), fields)).collect();
        old.len() == order.lines.len()
            && self.header == order.header
            && old
                .iter()
                .zip(&order.lines)
                .all(|((id, fields), (new_id, new))| id == new_id && fields.as_object() == Some(new))
    }
}

/// Decides the step of every open event.
pub fn look(settings: &Settings, work: &mut [Work]) {
    let ids: Vec<String> = work.iter().filter(|w| w.is_open()).map(|w| w.id().to_owned()).collect();
    if ids.is_empty() {
        return;
    }
    match read_opportunities(settings, &ids) {
        Err(outcome) => return finish_open(work, |_| outcome.clone()),
        Ok(mut found) => {
            for w in work.iter_mut().filter(|w| w.is_open()) {
                w.opportunity = found.remove(w.id()).unwrap_or_default();
            }
        }
    }
    let linked = links::find_all("order", Side::Salesforce, &ids);
    let mut linked: BTreeMap<String, Linked> = ids
        .into_iter()
        .zip(linked)
        .filter_map(|(id, link)| link.map(|link| (id, Linked::read(&link.b1_id, &link.base))))
        .collect();
    for w in work.iter_mut().filter(|w| w.is_open()) {
        let link = linked.remove(w.id());
        if link.is_none() && !settings.only.holds(&w.opportunity) {
            w.finish(Outcome::Done("an opportunity of another company".into()));
            continue;
        }
        decide(w, link);
    }
    build_orders(settings, work);
    check_master_data(settings, work);
}

fn read_opportunities(settings: &Settings, ids: &[String]) -> Result<BTreeMap<String, Value>, Outcome> {
    let mut header: Vec<String> = OPPORTUNITY.iter().map(|f| (*f).to_owned()).collect();
    let mut line: Vec<String> = LINE.iter().map(|f| (*f).to_owned()).collect();
    if settings.multi_currency {
        header.push("CurrencyIsoCode".into());
    }
    header.extend(settings.only.field());
    header.extend(mapping::source_fields("header"));
    line.extend(mapping::source_fields("line"));
    header.sort();
    header.dedup();
    line.sort();
    line.dedup();
    let quoted: Vec<String> = ids.iter().map(|id| salesforce::quote(id)).collect();
    let soql = format!(
        "SELECT {}, (SELECT {} FROM OpportunityLineItems ORDER BY SortOrder) FROM Opportunity WHERE Id IN ({})",
        header.join(","),
        line.join(","),
        quoted.join(",")
    );
    let rows = salesforce::query("salesforce", &soql).map_err(|error| {
        let hint = match &error {
            tandem_sdk::Error::Remote(remote)
                if remote.code == "INVALID_FIELD" && remote.message.contains("CurrencyIsoCode") =>
            {
                " (an org with one currency has no CurrencyIsoCode: set multi_currency = false)"
            }
            tandem_sdk::Error::Remote(remote) if remote.code == "INVALID_FIELD" => {
                " (is the Tandem package installed, its permission set assigned, and every field of the mapping there?)"
            }
            _ => "",
        };
        outcome_of(&error, &format!("reading the opportunity{hint}"))
    })?;
    Ok(rows.into_iter().map(|row| (text(&row, "Id").to_owned(), row)).collect())
}

fn finish_open(work: &mut [Work], outcome: impl Fn(&Work) -> Outcome) {
    for w in work.iter_mut().filter(|w| w.is_open()) {
        let outcome = outcome(w);
        w.finish(outcome);
    }
}

/// What the opportunity's stage and its link ask for; orders are filled in later.
fn decide(w: &mut Work, link: Option<Linked>) {
    let won = w.opportunity["IsWon"] == true;
    let gone = w.opportunity.is_null();
    match link {
        None if !won && is_awaited(w.id()) => w.step = Step::Withdraw,
        None if gone => w.finish(Outcome::Done("the opportunity is gone and never had an order".into())),
        None if !won => {
            w.finish(Outcome::Done(format!("not won ({}): nothing to do", text(&w.opportunity, "StageName"))))
        }
        None => w.step = Step::Create(Order { header: Map::new(), lines: Vec::new(), generation: 1 }),
        Some(link) if link.cancelled && won => {
            w.step = Step::Create(Order { header: Map::new(), lines: Vec::new(), generation: link.generation + 1 });
        }
        Some(link) if link.cancelled => {
            w.finish(Outcome::Done(format!("not won, and order {} is cancelled already", link.doc_num)));
        }
        Some(link) if won => {
            let generation = link.generation;
            w.step = Step::Update(Order { header: Map::new(), lines: Vec::new(), generation }, link);
        }
        Some(link) => w.step = Step::Cancel(link),
    }
}

fn build_orders(settings: &Settings, work: &mut [Work]) {
    let accounts: Vec<String> = work
        .iter()
        .filter(|w| matches!(w.step, Step::Create(_) | Step::Update(..)))
        .map(|w| text(&w.opportunity, "AccountId").to_owned())
        .collect();
    if accounts.is_empty() {
        return;
    }
    let found = links::find_all("account", Side::Salesforce, &accounts);
    let card_codes: BTreeMap<String, String> =
        accounts.into_iter().zip(found).filter_map(|(id, link)| link.map(|link| (id, link.b1_id))).collect();
    for w in work.iter_mut() {
        let generation = match &w.step {
            Step::Create(order) | Step::Update(order, _) => order.generation,
            _ => continue,
        };
        let order =
            match customer(settings, w, &card_codes).and_then(|card_code| build(settings, w, card_code, generation)) {
                Ok(order) => order,
                Err(held) => {
                    match held {
                        Held::Review(reason) => w.hold(reason, &["retry", "ignore"]),
                        Held::Outcome(outcome) => w.finish(outcome),
                    }
                    continue;
                }
            };
        w.step = match std::mem::replace(&mut w.step, Step::Open) {
            Step::Update(_, link) if link.same_as(&order) => {
                // Our own echo, or a change of nothing that matters in B1.
                let what = format!("order {} is up to date", link.doc_num);
                w.news = Some(News::synced(&link.doc_num, &link.doc_entry, "Open", what.clone()));
                Step::Finished(Outcome::Done(what))
            }
            Step::Update(_, link) => Step::Update(order, link),
            _ => Step::Create(order),
        };
    }
}

enum Held {
    Review(String),
    Outcome(Outcome),
}

fn customer(settings: &Settings, w: &Work, card_codes: &BTreeMap<String, String>) -> Result<String, Held> {
    let account = text(&w.opportunity, "AccountId");
    if account.is_empty() {
        return Err(Held::Review(
            "the opportunity has no account: set the one of the customer on it, and it runs again".into(),
        ));
    }
    if let Some(card_code) = card_codes.get(account) {
        return Ok(card_code.clone());
    }
    let given = text(&w.opportunity["Account"], "Tandem_Card_Code__c");
    if let Some(card_code) = settings.keys.own(given) {
        return Ok(card_code.to_owned());
    }
    if !given.is_empty() {
        return Err(Held::Outcome(Outcome::Done(format!("{given} is the customer of another company"))));
    }
    match want_account(w) {
        Ok(()) => Err(Held::Outcome(Outcome::Wait(LinkQuery {
            kind: "account".into(),
            side: Side::Salesforce,
            id: account.into(),
            deadline_ms: ACCOUNT_DEADLINE_MS,
        }))),
        Err(_) => Err(Held::Review(format!(
            "the account {} is not linked with a B1 customer; put its CardCode into B1 Card Code, or set up the accounts flow",
            text(&w.opportunity["Account"], "Name")
        ))),
    }
}

/// Asks the accounts flow, if there is one, for a customer.
fn want_account(w: &Work) -> Result<(), events::Error> {
    let account = text(&w.opportunity, "AccountId");
    events::emit(&events::Emission {
        topic: "accounts.wanted".into(),
        key: account.into(),
        dedup: format!("{account}:{}", w.event.id),
        payload: json!({ "AccountId": account }).to_string(),
    })
}

fn build(settings: &Settings, w: &Work, card_code: String, generation: u64) -> Result<Order, Held> {
    let opportunity = &w.opportunity;
    let mapped = |section: &str, source: &Value| -> Result<Map<String, Value>, Held> {
        let target = mapping::apply(section, &source.to_string())
            .map_err(|e| Held::Review(format!("the mapping [{section}] {}: {}", e.field, e.message)))?;
        Ok(from_json(&target).as_object().cloned().unwrap_or_default())
    };
    let mut header = Map::new();
    header.insert("CardCode".into(), card_code.into());
    let currency = text(opportunity, "CurrencyIsoCode");
    header.insert("DocCurrency".into(), if currency.is_empty() { settings.currency.as_str() } else { currency }.into());
    let requested = text(opportunity, "Tandem_Requested_Date__c");
    let due = if requested.is_empty() { text(opportunity, "CloseDate") } else { requested };
    header.insert("DocDueDate".into(), due.into());
    header.insert("U_SF_Id".into(), w.id().into());
    header.extend(mapped("header", opportunity)?);
    let rows = opportunity["OpportunityLineItems"]["records"].as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        return Err(Held::Review("the opportunity has no products; an order needs at least one".into()));
    }
    let mut lines = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let place = format!("line {}", index + 1);
        let own = settings.keys.own(text(&row["Product2"], "Tandem_Item_Code__c"));
        let item_code = own.unwrap_or_else(|| text(row, "ProductCode"));
        if item_code.is_empty() {
            return Err(Held::Review(format!("{place}: the product has neither B1 Item Code nor product code")));
        }
        let quantity = decimal(&row["Quantity"]).unwrap_or_default();
        if quantity <= Decimal::ZERO {
            return Err(Held::Review(format!("{place} ({item_code}): the quantity is {}", row["Quantity"])));
        }
        if decimal(&row["UnitPrice"]).is_none() {
            return Err(Held::Review(format!("{place} ({item_code}): the price is missing")));
        }
        let mut line = Map::new();
        line.insert("ItemCode".into(), item_code.into());
        line.insert("Quantity".into(), row["Quantity"].clone());
        line.insert("UnitPrice".into(), row["UnitPrice"].clone());
        line.insert("Currency".into(), header["DocCurrency"].clone());
        // Said even when there is none: what is left out keeps the discount it had, or gets one of B1's own.
        let discount = if row["Discount"].is_null() { json!(0) } else { row["Discount"].clone() };
        line.insert("DiscountPercent".into(), discount);
        if let Some(warehouse) = &settings.warehouse {
            line.insert("WarehouseCode".into(), warehouse.as_str().into());
        }
        line.extend(mapped("line", row)?);
        lines.push((text(row, "Id").to_owned(), line));
    }
    Ok(Order { header, lines, generation })
}

/// Whether a draft of the opportunity's order awaited approval at the last look.
fn is_awaited(id: &str) -> bool {
    storage::get(&awaits(id)).is_some()
}

/// Where that is kept.
pub fn awaits(id: &str) -> String {
    format!("draft:{id}")
}

/// Customers and items as B1 has them, and what stands there already of what is to be made: one read of each kind for the
/// whole batch.
fn check_master_data(settings: &Settings, work: &mut [Work]) {
    let orders: Vec<&Order> = work.iter().filter_map(order_of).collect();
    if orders.is_empty() {
        return;
    }
    let mut card_codes: Vec<String> = orders.iter().map(|o| field(&o.header, "CardCode")).collect();
    let mut item_codes: Vec<String> =
        orders.iter().flat_map(|o| &o.lines).map(|(_, line)| field(line, "ItemCode")).collect();
    for codes in [&mut card_codes, &mut item_codes] {
        codes.sort();
        codes.dedup();
    }
    let fresh: Vec<&Work> = work.iter().filter(|w| matches!(w.step, Step::Create(_))).collect();
    let ids: Vec<String> = fresh.iter().map(|w| w.id().to_owned()).collect();
    let entry = |w: &Work| match &w.step {
        Step::Update(_, linked) => linked.doc_entry.parse::<i64>().ok(),
        _ => None,
    };
    let entries: Vec<i64> = work.iter().filter_map(entry).collect();
    const PARTNER: &str = "CardCode,CardName,CardType,Valid,Frozen,Currency,CreditLimit,CurrentAccountBalance,OpenOrdersBalance,OpenDeliveryNotesBalance";
    let read = b1::read_all(&[
        found::drafts(&ids),
        found::orders(&ids, fresh.into_iter().filter_map(order_of)),
        found::rows(&entries),
        Read::texts("BusinessPartners", "CardCode", &card_codes, PARTNER),
        Read::texts("Items", "ItemCode", &item_codes, "ItemCode,Valid,Frozen,SalesItem"),
    ]);
    let [drafts, made, rows, partners, items] = match read.map(<[Vec<Value>; 5]>::try_from) {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Default::default(),
        Err(error) => {
            let outcome = outcome_of(&error, "reading customers, items and orders from B1");
            for w in work.iter_mut().filter(|w| order_of(w).is_some()) {
                w.finish(outcome.clone());
            }
            return;
        }
    };
    let (partners, items) = (b1::by_key(partners, "CardCode"), b1::by_key(items, "ItemCode"));
    let rows = b1::by_key(rows, "DocEntry");
    for w in work.iter_mut() {
        if let Some(order) = entry(w).and_then(|entry| rows.get(&entry.to_string())) {
            w.rows = b1::lines(order).to_vec();
        }
    }
    look_in_b1(work, found::by_opportunity(drafts), found::by_opportunity(made));
    // Orders of one batch for one customer add up.
    let mut used: BTreeMap<String, Decimal> = BTreeMap::new();
    for w in work.iter_mut() {
        let Some(order) = order_of(w) else { continue };
        if partners.get(&field(&order.header, "CardCode")).is_some_and(|partner| partner["CardType"] == "cLid") {
            // B1 takes an order of a lead, but no delivery: the accounts flow makes it a customer.
            let _ = want_account(w);
        }
        let held = match check(order, &partners, &items) {
            Err(reason) => Some((reason, ["retry", "ignore"].as_slice())),
            Ok(partner) => check_credit(settings, w, order, partner, &mut used)
                .err()
                .map(|reason| (reason, ["retry", "send anyway", "ignore"].as_slice())),
        };
        let partner = partners.get(&field(&order.header, "CardCode"));
        let facts = facts::of_partner(partner, order, |code| items.get(code).cloned());
        w.b1.extend(facts);
        if let Some((reason, choices)) = held {
            w.hold(reason, choices);
        }
    }
}

/// What is to be made but stands in B1 already, or waits there.
fn look_in_b1(work: &mut [Work], drafts: BTreeMap<String, Value>, mut made: BTreeMap<String, Value>) {
    for w in work.iter_mut().filter(|w| matches!(w.step, Step::Create(_))) {
        let (waits, awaited) = (drafts.contains_key(w.id()), is_awaited(w.id()));
        let order = made.remove(w.id());
        w.step = match (std::mem::replace(&mut w.step, Step::Open), order) {
            (Step::Create(wanted), Some(order)) => Step::Adopt(wanted, order),
            (Step::Create(_), None) if waits => Step::Await,
            (Step::Create(wanted), None) if awaited => Step::Awaited(wanted),
            (other, _) => other,
        };
    }
}

fn order_of(w: &Work) -> Option<&Order> {
    match &w.step {
        Step::Create(order) | Step::Update(order, _) => Some(order),
        _ => None,
    }
}

fn field(record: &Map<String, Value>, name: &str) -> String {
    record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The order's business partner, when B1 would take the order from it.
fn check<'a>(
    order: &Order,
    partners: &'a BTreeMap<String, Value>,
    items: &BTreeMap<String, Value>,
) -> Result<&'a Value, String> {
    let card_code = field(&order.header, "CardCode");
    let partner = partners.get(&card_code).ok_or_else(|| {
        format!("B1 has no business partner {card_code}; correct B1 Card Code on the account, or create it in B1")
    })?;
    if text(partner, "Valid") == "tNO" || text(partner, "Frozen") == "tYES" {
        return Err(format!("the business partner {card_code} is inactive or frozen in B1"));
    }
    let currency = field(&order.header, "DocCurrency");
    let own = text(partner, "Currency");
    if own != "##" && !own.is_empty() && own != currency {
        return Err(format!(
            "the opportunity is in {currency}, but {card_code} trades in {own}; change the currency on one side"
        ));
    }
    for (index, (_, line)) in order.lines.iter().enumerate() {
        let code = field(line, "ItemCode");
        let item = items.get(&code).ok_or_else(|| format!("line {}: B1 has no item {code}", index + 1))?;
        if text(item, "Valid") == "tNO" || text(item, "Frozen") == "tYES" {
            return Err(format!("line {}: the item {code} is inactive in B1; replace it", index + 1));
        }
        if text(item, "SalesItem") == "tNO" {
            return Err(format!("line {}: the item {code} is not a sales item in B1", index + 1));
        }
    }
    Ok(partner)
}

/// What keeps an order within the partner's credit limit; a person may send it all the same.
fn check_credit(
    settings: &Settings,
    w: &Work,
    order: &Order,
    partner: &Value,
    used: &mut BTreeMap<String, Decimal>,
) -> Result<(), String> {
    let card_code = field(&order.header, "CardCode");
    let limit = decimal(&partner["CreditLimit"]).unwrap_or_default();
    let creates = matches!(w.step, Step::Create(_));
    let waived = w.event.resolution.as_deref() == Some("send anyway");
    if settings.credit_check && creates && !limit.is_zero() && !waived {
        let amount = |name: &str| decimal(&partner[name]).unwrap_or_default();
        let before = amount("CurrentAccountBalance") + amount("OpenOrdersBalance") + amount("OpenDeliveryNotesBalance");
        let total: Decimal = order.lines.iter().map(|(_, line)| line_total(line)).sum();
        let in_batch = used.entry(card_code.clone()).or_default();
        if before + *in_batch + total > limit {
            return Err(format!(
                "{card_code} would exceed the credit limit of {limit}: {} used, this order {}",
                (before + *in_batch).round_dp(2),
                total.round_dp(2)
            ));
        }
        *in_batch += total;
    }
    Ok(())
}

fn line_total(line: &Map<String, Value>) -> Decimal {
    let number = |name: &str| line.get(name).and_then(decimal).unwrap_or_default();
    number("Quantity") * number("UnitPrice") * (Decimal::ONE_HUNDRED - number("DiscountPercent")) / Decimal::ONE_HUNDRED
}
