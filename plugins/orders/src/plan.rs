//! Looks at the opportunities as they are now, and decides what each event needs.

use std::collections::BTreeMap;

use tandem_sdk::counterpart::Code;
use tandem_sdk::{
    Decimal, Error, LinkQuery, Map, Outcome, Said, Side, Value, b1, clock, counterpart, decimal, from_json, json,
    links, mapping, of_mapping, outcome_of, passing, salesforce, say, schedule, storage, tell, text,
};

use crate::describe::Settings;
use crate::linked::Linked;
use crate::{News, Step, Work, approval, aside, own, told, total, unseen, waiting};

/// An accounts flow has this long to link the customer.
const ACCOUNT_DEADLINE_MS: u64 = 24 * 3600 * 1000;
/// So often, and after so many milliseconds each, it is looked whether the accounts flow has followed a code that was typed.
const FOLLOWS: (u32, u64) = (5, 1_000);
/// When an order is looked at again that waits for a decision about its account: each time after twice as long, up to an hour.
const LOOKS_AFTER_MS: (u64, u64) = (60_000, 3_600_000);

const OPPORTUNITY: [&str; 18] = [
    "Id",
    "Name",
    "StageName",
    "IsWon",
    "CloseDate",
    "AccountId",
    "Account.Name",
    "Account.Tandem_Card_Code__c",
    "Account.Tandem_Sync_State__c",
    "Account.Tandem_Sync_Message__c",
    "Account.Tandem_Sync_Said__c",
    "Tandem_Requested_Date__c",
    "Tandem_Order_Number__c",
    "Tandem_Order_Doc_Entry__c",
    "Tandem_Order_Status__c",
    "Tandem_Sync_State__c",
    "Tandem_Sync_Message__c",
    "Tandem_Sync_Said__c",
];
/// What tells whether an opportunity that cannot be read as a whole is any business of this flow, and what it shows.
const BARE: [&str; 6] =
    ["Id", "StageName", "IsWon", "Tandem_Order_Status__c", "Tandem_Sync_State__c", "Tandem_Sync_Message__c"];
const LINE: [&str; 8] = [
    "Id",
    "Quantity",
    "UnitPrice",
    "Discount",
    "Description",
    "Product2.ProductCode",
    "Product2.Tandem_Item_Code__c",
    "SortOrder",
];

/// A sales order as B1 should have it.
#[derive(Clone, Default)]
pub struct Order {
    /// Header fields without lines.
    pub header: Map<String, Value>,
    /// Line fields by `OpportunityLineItem` id, in order.
    pub lines: Vec<(String, Map<String, Value>)>,
    /// What the opportunity asks for where B1's own words stand in `header`: see [`crate::complete`].
    pub asked: Map<String, Value>,
    /// `DocDate`, `2026-01-31`: the day that holds, rates and due date are judged by.
    pub day: String,
    /// What the opportunity is told beside the order.
    pub notes: Vec<Said>,
    /// The same, of the day on which it is due.
    pub due_note: Option<Said>,
    /// `DocEntry` of orders that carry the opportunity's id and are not its own: see [`crate::beside`].
    pub beside: Vec<i64>,
    /// `DocEntry` of drafts that carry it and were there before.
    pub drafts: Vec<i64>,
    /// How often an order was made for this opportunity before: part of the ledger's key.
    pub generation: u64,
}

impl Order {
    /// Puts B1's own word in place of what the opportunity asks for.
    pub fn replace(&mut self, name: &str, value: Value) {
        if let Some(asked) = self.header.insert(name.into(), value) {
            self.asked.entry(name).or_insert(asked);
        }
    }
}

/// Decides the step of every open event.
pub fn plan(settings: &Settings, work: &mut [Work]) {
    let ids: Vec<String> = work.iter().filter(|w| w.is_open()).map(|w| w.id().to_owned()).collect();
    if ids.is_empty() {
        return;
    }
    let linked = links::find_all("order", Side::Salesforce, &ids);
    let mut linked: BTreeMap<String, Linked> = (ids.iter().cloned())
        .zip(linked)
        .filter_map(|(id, link)| link.map(|link| (id, Linked::read(&link.b1_id, &link.base))))
        .collect();
    for w in work.iter_mut().filter(|w| w.is_open()) {
        w.is_orderless = linked.get(w.id()).is_none_or(|link| link.cancelled);
    }
    read_open(settings, work, &ids);
    unseen::tell_apart(work);
    for w in work.iter_mut().filter(|w| w.is_open()) {
        let mut link = linked.remove(w.id());
        w.is_known = link.as_ref().is_some_and(|link| told::is_known(w, link));
        if let Some(link) = &mut link {
            told::keep_status(w, link);
        }
        // Of one that is not to be seen it cannot be said whose it is: what there is of it in this company tells.
        if link.is_none() && !w.opportunity.is_null() && !settings.only.holds(&w.opportunity) {
            w.leave();
            continue;
        }
        if !unseen::ask(settings, w, link.as_ref()) {
            decide(w, link);
        }
    }
    build_orders(settings, work);
}

