//! Business behaviour of marketing documents: what B1 checks, computes and refuses. Facts: the shared Service Layer
//! reference, with its marks.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Refusal;
use super::database::{Database, Key, Movement, Record};
use super::money::{self, Terms};
use super::odata::{decimal, number_value};
use super::{branches, cancellation, freight, instalments, periods, reconciliations, schema, tracked, units};

/// Entity sets that are marketing documents, with their numbering and the `BaseType` by which others point at them.
pub const DOCUMENTS: [(&str, &str, i64, i64); 9] = [
    ("Quotations", "quotations", 1, 23),
    ("Orders", "orders", 1, 17),
    ("DeliveryNotes", "deliveries", 1, 15),
    ("Returns", "returns", 1, 16),
    ("Invoices", "invoices", 1, 13),
    ("CreditNotes", "credit notes", 1, 14),
    ("DownPayments", "down payments", 1, 203),
    ("PurchaseOrders", "purchase orders", 1, 22),
    ("Drafts", "drafts", 1, 112),
];

/// Company settings that decide what happens to a document.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Orders above this total need approval.
    pub approval_over: Option<Decimal>,
    /// Documents dated before this day are in a closed period.
    pub closed_before: Option<String>,
    /// B1 itself refuses orders over the credit limit.
    pub block_over_limit: bool,
    /// B1 refuses to deliver what is not in stock.
    pub no_negative_stock: bool,
    /// The company has several branches: see [`branches`].
    pub branches: bool,
    /// Webhooks are on for the company.
    pub webhooks: bool,
    /// Drafts cannot be removed.
    pub keeps_drafts: bool,
    /// Items that are BOMs of type *Sales*, with the components of one piece.
    pub boms: BTreeMap<String, Vec<(String, Decimal)>>,
    /// A rule of the company's own puts this discount into every order, whatever it says.
    pub forced_discount: Option<Decimal>,
    /// The company's own currency.
    pub local: String,
    /// Of other currencies: what one is worth in the company's own today.
    pub rates: BTreeMap<String, Decimal>,
    /// Company-local day, `2026-01-31`.
    pub today: String,
    /// Company-local time, `10:00:00`.
    pub now: String,
}

fn text<'a>(record: &'a Record, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn amount(record: &Record, name: &str) -> Decimal {
    record.get(name).and_then(decimal).unwrap_or_default()
}

fn rounded(number: Decimal) -> Value {
    number_value(number.round_dp(6))
}