/// Reads the opportunities of all open events.
fn read_open(settings: &Settings, work: &mut [Work], ids: &[String]) {
    let mut read = read_each(settings, ids);
    for w in work.iter_mut().filter(|w| w.is_open()) {
        match read.remove(w.id()) {
            Some(Err(error)) => w.fail(&error, reading(&error)),
            found => w.opportunity = found.and_then(Result::ok).unwrap_or_default(),
        }
    }
    held_by_reading(settings, work);
}

/// Opportunities by id, null where there is none; one that cannot be read, or is too large beside others, holds up itself alone.
pub fn read_each(settings: &Settings, ids: &[String]) -> BTreeMap<String, Result<Value, Error>> {
    if ids.is_empty() {
        return BTreeMap::new();
    }
    let together = read_opportunities(settings, ids);
    let apart = ids.len() > 1 && together.as_ref().is_err_and(|error| !is_for_all(error));
    let one = |id: &String| {
        let alone = apart.then(|| read_opportunities(settings, std::slice::from_ref(id)));
        let found = alone.as_ref().unwrap_or(&together).as_ref();
        found.map(|found| found.get(id).cloned().unwrap_or_default()).map_err(Error::clone)
    };
    ids.iter().map(|id| (id.clone(), one(id))).collect()
}

/// What cannot be read as a whole is asked about where it is this company's, and is to have an order or has one; it is told there as far as it
/// can be read.
fn held_by_reading(settings: &Settings, work: &mut [Work]) {
    let held: Vec<usize> = (0..work.len()).filter(|place| work[*place].news.is_some()).collect();
    if held.is_empty() {
        return;
    }
    let ids: Vec<String> = held.iter().map(|place| work[*place].id().to_owned()).collect();
    let together = read_bare(settings, &ids);
    let apart = ids.len() > 1 && together.as_ref().is_err_and(|error| !is_for_all(error));
    for (place, link) in held.into_iter().zip(links::find_all("order", Side::Salesforce, &ids)) {
        let w = &mut work[place];
        let alone = apart.then(|| read_bare(settings, &[w.id().to_owned()]));
        match alone.as_ref().unwrap_or(&together) {
            Ok(found) => w.opportunity = found.get(w.id()).cloned().unwrap_or_default(),
            Err(error) if passing::pause(error).is_some() => {
                w.news = None;
                w.finish(outcome_of(error, reading(error)));
                continue;
            }
            Err(_) => {
                w.unread = link.is_some();
                continue;
            }
        }
        if w.opportunity.is_null() {
            // Gone, or not to be seen: that is told apart for all.
            (w.news, w.step) = (None, Step::Open);
        } else if link.is_none() && !settings.only.holds(&w.opportunity) {
            w.leave();
        } else if link.is_none() && w.opportunity["IsWon"] != true && !approval::may_be_there(w) {
            w.is_over();
            not_won(w);
        }
    }
}

fn read_bare(settings: &Settings, ids: &[String]) -> Result<BTreeMap<String, Value>, Error> {
    let mut fields: Vec<String> = BARE.iter().map(|field| (*field).to_owned()).collect();
    fields.extend(settings.only.field());
    Ok(b1::by_key(salesforce::query_in(&fields.join(","), "Opportunity", "Id", ids, "")?, "Id"))
}

/// What passes, and a field that the org does not have: whichever opportunity is asked for.
fn is_for_all(error: &Error) -> bool {
    passing::pause(error).is_some() || is_unknown_field(error)
}

fn is_unknown_field(error: &Error) -> bool {
    matches!(error, Error::Remote(remote) if remote.code == "INVALID_FIELD")
}