/// `POST <set>`: returns the key of the new document.
pub fn create(db: &mut Database, rules: &Rules, set: &str, body: Record) -> Result<Key, Refusal> {
    let (_, series, first, _) = document(set);
    let body = schema::check(db, "Document", "ORDR", &body)?;
    let partner_key = Key::Text(text(&body, "CardCode").to_owned());
    let partner = db.get("BusinessPartners", &partner_key).cloned().ok_or_else(|| {
        Refusal::new(
            400,
            -2028,
            format!("No matching records found (ODBC -2028) [BusinessPartners {}]", text(&body, "CardCode")),
        )
    })?;
    let mut header = body.clone();
    money::default_discount(&mut header, &partner, rules);
    let currency = match text(&body, "DocCurrency") {
        "" if text(&partner, "Currency") == "##" => rules.local.clone(),
        "" => text(&partner, "Currency").to_owned(),
        given => given.to_owned(),
    };
    if db.get("Currencies", &Key::Text(currency.clone())).is_none() {
        return Err(Refusal::new(
            400,
            -2028,
            format!("No matching records found (ODBC -2028) [Currencies {currency}]"),
        ));
    }
    let own = text(&partner, "Currency");
    if own != "##" && own != currency {
        return Err(Refusal::new(
            400,
            -5002,
            format!("Document currency {currency} differs from the currency of business partner {own}"),
        ));
    }
    let day = |name: &str| -> String {
        let given = text(&body, name);
        if given.is_empty() { format!("{}T00:00:00Z", rules.today) } else { as_day(given) }
    };
    let doc_date = day("DocDate");
    if rules.closed_before.as_deref().is_some_and(|closed| &doc_date[..10] < closed) {
        return Err(Refusal::new(400, -5002, "Date deviates from permissible range [ORDR.DocDate]".into()));
    }
    if !periods::is_in_use(&partner, &doc_date[..10]) {
        return Err(Refusal::new(
            400,
            -5002,
            format!("Business partner {} is inactive [ORDR.CardCode]", text(&body, "CardCode")),
        ));
    }
    let terms = Terms::of(rules, &currency, &doc_date[..10])?;
    let due = text(&body, "DocDueDate");
    due_after(due, &doc_date)?;
    if due.is_empty() && matches!(set, "Orders" | "Quotations") {
        return Err(Refusal::new(400, -5002, "Specify a valid due date [ORDR.DocDueDate]".into()));
    }
    for (property, kind) in [("ShipToCode", "bo_ShipTo"), ("PayToCode", "bo_BillTo")] {
        let wanted = text(&body, property);
        let known = partner["BPAddresses"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|address| address["AddressName"] == wanted && address["AddressType"] == kind);
        if !wanted.is_empty() && !known {
            return Err(Refusal::new(
                400,
                -2028,
                format!("No matching records found (ODBC -2028) [{property} {wanted}]"),
            ));
        }
        if wanted.is_empty() {
            let default = partner["BPAddresses"].as_array().into_iter().flatten().find(|a| a["AddressType"] == kind);
            if let Some(address) = default {
                header.insert(property.into(), address["AddressName"].clone());
            }
        }
    }
    let Some(given) = body.get("DocumentLines").and_then(Value::as_array).filter(|lines| !lines.is_empty()) else {
        return Err(Refusal::new(
            400,
            -5002,
            "No matching records found: enter at least one row in the document".into(),
        ));
    };
    let mut lines = Vec::new();
    for line in given.clone() {
        let own = finish_line(db, &partner, set, &terms, lines.len() as i64, line)?;
        let number = own["LineNum"].as_i64().unwrap_or_default() + 1;
        let components = components(db, rules, &partner, set, &terms, number, &own)?;
        lines.push(own);
        lines.extend(components);
    }
    if rules.branches {
        branches::check(db, &mut header, &partner, &lines)?;
    }
    tracked::check(db, set, &lines)?;
    let freight = freight::finish(db, &mut header, &mut lines)?;
    header.insert("DocRate".into(), rounded(terms.rate));
    let total = money::write_totals(&mut header, &lines, freight, &terms);
    if set == "Orders" {
        if rules.block_over_limit && over_limit(&partner, total) {
            return Err(Refusal::new(
                400,
                -5002,
                format!("Customer {} exceeded the credit limit [ORDR.CardCode]", text(&body, "CardCode")),
            ));
        }
        if rules.approval_over.is_some_and(|limit| total > limit) {
            // The trap: the document is stored as a draft, and the answer says "not found".
            let mut draft = header.clone();
            draft.insert("DocObjectCode".into(), "17".into());
            draft.insert("AuthorizationStatus".into(), "dasPending".into());
            let key = store_document(db, rules, "Drafts", "drafts", 1, draft, lines, &currency, doc_date);
            return Err(Refusal::keeping(400, -2028, "No matching records found (ODBC -2028)".into(), key));
        }
    }
    if rules.no_negative_stock && matches!(set, "DeliveryNotes" | "Invoices") {
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| line["BaseType"] != 15) {
            let item = db.get("Items", &Key::Text(line["ItemCode"].as_str().unwrap_or_default().to_owned()));
            if item.is_some_and(|item| text(item, "InventoryItem") == "tNO") {
                continue;
            }
            let stock = item.and_then(|item| item["ItemWarehouseInfoCollection"].as_array()).into_iter().flatten();
            let in_stock = stock
                .filter(|own| own["WarehouseCode"] == line["WarehouseCode"])
                .find_map(|own| decimal(&own["InStock"]));
            if in_stock.unwrap_or_default() < units::pieces(line, "Quantity") {
                let text = format!("Quantity falls into negative inventory [DLN1.ItemCode][line: {}]", number + 1);
                return Err(Refusal::new(400, -5002, text));
            }
        }
    }
    if matches!(set, "Invoices" | "CreditNotes" | "DownPayments") {
        let due = if due.is_empty() { doc_date.clone() } else { as_day(due) };
        instalments::finish(&mut header, total, &due)?;
    }
    let posted = (header.clone(), lines.clone());
    let key = store_document(db, rules, set, series, first, header, lines, &currency, doc_date);
    post(db, rules, set, &key, &posted.0, &posted.1, Decimal::ONE)?;
    if let ("CreditNotes", Key::Number(memo)) = (set, &key) {
        reconciliations::settle_memo(db, *memo, text(&body, "CardCode"))?;
    }
    Ok(key)
}

/// What a document does to its base documents, to stock and to the partner's balances; with -1 it is taken back.
pub fn post(
    db: &mut Database,
    rules: &Rules,
    set: &str,
    key: &Key,
    header: &Record,
    lines: &[Value],
    sign: Decimal,
) -> Result<(), Refusal> {
    if matches!(set, "DeliveryNotes" | "Invoices" | "Returns" | "CreditNotes" | "Orders") {
        draw_from_base(db, lines, sign);
    }
    let moving: Vec<Value> = lines.iter().filter(|line| moves_stock(set, header, line)).cloned().collect();
    move_stock(db, set, &moving, sign);
    let partner = Key::Text(text(header, "CardCode").to_owned());
    let total = amount(header, "DocTotal") * sign;
    match set {
        "Orders" => change_partner(db, &partner, "OpenOrdersBalance", total),
        "DeliveryNotes" => change_partner(db, &partner, "OpenDeliveryNotesBalance", total),
        "Returns" => change_partner(db, &partner, "OpenDeliveryNotesBalance", -total),
        // Asked for only: nothing is owed.
        "DownPayments" if text(header, "DownPaymentType") == "dptRequest" => {}
        "Invoices" | "DownPayments" => change_partner(db, &partner, "CurrentAccountBalance", total),
        "CreditNotes" => change_partner(db, &partner, "CurrentAccountBalance", -total),
        _ => {}
    }
    note_movements(db, rules, set, key, &moving, sign);
    Ok(())
}

/// False for a row whose goods another document moves: an invoice of a delivery, a credit memo of a return, a reserve invoice.
fn moves_stock(set: &str, header: &Record, line: &Value) -> bool {
    let elsewhere = match set {
        "Invoices" => line["BaseType"] == 15 || text(header, "ReserveInvoice") == "tYES",
        "CreditNotes" => line["BaseType"] == 16 || line["WithoutInventoryMovement"] == "tYES",
        _ => false,
    };
    !elsewhere
}

/// What the inventory journal shows of a document.
fn note_movements(db: &mut Database, rules: &Rules, set: &str, key: &Key, lines: &[Value], taken: Decimal) {
    let (sign, kind) = match set {
        "DeliveryNotes" => (-1, 15),
        "Returns" => (1, 16),
        "Invoices" => (-1, 13),
        "CreditNotes" => (1, 14),
        _ => return,
    };
    let Key::Number(entry) = key else { return };
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let quantity = units::pieces(line, "Quantity") * Decimal::from(sign) * taken;
        db.journal.push(Movement {
            item: text("ItemCode"),
            warehouse: text("WarehouseCode"),
            quantity,
            kind,
            entry: *entry,
            day: rules.today.clone(),
        });
    }
}

/// Keeps a document as the next of its series.
#[expect(clippy::too_many_arguments, reason = "one row, written once")]
pub fn store_document(
    db: &mut Database,
    rules: &Rules,
    set: &str,
    series: &'static str,
    first: i64,
    mut header: Record,
    lines: Vec<Value>,
    currency: &str,
    doc_date: String,
) -> Key {
    let entry = db.number(series, first);
    let partner = db.get("BusinessPartners", &Key::Text(text(&header, "CardCode").to_owned()));
    let name = partner.map(|partner| text(partner, "CardName").to_owned()).unwrap_or_default();
    header.insert("DocEntry".into(), entry.into());
    // A number of the series, unless it was written by hand.
    let by_hand = text(&header, "HandWritten") == "tYES" && header.contains_key("DocNum");
    if !by_hand {
        let number = db.number(&format!("{series} DocNum"), first + 10_000);
        header.insert("DocNum".into(), number.into());
    }
    header.entry("Series").or_insert(11.into());
    header.entry("DocType").or_insert("dDocument_Items".into());
    header.entry("CardName").or_insert(name.into());
    let due = as_day(text(&header, "DocDueDate"));
    header.insert("DocDate".into(), doc_date.clone().into());
    header.insert("DocDueDate".into(), if due.is_empty() { doc_date.clone() } else { due }.into());
    header.entry("TaxDate").or_insert(doc_date.into());
    header.insert("DocCurrency".into(), currency.into());
    header.entry("PaidToDate").or_insert(0.into());
    header.entry("PaidToDateFC").or_insert(0.into());
    header.entry("Confirmed").or_insert("tYES".into());
    header.insert("DocumentStatus".into(), "bost_Open".into());
    header.insert("Cancelled".into(), "tNO".into());
    header.insert("CancelStatus".into(), "csNo".into());
    header.entry("ReserveInvoice").or_insert("tNO".into());
    header.insert("CreationDate".into(), format!("{}T00:00:00Z", rules.today).into());
    header.insert("DocTime".into(), rules.now.clone().into());
    header.insert("UpdateDate".into(), format!("{}T00:00:00Z", rules.today).into());
    header.insert("UpdateTime".into(), rules.now.clone().into());
    header.insert("DocumentLines".into(), Value::Array(lines));
    let key = Key::Number(entry);
    db.put(set, key.clone(), header);
    key
}

/// See [`DOCUMENTS`].
pub fn document(set: &str) -> (&'static str, &'static str, i64, i64) {
    DOCUMENTS.iter().copied().find(|(name, ..)| *name == set).unwrap_or(DOCUMENTS[1])
}

/// `2026-01-31` and `2026-01-31T00:00:00Z` in, the latter out.
fn as_day(text: &str) -> String {
    match text.get(..10) {
        Some(day) => format!("{day}T00:00:00Z"),
        None => String::new(),
    }
}

/// B1 delivers nothing before it is ordered.
fn due_after(due: &str, doc_date: &str) -> Result<(), Refusal> {
    match (due.get(..10), doc_date.get(..10)) {
        (Some(due), Some(day)) if due < day => {
            Err(Refusal::new(400, -5002, "Due date must be on or after the posting date [ORDR.DocDueDate]".into()))
        }
        _ => Ok(()),
    }
}