/// What is tried when opportunities are read.
pub fn reading(error: &Error) -> Said {
    match error {
        Error::Remote(remote) if is_unknown_field(error) && remote.message.contains("CurrencyIsoCode") => say(
            "orders.reading_one_currency",
            "reading the opportunity (an org with one currency has no CurrencyIsoCode: set multi_currency = false)",
            [],
        ),
        _ if is_unknown_field(error) => say(
            "orders.reading_without_fields",
            "reading the opportunity (is the Tandem package installed, its permission set assigned, and every field of the mapping there?)",
            [],
        ),
        _ => say("orders.reading_opportunity", "reading the opportunity", []),
    }
}

/// Everything an order is made of: fields of the opportunity, and those of its lines as a sub-query.
pub fn fields(settings: &Settings) -> (Vec<String>, String) {
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
    (header, format!("(SELECT {} FROM OpportunityLineItems ORDER BY SortOrder)", line.join(",")))
}

fn read_opportunities(settings: &Settings, ids: &[String]) -> Result<BTreeMap<String, Value>, Error> {
    let (mut header, lines) = fields(settings);
    let read = |header: &[String]| {
        salesforce::query_in(&format!("{},{lines}", header.join(",")), "Opportunity", "Id", ids, "")
    };
    let rows = match read(&header) {
        Err(error) if Said::is_unknown(&error) => {
            header.retain(|field| !field.ends_with("Tandem_Sync_Said__c"));
            read(&header)
        }
        read => read,
    }?;
    Ok(rows.into_iter().map(|row| (text(&row, "Id").to_owned(), row)).collect())
}

/// What the opportunity's stage and its link ask for; orders are filled in later.
fn decide(w: &mut Work, link: Option<Linked>) {
    let won = w.opportunity["IsWon"] == true;
    let gone = w.opportunity.is_null();
    if !won && !gone {
        w.is_over();
    }
    match link {
        // A new one beside one that was cancelled is with an approver, and is wanted no more. So may be one that a clerk has put in its place, which
        // a person is to know as long as it stands.
        Some(link)
            if !won && is_over(&link) && (own::may_be_there(w.id()) || (!gone && (!link.cancelled || is_asked(w)))) =>
        {
            w.step = Step::Withdraw;
        }
        None if won => w.step = Step::Create(Order { generation: 1, ..Order::default() }),
        None if approval::may_be_there(w) => w.step = Step::Withdraw,
        None if gone => w.finish(Outcome::Done("the opportunity is gone and never had an order".into())),
        None => not_won(w),
        Some(link) if link.cancelled && won => {
            w.step = Step::Create(Order { generation: link.generation + 1, ..Order::default() });
        }
        Some(link) if won => {
            let order = Order { generation: link.generation, ..Order::default() };
            w.step = Step::Update(order, Box::new(link));
        }
        Some(link) if link.cancelled => {
            let number = [("number", link.doc_num.as_str().into())];
            let message = say("orders.cancelled_already", "not won, and order {number} is cancelled already", number);
            if is_asked(w) {
                w.news = Some(News::synced(&link, &message));
            }
            w.done(message);
        }
        // Whether it is to have a new one is asked when it is there again.
        Some(link) if link.status == "Cancelled" && gone => {
            w.finish(Outcome::Done(format!("the opportunity is gone, and order {} was cancelled in B1", link.doc_num)));
        }
        Some(link) => w.step = Step::Cancel(Box::new(link)),
    }
}

/// It was cancelled, here or in B1.
pub fn is_over(link: &Linked) -> bool {
    link.cancelled || link.status == "Cancelled"
}

/// Without an order: what was asked is over.
fn not_won(w: &mut Work) {
    w.news = is_asked(w).then(News::nothing);
    w.done(format!("not won ({}): nothing to do", text(&w.opportunity, "StageName")));
}