fn finish_line(
    db: &Database,
    partner: &Record,
    set: &str,
    terms: &Terms<'_>,
    number: i64,
    line: Value,
) -> Result<Value, Refusal> {
    let Value::Object(mut line) = line else {
        return Err(Refusal::new(400, -1000, "DocumentLines must hold objects".into()));
    };
    let base = base_line(db, &line)?;
    if let Some(base) = &base {
        for name in [
            "ItemCode",
            "ItemDescription",
            "Quantity",
            "UnitPrice",
            "Price",
            "WarehouseCode",
            "VatGroup",
            "DiscountPercent",
            "UoMEntry",
            "UseBaseUnits",
        ] {
            if let Some(value) = base.get(name) {
                let fallback =
                    if name == "Quantity" { base.get("RemainingOpenQuantity").unwrap_or(value) } else { value };
                line.entry(name).or_insert(fallback.clone());
            }
        }
    }
    let code = text(&line, "ItemCode").to_owned();
    let not_found = |what: String| Refusal::new(400, -2028, format!("No matching records found (ODBC -2028) [{what}]"));
    let item = db.get("Items", &Key::Text(code.clone())).ok_or_else(|| not_found(format!("Items {code}")))?;
    if !periods::is_in_use(item, terms.day) {
        return Err(Refusal::new(400, -5002, format!("Item {code} is inactive [RDR1.ItemCode][line: {}]", number + 1)));
    }
    if text(item, "SalesItem") == "tNO" {
        return Err(Refusal::new(
            400,
            -5002,
            format!("Item {code} is not a sales item [RDR1.ItemCode][line: {}]", number + 1),
        ));
    }
    let quantity = match line.get("Quantity") {
        None => Decimal::ONE,
        Some(value) => decimal(value)
            .ok_or_else(|| Refusal::new(400, -1000, format!("Quantity of line {} is no number", number + 1)))?,
    };
    if quantity <= Decimal::ZERO {
        return Err(Refusal::new(
            400,
            -5002,
            format!("Quantity must be positive [RDR1.Quantity][line: {}]", number + 1),
        ));
    }
    let warehouse =
        if text(&line, "WarehouseCode").is_empty() { "01".to_owned() } else { text(&line, "WarehouseCode").to_owned() };
    if db.get("Warehouses", &Key::Text(warehouse.clone())).is_none() {
        return Err(not_found(format!("Warehouses {warehouse}")));
    }
    let given_tax =
        [text(&line, "VatGroup"), text(&line, "TaxCode"), text(partner, "VatGroup"), text(item, "SalesVATGroup")]
            .into_iter()
            .find(|tax| !tax.is_empty())
            .unwrap_or("A1")
            .to_owned();
    let tax = db
        .get("SalesTaxCodes", &Key::Text(given_tax.clone()))
        .ok_or_else(|| not_found(format!("VatGroups {given_tax}")))?;
    let rate = amount(tax, "Rate");
    let price = match line.get("UnitPrice").or(line.get("Price")) {
        Some(price) => decimal(price)
            .ok_or_else(|| Refusal::new(400, -1000, format!("UnitPrice of line {} is no number", number + 1)))?,
        None => terms.list_price(db, item, amount(partner, "PriceListNum"), rate),
    };
    let discount = amount(&line, "DiscountPercent");
    let hundred = Decimal::ONE_HUNDRED;
    let net_price = price * (hundred - discount) / hundred;
    let total = (net_price * quantity).round_dp(2);
    units::settle(db, set, item, &mut line, quantity)?;
    line.insert("LineNum".into(), number.into());
    line.entry("ItemDescription").or_insert(item["ItemName"].clone());
    line.insert("Quantity".into(), rounded(quantity));
    line.insert("RemainingOpenQuantity".into(), rounded(quantity));
    line.insert("UnitPrice".into(), rounded(price));
    line.insert("Price".into(), rounded(net_price));
    line.insert("DiscountPercent".into(), rounded(discount));
    line.entry("Currency").or_insert(terms.currency.into());
    line.insert("WarehouseCode".into(), warehouse.into());
    line.insert("VatGroup".into(), given_tax.into());
    line.insert("TaxPercentagePerRow".into(), rounded(rate));
    line.insert("LineTotal".into(), rounded((total * terms.rate).round_dp(2)));
    line.insert("RowTotalFC".into(), rounded(if terms.foreign { total } else { Decimal::ZERO }));
    line.insert("LineStatus".into(), "bost_Open".into());
    line.insert("TreeType".into(), "iNotATree".into());
    for rows in ["BatchNumbers", "SerialNumbers", "DocumentLineAdditionalExpenses"] {
        line.entry(rows).or_insert(json!([]));
    }
    if base.is_none() {
        line.entry("BaseType").or_insert((-1).into());
        line.entry("BaseEntry").or_insert(Value::Null);
        line.entry("BaseLine").or_insert(Value::Null);
    }
    Ok(Value::Object(line))
}

/// The rows that a BOM of type *Sales* brings behind its own, from that number on.
fn components(
    db: &Database,
    rules: &Rules,
    partner: &Record,
    set: &str,
    terms: &Terms<'_>,
    first: i64,
    parent: &Value,
) -> Result<Vec<Value>, Refusal> {
    let parts = parent["ItemCode"].as_str().and_then(|code| rules.boms.get(code));
    if parent["BaseType"] != -1 {
        return Ok(Vec::new());
    }
    let pieces = decimal(&parent["Quantity"]).unwrap_or_default();
    let row = |(number, (code, each)): (i64, &(String, Decimal))| {
        let line = json!({ "ItemCode": code, "Quantity": rounded(pieces * *each), "UnitPrice": 0, "WarehouseCode": parent["WarehouseCode"] });
        let mut line = finish_line(db, partner, set, terms, number, line)?;
        line["TreeType"] = "iIngredient".into();
        Ok(line)
    };
    (first..).zip(parts.into_iter().flatten()).map(row).collect()
}