/// The opportunity shows a question or a wait, which is over when it is not won.
pub fn is_asked(w: &Work) -> bool {
    matches!(text(&w.opportunity, "Tandem_Sync_State__c"), "Review" | "Waiting")
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
        if matches!(w.step, Step::Create(_)) && aside::holds_unseen(w) {
            continue;
        }
        let generation = match &w.step {
            Step::Create(order) | Step::Update(order, _) => order.generation,
            _ => continue,
        };
        let order = match customer(settings, w, &card_codes)
            .and_then(|card_code| build(settings, w.id(), &w.opportunity, card_code, generation))
        {
            Ok(order) => order,
            Err(_) if aside::is_ignored(w) => continue,
            Err(held) => {
                match held {
                    Held::Review(reason) => w.hold(reason, &["retry", "ignore"]),
                    // Nothing says that it is this company's.
                    Held::Foreign(_)
                        if matches!(w.step, Step::Create(_))
                            && settings.only.field().is_none()
                            && !own::may_be_there(w.id()) =>
                    {
                        w.leave()
                    }
                    Held::Foreign(code) => {
                        let reason = say(
                            "orders.foreign",
                            "the opportunity is this company's, and its account carries {code}, a customer of another company: set the right account, or the company that the opportunity is of",
                            [("code", code.into())],
                        );
                        w.hold(reason, &["retry", "ignore"]);
                    }
                    Held::Outcome(outcome) => {
                        if matches!(outcome, Outcome::Wait(_)) {
                            w.news = Some(waiting::news(&w.opportunity));
                        }
                        w.finish(outcome);
                    }
                }
                continue;
            }
        };
        let looks = w.looks() || unseen::was_missed(w);
        w.step = match std::mem::replace(&mut w.step, Step::Open) {
            Step::Update(_, link)
                if link.same_as(&order) && !looks && !link.question.is_empty() && link.status != "Cancelled" =>
            {
                total::ask(w, &link, link.question.clone());
                continue;
            }
            // Our own echo, or a change of nothing that matters in B1. What is asked about the order is asked until B1 says otherwise.
            Step::Update(_, link) if link.same_as(&order) && !looks && !is_in_question(w, &link) => {
                let what = if link.left { link.stays_cancelled() } else { link.up_to_date() };
                w.news = Some(News::synced(&link, &what));
                Step::Finished(Outcome::Done(what.into()))
            }
            Step::Update(_, link) => Step::Update(order, link),
            _ => Step::Create(order),
        };
    }
}

/// Something is asked about an order that is there, or was cancelled in B1.
fn is_in_question(w: &Work, link: &Linked) -> bool {
    (link.status == "Cancelled" && (!link.left || own::may_be_there(w.id())))
        || text(&w.opportunity, "Tandem_Sync_State__c") == "Review"
}

enum Held {
    Review(Said),
    /// The customer is another company's, by this code.
    Foreign(String),
    Outcome(Outcome),
}

fn customer(settings: &Settings, w: &Work, card_codes: &BTreeMap<String, String>) -> Result<String, Held> {
    let account = text(&w.opportunity, "AccountId");
    if account.is_empty() {
        return Err(Held::Review(say(
            "orders.no_account",
            "the opportunity has no account: set the one of the customer on it, and it runs again",
            [],
        )));
    }
    let given = text(&w.opportunity["Account"], "Tandem_Card_Code__c");
    let linked = card_codes.get(account).map(String::as_str);
    if let Some((carried, linked)) = counterpart::undecided(given, linked, &settings.keys) {
        return undecided(w, carried, linked);
    }
    match counterpart::card_code(given, linked, &settings.keys) {
        Code::Own(card_code) => return Ok(card_code),
        Code::Foreign(code) => {
            return Err(Held::Foreign(code));
        }
        Code::None => {}
    }
    if want_account(w) {
        return Err(Held::Outcome(Outcome::Wait(LinkQuery {
            kind: "account".into(),
            side: Side::Salesforce,
            id: account.into(),
            deadline_ms: ACCOUNT_DEADLINE_MS,
        })));
    }
    Err(Held::Review(say(
        "orders.account_not_linked",
        "the account {account} is not linked with a B1 customer; put its CardCode into B1 Card Code, or set up the accounts flow",
        [("account", text(&w.opportunity["Account"], "Name").into())],
    )))
}

/// Whose the account is is yet to be decided: an order that is there stays its customer's, and none is made meanwhile.
fn undecided(w: &Work, carried: &str, linked: &str) -> Result<String, Held> {
    if let Step::Update(_, order) = &w.step
        && !w.makes_new
        && let Some(card_code) = order.header.get("CardCode").and_then(Value::as_str)
    {
        return Ok(card_code.to_owned());
    }
    let account = &w.opportunity["Account"];
    // Typed just now: the accounts flow follows, or asks.
    if text(account, "Tandem_Sync_State__c") != "Review" && !w.is_look() && w.event.attempt <= FOLLOWS.0 {
        let why = format!("the account carries {carried} and is linked with {linked}: the accounts flow decides");
        return Err(Held::Outcome(tandem_sdk::retry(FOLLOWS.1, why)));
    }
    look_later(w);
    Err(Held::Review(say(
        "orders.undecided",
        "the account {account} carries the B1 Card Code {code} and is linked with {customer}: the order is made once the account says which of the two it is",
        [("account", text(account, "Name").into()), ("code", carried.into()), ("customer", linked.into())],
    )))
}