/// Components follow the row that brought them: in quantity, and when it goes.
fn follow_parents(rules: &Rules, old: &[Value], kept: &mut Vec<Value>) {
    let is_component = |line: &Value| line["TreeType"] == "iIngredient";
    let mut parent: Option<&Value> = None;
    let mut part = 0;
    for line in old {
        if !is_component(line) {
            (parent, part) = (Some(line), 0);
            continue;
        }
        let now = parent.and_then(|own| kept.iter().find(|kept| kept["LineNum"] == own["LineNum"])).cloned();
        let each = parent
            .and_then(|own| rules.boms.get(own["ItemCode"].as_str()?)?.get(part))
            .map_or(Decimal::ONE, |(_, each)| *each);
        part += 1;
        match now {
            None => kept.retain(|own| own["LineNum"] != line["LineNum"]),
            Some(now) => {
                let quantity = rounded(decimal(&now["Quantity"]).unwrap_or_default() * each);
                for own in kept.iter_mut().filter(|own| own["LineNum"] == line["LineNum"]) {
                    own["Quantity"] = quantity.clone();
                    own["RemainingOpenQuantity"] = quantity.clone();
                }
            }
        }
    }
}

fn base_line(db: &Database, line: &Record) -> Result<Option<Record>, Refusal> {
    let Some(entry) = line.get("BaseEntry").and_then(Value::as_i64) else { return Ok(None) };
    let kind = line.get("BaseType").and_then(Value::as_i64).unwrap_or(17);
    let number = line.get("BaseLine").and_then(Value::as_i64).unwrap_or(0);
    let set = base_set(kind);
    let missing = || Refusal::new(400, -2028, format!("No matching records found (ODBC -2028) [{set} {entry}]"));
    let base = db.get(set, &Key::Number(entry)).ok_or_else(missing)?;
    let found = base["DocumentLines"].as_array().into_iter().flatten().find(|line| line["LineNum"] == number);
    let found = found.and_then(Value::as_object).cloned().ok_or_else(missing)?;
    if text(&found, "LineStatus") == "bost_Close" {
        return Err(Refusal::new(
            400,
            -5002,
            format!("Base document line {number} of {set} {entry} is already closed"),
        ));
    }
    Ok(Some(found))
}

fn base_set(kind: i64) -> &'static str {
    DOCUMENTS.iter().find(|(_, _, _, own)| *own == kind).map_or("Orders", |(name, ..)| name)
}

/// The base lines lose open quantity; a line with none closes, a document with all lines closed closes. With -1 they get it back. The base
/// document's `UpdateDate` stays: no source says that B1 touches it.
fn draw_from_base(db: &mut Database, lines: &[Value], sign: Decimal) {
    for line in lines {
        let (Some(entry), Some(kind)) = (line["BaseEntry"].as_i64(), line["BaseType"].as_i64()) else { continue };
        let set = base_set(kind);
        let key = Key::Number(entry);
        let Some(mut base) = db.get(set, &key).cloned() else { continue };
        let number = line["BaseLine"].as_i64().unwrap_or(0);
        let quantity = decimal(&line["Quantity"]).unwrap_or_default() * sign;
        let mut drawn = Decimal::ZERO;
        let header = base.clone();
        let base_lines = base.get_mut("DocumentLines").and_then(Value::as_array_mut);
        let mut all_closed = true;
        for base_line in base_lines.into_iter().flatten() {
            if base_line["LineNum"] == number {
                let open = decimal(&base_line["RemainingOpenQuantity"]).unwrap_or_default();
                let left = (open - quantity).max(Decimal::ZERO);
                drawn += money::worth(&header, base_line, open - left);
                base_line["RemainingOpenQuantity"] = rounded(left);
                base_line["LineStatus"] = if left.is_zero() { "bost_Close" } else { "bost_Open" }.into();
            }
            all_closed &= base_line["LineStatus"] == "bost_Close";
        }
        if all_closed || sign.is_sign_negative() {
            base.insert("DocumentStatus".into(), if all_closed { "bost_Close" } else { "bost_Open" }.into());
        }
        let partner = Key::Text(text(&base, "CardCode").to_owned());
        db.put(set, key, base);
        match set {
            "Orders" => change_partner(db, &partner, "OpenOrdersBalance", -drawn),
            "DeliveryNotes" => change_partner(db, &partner, "OpenDeliveryNotesBalance", -drawn),
            _ => {}
        }
    }
}

/// Orders commit stock, purchase orders announce it, deliveries move it. The item's UpdateDate stays: a trap for those who poll.
fn move_stock(db: &mut Database, set: &str, lines: &[Value], sign: Decimal) {
    // A reserve invoice has kept what the order committed.
    let ordered = lines.iter().any(|line| line["BaseType"] == 17 || line["BaseType"] == 13);
    for line in lines {
        let (committed, in_stock, coming) = match (set, ordered) {
            ("Orders", _) => (1, 0, 0),
            ("PurchaseOrders", _) => (0, 0, 1),
            ("DeliveryNotes", true) => (-1, -1, 0),
            ("DeliveryNotes", false) => (0, -1, 0),
            ("Invoices", true) => (-1, -1, 0),
            ("Invoices", false) => (0, -1, 0),
            ("Returns" | "CreditNotes", _) => (0, 1, 0),
            _ => continue,
        };
        let key = Key::Text(line["ItemCode"].as_str().unwrap_or_default().to_owned());
        let quantity = units::pieces(line, "Quantity") * sign;
        // A service is in no stock.
        let kept = db.get("Items", &key).filter(|item| text(item, "InventoryItem") != "tNO");
        let Some(mut item) = kept.cloned() else { continue };
        let warehouses = item.get_mut("ItemWarehouseInfoCollection").and_then(Value::as_array_mut);
        for warehouse in warehouses.into_iter().flatten().filter(|w| w["WarehouseCode"] == line["WarehouseCode"]) {
            let plus = |value: &Value, times: i64| {
                rounded(decimal(value).unwrap_or_default() + quantity * Decimal::from(times))
            };
            warehouse["Committed"] = plus(&warehouse["Committed"], committed);
            warehouse["InStock"] = plus(&warehouse["InStock"], in_stock);
            warehouse["Ordered"] = plus(&warehouse["Ordered"], coming);
        }
        let on_stock = amount(&item, "QuantityOnStock") + quantity * Decimal::from(in_stock);
        let ordered = amount(&item, "QuantityOrderedByCustomers") + quantity * Decimal::from(committed);
        let announced = amount(&item, "QuantityOrderedFromVendors") + quantity * Decimal::from(coming);
        item.insert("QuantityOnStock".into(), rounded(on_stock));
        item.insert("QuantityOrderedByCustomers".into(), rounded(ordered));
        item.insert("QuantityOrderedFromVendors".into(), rounded(announced));
        db.put("Items", key, item);
    }
}

fn release(db: &mut Database, line: &Value) {
    let key = Key::Text(line["ItemCode"].as_str().unwrap_or_default().to_owned());
    let open = units::pieces(line, "RemainingOpenQuantity");
    let kept = db.get("Items", &key).filter(|item| text(item, "InventoryItem") != "tNO");
    let Some(mut item) = kept.cloned() else { return };
    let warehouses = item.get_mut("ItemWarehouseInfoCollection").and_then(Value::as_array_mut);
    for warehouse in warehouses.into_iter().flatten().filter(|w| w["WarehouseCode"] == line["WarehouseCode"]) {
        warehouse["Committed"] = rounded(decimal(&warehouse["Committed"]).unwrap_or_default() - open);
    }
    let ordered = amount(&item, "QuantityOrderedByCustomers") - open;
    item.insert("QuantityOrderedByCustomers".into(), rounded(ordered));
    db.put("Items", key, item);
}

/// Adds to a balance of a partner.
pub fn change_partner(db: &mut Database, key: &Key, property: &str, by: Decimal) {
    let Some(mut partner) = db.get("BusinessPartners", key).cloned() else { return };
    let after = amount(&partner, property) + by;
    partner.insert(property.into(), rounded(after));
    db.put("BusinessPartners", key.clone(), partner);
}

fn over_limit(partner: &Record, total: Decimal) -> bool {
    let limit = amount(partner, "CreditLimit");
    let used = amount(partner, "CurrentAccountBalance")
        + amount(partner, "OpenOrdersBalance")
        + amount(partner, "OpenDeliveryNotesBalance");
    !limit.is_zero() && used + total > limit
}