/// It may be decided in ways that nothing tells of. However often it is asked meanwhile, one look is due at a time.
fn look_later(w: &Work) {
    let now = clock::now();
    if storage::get(&later(w.id())).and_then(|due| due.parse::<u64>().ok()).is_some_and(|due| due > now) {
        return;
    }
    let (first, last) = LOOKS_AFTER_MS;
    let after = from_json(&w.event.payload)["after"].as_u64().map_or(first, |after| (2 * after).min(last));
    let _ = storage::set(&later(w.id()), &(now + after).to_string());
    schedule::wake(now + after, w.id(), &json!({ "after": after }).to_string());
}

/// Where it stands when that is.
pub fn later(id: &str) -> String {
    format!("undecided:{id}")
}

/// It is decided.
pub fn forget(id: &str) {
    storage::delete(&later(id));
}

/// Asks the accounts flow for a customer; false where there is none.
pub fn want_account(w: &Work) -> bool {
    let account = text(&w.opportunity, "AccountId");
    tell(
        "accounts.wanted",
        account,
        &format!("{account}:{}", w.event.id),
        &json!({ "record": "salesforce.Account", "AccountId": account }),
    )
}

/// The order that an opportunity asks for, in its own words; what keeps it from being one.
pub fn wanted(settings: &Settings, opportunity: &Value) -> Result<Order, Said> {
    build(settings, text(opportunity, "Id"), opportunity, String::new(), 1).map_err(|held| match held {
        Held::Review(why) => why,
        Held::Outcome(_) | Held::Foreign(_) => Said::default(),
    })
}

fn build(
    settings: &Settings,
    id: &str,
    opportunity: &Value,
    card_code: String,
    generation: u64,
) -> Result<Order, Held> {
    let mapped = |section: &str, source: &Value| -> Result<Map<String, Value>, Held> {
        let target = mapping::apply(section, &source.to_string()).map_err(|e| {
            Held::Review(of_mapping(e, |field, why| {
                let with = [("section", section.into()), ("field", field), ("why", why)];
                say("orders.mapping", "the mapping [{section}] {field}: {why}", with)
            }))
        })?;
        Ok(from_json(&target).as_object().cloned().unwrap_or_default())
    };
    let mut header = Map::new();
    header.insert("CardCode".into(), card_code.into());
    let currency = text(opportunity, "CurrencyIsoCode");
    header.insert("DocCurrency".into(), if currency.is_empty() { settings.currency.as_str() } else { currency }.into());
    let requested = text(opportunity, "Tandem_Requested_Date__c");
    let due = if requested.is_empty() { text(opportunity, "CloseDate") } else { requested };
    header.insert("DocDueDate".into(), due.into());
    header.insert("U_SF_Id".into(), id.into());
    // Said even when there is none: B1 would put the partner's standing discount into an order that says nothing.
    header.insert("DiscountPercent".into(), json!(0));
    header.extend(mapped("header", opportunity)?);
    let rows = opportunity["OpportunityLineItems"]["records"].as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        let reason = say("orders.no_products", "the opportunity has no products; an order needs at least one", []);
        return Err(Held::Review(reason));
    }
    let mut lines = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let place = index + 1;
        let carried = text(&row["Product2"], "Tandem_Item_Code__c");
        let item_code = match counterpart::item_code(carried, text(&row["Product2"], "ProductCode"), &settings.keys) {
            Code::Own(item_code) => item_code,
            Code::Foreign(item) => {
                return Err(Held::Review(say(
                    "orders.foreign_item",
                    "line {line}: {item} is an item of another company; choose a product of this one",
                    [("line", place.into()), ("item", item.into())],
                )));
            }
            Code::None => {
                return Err(Held::Review(say(
                    "orders.no_item_code",
                    "line {line}: the product has neither B1 Item Code nor product code",
                    [("line", place.into())],
                )));
            }
        };
        let quantity = decimal(&row["Quantity"]).unwrap_or_default();
        if quantity <= Decimal::ZERO {
            return Err(Held::Review(say(
                "orders.quantity",
                "line {line} ({item}): the quantity is {quantity}",
                [("line", place.into()), ("item", item_code.into()), ("quantity", quantity.into())],
            )));
        }
        if decimal(&row["UnitPrice"]).is_none() {
            return Err(Held::Review(say(
                "orders.no_price",
                "line {line} ({item}): the price is missing",
                [("line", place.into()), ("item", item_code.into())],
            )));
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
    Ok(Order { header, lines, generation, ..Order::default() })
}