/// `PATCH <set>(key)`: lines merge by `LineNum`; with `replace` the lines that the body lacks are dropped.
pub fn patch(
    db: &mut Database,
    rules: &Rules,
    set: &str,
    key: &Key,
    body: Record,
    replace: bool,
) -> Result<(), Refusal> {
    let mut body = schema::check(db, "Document", "ORDR", &body)?;
    let mut header = db.get(set, key).cloned().ok_or_else(Refusal::not_found)?;
    if text(&header, "DocumentStatus") == "bost_Close" {
        return Err(Refusal::new(
            400,
            -5002,
            "Document is closed or cancelled; you cannot change it [ORDR.DocStatus]".into(),
        ));
    }
    if body.get("CardCode").is_some_and(|code| *code != header["CardCode"]) && set == "Orders" {
        return Err(Refusal::new(
            400,
            -5002,
            "You cannot change the business partner of an existing document [ORDR.CardCode]".into(),
        ));
    }
    if rules.branches {
        branches::keeps(&header, &body)?;
    }
    freight::merged(&header, &mut body, replace);
    let partner_key = Key::Text(text(&header, "CardCode").to_owned());
    let partner = db.get("BusinessPartners", &partner_key).cloned().unwrap_or_default();
    let currency = text(&header, "DocCurrency").to_owned();
    let doc_date = as_day(body.get("DocDate").and_then(Value::as_str).unwrap_or(text(&header, "DocDate")));
    due_after(body.get("DocDueDate").and_then(Value::as_str).unwrap_or_default(), &doc_date)?;
    // A document keeps the rate that it was made with.
    let kept_rate = Rules { rates: [(currency.clone(), amount(&header, "DocRate"))].into(), ..rules.clone() };
    let terms = Terms::of(&kept_rate, &currency, doc_date.get(..10).unwrap_or(&rules.today))?;
    let before = amount(&header, "DocTotal");
    let old_lines = header["DocumentLines"].as_array().cloned().unwrap_or_default();
    let mut lines = old_lines.clone();
    if let Some(given) = body.get("DocumentLines").and_then(Value::as_array) {
        let mut kept = Vec::new();
        let mut next = old_lines.iter().filter_map(|line| line["LineNum"].as_i64()).max().unwrap_or(-1) + 1;
        for line in given {
            let number = line["LineNum"].as_i64();
            let old = old_lines.iter().find(|old| number.is_some() && old["LineNum"].as_i64() == number);
            let number = match (number, old) {
                (Some(number), Some(_)) => number,
                _ => {
                    next += 1;
                    next - 1
                }
            };
            // Only named, so that it stays.
            if let (Some(old), Some(1)) = (old, line.as_object().map(Record::len)) {
                kept.push(old.clone());
                continue;
            }
            let mut merged = Record::new();
            if let Some(old) = old.and_then(Value::as_object) {
                if text(old, "LineStatus") == "bost_Close" && old.get("Quantity") != line.get("Quantity") {
                    return Err(Refusal::new(
                        400,
                        -5002,
                        format!("Row {} is closed; you cannot change it", number + 1),
                    ));
                }
                let settable = |name: &str| {
                    name.starts_with("U_")
                        || schema::properties("DocumentLine").iter().any(|own| own.name == name && !own.read_only)
                };
                merged.extend(old.iter().filter(|(name, _)| settable(name)).map(|(n, v)| (n.clone(), v.clone())));
                merged.remove("Price");
                merged.remove("BaseEntry");
            }
            merged.extend(line.as_object().cloned().unwrap_or_default());
            let mut finished = finish_line(db, &partner, set, &terms, number, Value::Object(merged))?;
            if let Some(old) = old {
                let delivered = decimal(&old["Quantity"]).unwrap_or_default()
                    - decimal(&old["RemainingOpenQuantity"]).unwrap_or_default();
                let open = decimal(&finished["Quantity"]).unwrap_or_default() - delivered;
                if open < Decimal::ZERO {
                    return Err(Refusal::new(
                        400,
                        -5002,
                        format!("Quantity falls below the quantity delivered [line: {}]", number + 1),
                    ));
                }
                finished["RemainingOpenQuantity"] = rounded(open);
                finished["TreeType"] = old["TreeType"].clone();
                kept.push(finished);
            } else {
                let own = components(db, rules, &partner, set, &terms, next, &finished)?;
                next += own.len() as i64;
                kept.push(finished);
                kept.extend(own);
            }
        }
        if !replace {
            for old in &old_lines {
                if !kept.iter().any(|line| line["LineNum"] == old["LineNum"]) {
                    kept.push(old.clone());
                }
            }
        }
        kept.sort_by_key(|line| line["LineNum"].as_i64());
        if !rules.boms.is_empty() {
            follow_parents(rules, &old_lines, &mut kept);
        }
        lines = kept;
    }
    if lines.is_empty() {
        return Err(Refusal::new(400, -5002, "A document needs at least one row".into()));
    }
    for (name, value) in body {
        if name != "DocumentLines" {
            let value = if name.ends_with("Date") && value.is_string() {
                as_day(value.as_str().unwrap_or_default()).into()
            } else {
                value
            };
            header.insert(name, value);
        }
    }
    let freight = freight::finish(db, &mut header, &mut lines)?;
    let total = money::write_totals(&mut header, &lines, freight, &terms);
    header.insert("DocumentLines".into(), Value::Array(lines));
    header.insert("UpdateDate".into(), format!("{}T00:00:00Z", rules.today).into());
    header.insert("UpdateTime".into(), rules.now.clone().into());
    db.put(set, key.clone(), header);
    if set == "Orders" {
        change_partner(db, &partner_key, "OpenOrdersBalance", total - before);
    }
    Ok(())
}

/// `POST <set>(key)/Cancel | Close | Reopen`.
pub fn action(db: &mut Database, rules: &Rules, set: &str, key: &Key, action: &str) -> Result<(), Refusal> {
    if cancellation::SETS.contains(&set) && matches!(action, "Cancel" | "CreateCancellationDocument") {
        return cancellation::cancel(db, rules, set, key).map(|_| ());
    }
    let mut header = db.get(set, key).cloned().ok_or_else(Refusal::not_found)?;
    let refuse = |why: &str| Err(Refusal::new(400, -5002, why.to_owned()));
    let closed = text(&header, "DocumentStatus") == "bost_Close";
    let drawn = header["DocumentLines"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|line| line["Quantity"] != line["RemainingOpenQuantity"]);
    match action {
        "Cancel" if text(&header, "Cancelled") == "tYES" => return refuse("Document is already cancelled"),
        "Cancel" if closed => return refuse("Document is closed; you cannot cancel it"),
        "Cancel" if drawn => return refuse("Document is partly delivered; you cannot cancel it"),
        "Close" if closed => return refuse("Document is already closed"),
        "Cancel" => {
            header.insert("Cancelled".into(), "tYES".into());
            header.insert("CancelStatus".into(), "csYes".into());
            header.insert("DocumentStatus".into(), "bost_Close".into());
        }
        "Close" => {
            header.insert("DocumentStatus".into(), "bost_Close".into());
        }
        "Reopen" if text(&header, "Cancelled") == "tYES" => {
            return refuse("Document is cancelled; you cannot reopen it");
        }
        "Reopen" => {
            header.insert("DocumentStatus".into(), "bost_Open".into());
        }
        _ => return Err(Refusal::new(404, -1000, format!("Unknown action {action}"))),
    }
    if set == "Orders" && action != "Reopen" {
        let open = header["DocumentLines"].as_array().cloned().unwrap_or_default();
        let value: Decimal = open
            .iter()
            .map(|line| money::worth(&header, line, decimal(&line["RemainingOpenQuantity"]).unwrap_or_default()))
            .sum();
        let partner = Key::Text(text(&header, "CardCode").to_owned());
        change_partner(db, &partner, "OpenOrdersBalance", -value);
    }
    if set == "Orders" && action != "Reopen" {
        // What was committed for it is free again.
        for line in header["DocumentLines"].as_array().cloned().unwrap_or_default() {
            release(db, &line);
        }
    }
    for line in header.get_mut("DocumentLines").and_then(Value::as_array_mut).into_iter().flatten() {
        line["LineStatus"] = if action == "Reopen" { "bost_Open" } else { "bost_Close" }.into();
    }
    header.insert("UpdateDate".into(), format!("{}T00:00:00Z", rules.today).into());
    header.insert("UpdateTime".into(), rules.now.clone().into());
    db.put(set, key.clone(), header);
    Ok(())
}

/// True for a partner that documents name.
pub fn is_used(db: &Database, partner: &Key) -> bool {
    let Key::Text(code) = partner else { return false };
    DOCUMENTS
        .iter()
        .any(|(set, ..)| db.tables[*set].records.values().any(|document| document["CardCode"] == code.as_str()))
}

/// A delivery of an order made by somebody in the warehouse: all lines, or the first one only.
pub fn deliver(db: &mut Database, rules: &Rules, order: i64, partly: bool) -> Result<Key, Refusal> {
    let header = db.get("Orders", &Key::Number(order)).cloned().ok_or_else(Refusal::not_found)?;
    let lines: Vec<Value> = header["DocumentLines"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|line| line["LineStatus"] == "bost_Open")
        .take(if partly { 1 } else { usize::MAX })
        .map(|line| {
            let open = decimal(&line["RemainingOpenQuantity"]).unwrap_or_default();
            let quantity = if partly { (open / Decimal::TWO).max(Decimal::ONE).floor() } else { open };
            let item = line["ItemCode"].as_str().unwrap_or_default();
            let mut drawn = json!({ "BaseType": 17, "BaseEntry": order, "BaseLine": line["LineNum"], "Quantity": rounded(quantity) });
            tracked::pick(db, item, quantity, &mut drawn);
            drawn
        })
        .collect();
    let mut body = Record::new();
    body.insert("CardCode".into(), header["CardCode"].clone());
    body.insert("DocCurrency".into(), header["DocCurrency"].clone());
    body.insert("DiscountPercent".into(), header["DiscountPercent"].clone());
    body.insert("DocumentLines".into(), Value::Array(lines));
    branches::inherit(&header, &mut body);
    create(db, rules, "DeliveryNotes", body)
}

/// *Duplicate* on a document: a new one with the same lines, and with all user fields.
pub fn duplicate(db: &mut Database, rules: &Rules, set: &str, key: &Key) -> Result<Key, Refusal> {
    let header = db.get(set, key).cloned().ok_or_else(Refusal::not_found)?;
    let is_kept = |name: &str| {
        name.starts_with("U_")
            || matches!(name, "CardCode" | "DocCurrency" | "DiscountPercent" | "NumAtCard" | "Comments")
    };
    let of_line = |name: &str| {
        name.starts_with("U_")
            || matches!(name, "ItemCode" | "Quantity" | "UnitPrice" | "DiscountPercent" | "WarehouseCode" | "VatGroup")
    };
    let mut body: Record = header.clone().into_iter().filter(|(name, _)| is_kept(name)).collect();
    let lines = header["DocumentLines"].as_array().into_iter().flatten().filter_map(Value::as_object);
    let lines: Vec<Value> = lines
        .filter(|line| line.get("TreeType").is_none_or(|tree| tree != "iIngredient"))
        .map(|line| Value::Object(line.clone().into_iter().filter(|(name, _)| of_line(name)).collect()))
        .collect();
    body.insert("DocDueDate".into(), rules.today.clone().into());
    body.insert("DocumentLines".into(), lines.into());
    branches::inherit(&header, &mut body);
    create(db, rules, set, body)
}

/// An invoice of an order's open lines; of its deliveries' open lines where it has been delivered.
pub fn invoice(db: &mut Database, rules: &Rules, order: i64) -> Result<Key, Refusal> {
    let header = db.get("Orders", &Key::Number(order)).cloned().ok_or_else(Refusal::not_found)?;
    let open = |kind: i64, document: &Record| -> Vec<Value> {
        document["DocumentLines"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|line| line["LineStatus"] == "bost_Open")
            .map(|line| {
                let mut drawn =
                    json!({ "BaseType": kind, "BaseEntry": document["DocEntry"], "BaseLine": line["LineNum"] });
                if kind == 17 {
                    let open = decimal(&line["RemainingOpenQuantity"]).unwrap_or_default();
                    tracked::pick(db, line["ItemCode"].as_str().unwrap_or_default(), open, &mut drawn);
                }
                drawn
            })
            .collect()
    };
    let mut lines: Vec<Value> = Vec::new();
    for delivery in db.tables["DeliveryNotes"].records.values() {
        let of_order = |line: &Value| line["BaseType"] == 17 && line["BaseEntry"] == order;
        if delivery["DocumentLines"].as_array().into_iter().flatten().any(of_order) {
            lines.extend(open(15, &delivery));
        }
    }
    lines.extend(open(17, &header));
    let mut body = Record::new();
    body.insert("CardCode".into(), header["CardCode"].clone());
    body.insert("DocCurrency".into(), header["DocCurrency"].clone());
    body.insert("DiscountPercent".into(), header["DiscountPercent"].clone());
    body.insert("DocumentLines".into(), Value::Array(lines));
    branches::inherit(&header, &mut body);
    create(db, rules, "Invoices", body)
}
