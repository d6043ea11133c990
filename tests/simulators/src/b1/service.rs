//! One Service Layer request against the company: where it leads, and what it does there. The same for direct requests and
//! for those inside `$batch`.

use serde_json::{Value, json};

use super::database::{Database, Key, Record};
use super::documents::{self, DOCUMENTS, Rules};
use super::query::{self, Followed, Options};
use super::webhooks::CATALOGUE;
use super::{Refusal, Reply, Version, ledger, metadata, money, odata, payments, reconciliations, removal, schema, sql};

/// A request, wherever it came from.
pub struct Asked<'a> {
    pub version: Version,
    pub method: &'a str,
    /// Below the version's root, such as `/Orders(1)/Cancel`.
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a dyn Fn(&str) -> Option<String>,
    pub body: &'a str,
}

/// Where a path leads.
enum Target {
    /// `Orders`
    Set(String),
    /// `Orders/$count`
    Count(String),
    /// `Orders(1)`
    One(String, Key),
    /// `Orders(1)/CardCode`, `Orders(1)/Cancel`, `BusinessPartners('C1')/Orders`, and what follows.
    Below(String, Key, Vec<String>),
    /// `CompanyService_GetAdminInfo`
    Function(String),
    Metadata,
    CrossJoin(String),
}

/// Answers a request. On a refusal the caller rolls back.
pub fn answer(db: &mut Database, rules: &Rules, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let target = target(asked.path)?;
    let overridden = (asked.headers)("x-http-method-override").map(|method| method.to_ascii_uppercase());
    let method = overridden.as_deref().filter(|_| asked.method == "POST").unwrap_or(asked.method);
    if let Target::Set(set) | Target::Count(set) | Target::One(set, _) | Target::Below(set, ..) = &target
        && !set.is_empty()
        && !db.tables.contains_key(set)
    {
        return Err(Refusal::new(404, -1000, format!("Unrecognized resource path: {}", asked.path)));
    }
    match (method, target) {
        ("GET", Target::Metadata) => Ok(Reply::xml(metadata::document(db, asked.version))),
        ("GET", Target::CrossJoin(sets)) => query::crossjoin(db, &sets, asked),
        ("GET", Target::Set(set)) if set.is_empty() => Ok(service_document(db, asked.version)),
        ("GET", Target::Set(set)) => query::list(db, &set, asked),
        ("GET", Target::Count(set)) => Ok(Reply::text(200, query::count(db, &set, asked.query)?.to_string())),
        ("GET", Target::One(set, key)) => one(db, &set, &key, asked),
        ("GET" | "POST", Target::Below(set, key, rest)) if set == "SQLQueries" && rest == ["List"] => {
            run_sql(db, &key, asked)
        }
        ("GET", Target::Below(set, key, rest)) => below(db, &set, &key, &rest, asked),
        ("POST", Target::Set(set)) => {
            let key = create(db, rules, &set, object(asked.body)?)?;
            let location = format!("{}/{set}({})", asked.version.root(), named(&set, &key));
            if (asked.headers)("prefer").is_some_and(|prefer| prefer.contains("return-no-content")) {
                return Ok(Reply::empty(204).with("Location", location));
            }
            let record = db.get(&set, &key).cloned().unwrap_or_default();
            let tag = etag(&record);
            let mut shaped = query::shape(db, &set, &record, &Options::read("")?, asked.version)?;
            annotate(&mut shaped, &set, asked.version, &tag);
            Ok(Reply::json(201, Value::Object(shaped)).with("Location", location).with("ETag", tag))
        }
        ("POST", Target::Below(set, key, rest)) => {
            let [action] = rest.as_slice() else { return Err(unknown(asked.path)) };
            act(db, rules, &set, &key, action)?;
            Ok(Reply::empty(204))
        }
        ("POST", Target::Function(name)) | ("GET", Target::Function(name)) => function(db, rules, &name, asked),
        ("PATCH" | "PUT", Target::One(set, key)) => {
            let current = db.get(&set, &key).ok_or_else(Refusal::not_found)?;
            if let Some(wanted) = (asked.headers)("if-match")
                && wanted != "*"
                && wanted != etag(current)
            {
                return Err(Refusal::new(
                    412,
                    -2039,
                    "Another user or another operation modified data; to continue, open the window again (ODBC -2039)"
                        .into(),
                ));
            }
            let replace = (asked.headers)("b1s-replacecollectionsonpatch")
                .is_some_and(|value| value.eq_ignore_ascii_case("true"));
            update(db, rules, &set, &key, object(asked.body)?, replace || method == "PUT")?;
            Ok(Reply::empty(204))
        }
        ("DELETE", Target::One(set, key)) => {
            if DOCUMENTS.iter().any(|(name, ..)| *name == set && set != "Drafts") || set == "IncomingPayments" {
                return Err(Refusal::new(400, -5006, "The requested action is not supported for this object".into()));
            }
            if set == "Drafts" && rules.keeps_drafts {
                return Err(Refusal::new(400, -5002, "The draft is in an approval process [ODRF]".into()));
            }
            if set == "EventNotifications" {
                return Err(Refusal::new(405, -1000, "EventNotifications is read-only".into()));
            }
            removal::prepare(db, &set, &key)?;
            if db.remove(&set, &key) { Ok(Reply::empty(204)) } else { Err(Refusal::not_found()) }
        }
        _ => Err(Refusal::new(405, -1000, format!("{method} is not allowed on {}", asked.path))),
    }
}

fn unknown(path: &str) -> Refusal {
    Refusal::new(404, -1000, format!("Unrecognized resource path: {path}"))
}

fn target(path: &str) -> Result<Target, Refusal> {
    let path = odata::decode(path.trim_matches('/'));
    if path == "$metadata" {
        return Ok(Target::Metadata);
    }
    if let Some(sets) = path.strip_prefix("$crossjoin(").and_then(|rest| rest.strip_suffix(')')) {
        return Ok(Target::CrossJoin(sets.to_owned()));
    }
    let mut segments = odata::split_outside(&path, '/').into_iter();
    let first = segments.next().unwrap_or_default();
    let rest: Vec<String> = segments.map(str::to_owned).collect();
    let Some((set, inside)) = odata::call_of(first) else {
        return match rest.as_slice() {
            [] if first.contains("Service_") => Ok(Target::Function(first.to_owned())),
            [] => Ok(Target::Set(first.to_owned())),
            [count] if count == "$count" => Ok(Target::Count(first.to_owned())),
            _ => Err(unknown(&path)),
        };
    };
    let key = key(set, inside)
        .ok_or_else(|| Refusal::new(400, -1000, format!("The key predicate of {first} cannot be read")))?;
    if rest.is_empty() { Ok(Target::One(set.to_owned(), key)) } else { Ok(Target::Below(set.to_owned(), key, rest)) }
}

/// `12`, `'C1'`, `DocEntry=12`, `CardCode='C1',ItemCode='A1'`.
fn key(set: &str, text: &str) -> Option<Key> {
    let literal = |text: &str| -> Option<Key> {
        let text = text.trim();
        match text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(text) => Some(Key::Text(text.replace("''", "'"))),
            None => text.parse().ok().map(Key::Number),
        }
    };
    let parts = odata::split_outside(text, ',');
    let named = |part: &&str| -> Option<(String, Key)> {
        let (name, value) = part.split_once('=').filter(|_| !part.starts_with('\''))?;
        Some((name.trim().to_owned(), literal(value)?))
    };
    match parts.as_slice() {
        [one] => match named(one) {
            Some((_, key)) => Some(key),
            None => literal(one),
        },
        many => {
            let pairs: Vec<(String, Key)> = many.iter().map(named).collect::<Option<_>>()?;
            let names = schema::known_set(set)?.keys;
            let find = |name: &&str| pairs.iter().find(|(own, _)| own == name).map(|(_, key)| key.clone());
            names.iter().map(find).collect::<Option<Vec<_>>>().map(Key::Many)
        }
    }
}

/// The key as it stands in an address: several with their names.
fn named(set: &str, key: &Key) -> String {
    match (key, schema::known_set(set)) {
        (Key::Many(keys), Some(known)) => {
            let pairs: Vec<String> = known.keys.iter().zip(keys).map(|(name, key)| format!("{name}={key}")).collect();
            pairs.join(",")
        }
        _ => key.to_string(),
    }
}

fn object(body: &str) -> Result<Record, Refusal> {
    match serde_json::from_str(body) {
        Ok(Value::Object(record)) => Ok(record),
        Ok(_) => Err(Refusal::new(400, -1000, "Invalid JSON format: an object is expected".into())),
        Err(error) => Err(Refusal::new(400, -1000, format!("Invalid JSON format: {error}"))),
    }
}

fn service_document(db: &Database, version: Version) -> Reply {
    let sets: Vec<Value> =
        db.tables.keys().map(|name| json!({ "name": name, "kind": "EntitySet", "url": name })).collect();
    let context = if version == Version::V2 { "@odata.context" } else { "odata.metadata" };
    Reply::json(200, json!({ context: format!("{}/$metadata", version.root()), "value": sets }))
}

fn annotate(record: &mut Record, set: &str, version: Version, tag: &str) {
    let context = format!("{}/$metadata#{set}/$entity", version.root());
    if version == Version::V2 {
        record.insert("@odata.context".into(), context.into());
        record.insert("@odata.etag".into(), tag.into());
    } else {
        record.insert("odata.metadata".into(), context.replace("/$entity", "/@Element").into());
        record.insert("odata.etag".into(), tag.into());
    }
}

fn one(db: &Database, set: &str, key: &Key, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let record = db.get(set, key).ok_or_else(Refusal::not_found)?;
    let tag = etag(record);
    let mut shaped = query::shape(db, set, record, &Options::read(asked.query)?, asked.version)?;
    annotate(&mut shaped, set, asked.version, &tag);
    Ok(Reply::json(200, Value::Object(shaped)).with("ETag", tag))
}

/// A property, its raw value, or what a navigation property leads to.
fn below(db: &Database, set: &str, key: &Key, rest: &[String], asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let record = db.get(set, key).ok_or_else(Refusal::not_found)?;
    let name = rest.first().map(String::as_str).unwrap_or_default();
    if let Some(followed) = query::follow(db, set, record, name) {
        let options = Options::read(asked.query)?;
        return match (followed, rest.get(1).map(String::as_str)) {
            (Followed::One(target, Some(found)), None) => {
                let mut shaped = query::shape(db, target, found, &options, asked.version)?;
                annotate(&mut shaped, target, asked.version, &etag(found));
                Ok(Reply::json(200, Value::Object(shaped)))
            }
            (Followed::One(_, None), None) => Err(Refusal::not_found()),
            (Followed::Many(target, rows), None) => {
                let passing = query::filtered(db, target, &options)?;
                let rows = rows.into_iter().filter(|row| passing.iter().any(|own| std::ptr::eq(*own, *row))).collect();
                query::page(db, target, rows, &options, asked, &format!("{set}({})/{name}", named(set, key)))
            }
            (Followed::Many(_, rows), Some("$count")) => Ok(Reply::text(200, rows.len().to_string())),
            _ => Err(unknown(asked.path)),
        };
    }
    if !schema::has(db, set, name) {
        return Err(Refusal::new(400, -1000, format!("Property '{name}' of '{set}' is invalid")));
    }
    let value = record.get(name).cloned().unwrap_or_default();
    match rest.get(1).map(String::as_str) {
        None => {
            let context = if asked.version == Version::V2 { "@odata.context" } else { "odata.metadata" };
            Ok(Reply::json(
                200,
                json!({ context: format!("{}/$metadata#{set}({key})/{name}", asked.version.root()), "value": value }),
            ))
        }
        Some("$value") if value.is_null() => Ok(Reply::empty(204)),
        Some("$value") => Ok(Reply::text(200, value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
        Some("$count") => Ok(Reply::text(200, value.as_array().map_or(0, Vec::len).to_string())),
        Some(_) => Err(unknown(asked.path)),
    }
}

fn run_sql(db: &Database, key: &Key, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let text = db.get("SQLQueries", key).ok_or_else(Refusal::not_found)?["SqlText"].as_str().unwrap_or_default();
    // In the address one by one or as ParamList, in the body as ParamList.
    let (lists, mut parameters): (Vec<_>, Vec<_>) =
        odata::options(asked.query).into_iter().partition(|(name, _)| name == "ParamList");
    let mut lists: Vec<String> = lists.into_iter().map(|(_, list)| list).collect();
    if asked.method == "POST" && !asked.body.is_empty() {
        lists.push(string(&object(asked.body)?, "ParamList"));
    }
    for list in lists {
        parameters
            .extend(list.split('&').filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
    let rows = sql::run(db, text, &parameters)?;
    let number =
        |name: &str| parameters.iter().find(|(own, _)| own == name).and_then(|(_, value)| value.parse::<usize>().ok());
    let skip = number("$skip").unwrap_or(0);
    let preferred = (asked.headers)("prefer")
        .and_then(|prefer| prefer.strip_prefix("odata.maxpagesize=")?.trim().parse::<usize>().ok());
    let size = match preferred {
        Some(0) => usize::MAX,
        Some(size) => size,
        None => 20,
    };
    let total = rows.len();
    let page: Vec<Value> = rows.into_iter().skip(skip).take(size).collect();
    let sent = page.len();
    let mut body = json!({ "value": page, "SqlText": text });
    if skip + sent < total {
        let kept = odata::without(asked.query, &["$skip"]);
        let link = [kept, vec![format!("$skip={}", skip + sent)]].concat().join("&");
        let name = if asked.version == Version::V2 { "@odata.nextLink" } else { "odata.nextLink" };
        body[name] = format!("SQLQueries({key})/List?{link}").into();
    }
    Ok(Reply::json(200, body))
}

fn act(db: &mut Database, rules: &Rules, set: &str, key: &Key, action: &str) -> Result<(), Refusal> {
    if set == "IncomingPayments" && action == "Cancel" {
        return payments::cancel(db, key);
    }
    if set == "InternalReconciliations" && action == "Cancel" {
        return reconciliations::cancel(db, key);
    }
    if !DOCUMENTS.iter().any(|(name, ..)| *name == set) {
        return Err(unknown(&format!("/{set}({key})/{action}")));
    }
    documents::action(db, rules, set, key, action)
}

fn function(db: &Database, rules: &Rules, name: &str, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    match name {
        "CompanyService_GetCompanyInfo" => Ok(Reply::json(
            200,
            json!({ "CompanyName": "Tandem Demo", "Version": "1000290", "EnableTransactionNotification": "tNO" }),
        )),
        "CompanyService_GetAdminInfo" => {
            let enabled = if rules.webhooks { "tYES" } else { "tNO" };
            Ok(Reply::json(
                200,
                json!({ "CompanyName": "Tandem Demo", "LocalCurrency": rules.local, "SystemCurrency": rules.local, "DirectIndirectRate": "tYES", "EnableWebhook": enabled }),
            ))
        }
        "SBOBobService_GetCurrencyRate" => Ok(Reply::json(200, money::asked_rate(db, rules, &object(asked.body)?)?)),
        // The switch itself is thrown by the caller, who holds it.
        "CompanyService_UpdateAdminInfo" => {
            object(asked.body)?;
            Ok(Reply::empty(204))
        }
        "EventSubscriptionsService_GetEventCatalog" => {
            let catalogue: Vec<Value> = CATALOGUE
                .iter()
                .map(|(object, types)| json!({ "BusinessObject": object, "TransactionTypes": types }))
                .collect();
            Ok(Reply::json(200, json!({ "value": catalogue })))
        }
        "QueryService_PostQuery" => {
            let body = object(asked.body)?;
            let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let sets = text("QueryPath");
            let sets = sets
                .strip_prefix("$crossjoin(")
                .and_then(|rest| rest.strip_suffix(')'))
                .ok_or_else(|| unknown(&sets))?;
            let option = text("QueryOption");
            query::crossjoin(db, sets, &Asked { query: &option, ..*asked })
        }
        "SeriesService_GetDocumentSeries" => Ok(Reply::json(
            200,
            json!({ "value": [{ "Series": 11, "Name": "Primary", "InitialNumber": 10_001, "Locked": "tNO" }] }),
        )),
        _ => Err(unknown(asked.path)),
    }
}

/// Changes with every change of the record.
pub fn etag(record: &Record) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(record).unwrap_or_default().hash(&mut hasher);
    format!("W/\"{:016X}\"", hasher.finish())
}

fn exists(what: &str) -> Refusal {
    Refusal::new(400, -2035, format!("This entry already exists in the following tables (ODBC -2035) [{what}]"))
}

fn create(db: &mut Database, rules: &Rules, set: &str, body: Record) -> Result<Key, Refusal> {
    if DOCUMENTS.iter().any(|(name, ..)| *name == set) {
        return documents::create(db, rules, set, body);
    }
    match set {
        "IncomingPayments" => payments::create(db, rules, &body),
        "JournalEntries" => ledger::create(db, rules, &body),
        "InternalReconciliations" => reconciliations::create(db, rules, &body),
        "EventNotifications" => Err(Refusal::new(405, -1000, "EventNotifications is read-only".into())),
        "UserFieldsMD" => create_user_field(db, &body),
        "UserTablesMD" => create_user_table(db, &body),
        "BusinessPartners" => create_partner(db, rules, &body),
        "EventSubscriptions" => create_subscription(db, rules, &body),
        _ => create_plain(db, rules, set, &body),
    }
}

fn create_user_field(db: &mut Database, body: &Record) -> Result<Key, Refusal> {
    let mut record = schema::check(db, "UserFieldMD", "", body)?;
    let (table, name) = (string(&record, "TableName"), string(&record, "Name"));
    if table.is_empty() || name.is_empty() {
        return Err(Refusal::new(400, -5002, "Enter a table name and a field name [CUFD]".into()));
    }
    let id = db.number(&format!("user fields {table}"), 0);
    record.insert("FieldID".into(), id.into());
    record.entry("Type").or_insert("db_Alpha".into());
    let size = if string(&record, "Type") == "db_Alpha" { 50 } else { 11 };
    record.entry("Size").or_insert(size.into());
    if !db.add_user_field(&table, &name, record.clone()) {
        return Err(exists(&format!("CUFD {table}.{name}")));
    }
    let key = Key::Many(vec![Key::Text(table), Key::Number(id)]);
    db.put("UserFieldsMD", key.clone(), record);
    Ok(key)
}

fn create_user_table(db: &mut Database, body: &Record) -> Result<Key, Refusal> {
    let record = schema::check(db, "UserTablesMD", "", body)?;
    let name = string(&record, "TableName");
    let key = Key::Text(name.clone());
    if name.is_empty() || name.chars().count() > 19 {
        return Err(Refusal::new(
            400,
            -5002,
            "A user table has a name of at most 19 characters [OUTB.TableName]".into(),
        ));
    }
    if db.get("UserTablesMD", &key).is_some() {
        return Err(exists(&format!("OUTB {name}")));
    }
    db.put("UserTablesMD", key.clone(), record);
    db.add_user_table(&name);
    Ok(key)
}

fn create_partner(db: &mut Database, rules: &Rules, body: &Record) -> Result<Key, Refusal> {
    let mut record = schema::check(db, "BusinessPartner", "OCRD", body)?;
    if string(&record, "CardCode").is_empty() {
        // A numbering series gives the code; without one it must be said.
        if !record.contains_key("Series") {
            return Err(Refusal::new(400, -5002, "Enter a business partner code [OCRD.CardCode]".into()));
        }
        let number = db.number("partners", 70_001);
        record.insert("CardCode".into(), format!("C{number}").into());
    }
    let code = string(&record, "CardCode");
    let key = Key::Text(code.clone());
    if db.get("BusinessPartners", &key).is_some() {
        return Err(exists("OCRD"));
    }
    if string(&record, "CardName").is_empty() {
        return Err(Refusal::new(400, -5002, "Enter a business partner name [OCRD.CardName]".into()));
    }
    for (field, value) in [
        ("CardType", json!("cCustomer")),
        ("Currency", json!("EUR")),
        ("Valid", json!("tYES")),
        ("Frozen", json!("tNO")),
        ("GroupCode", json!(100)),
        ("PriceListNum", json!(1)),
        ("PayTermsGrpCode", json!(1)),
        ("CreditLimit", json!(0)),
        ("MaxCommitment", json!(0)),
        ("CurrentAccountBalance", json!(0)),
        ("OpenOrdersBalance", json!(0)),
        ("OpenDeliveryNotesBalance", json!(0)),
        ("BPAddresses", json!([])),
        ("ContactEmployees", json!([])),
        ("CreateDate", format!("{}T00:00:00Z", rules.today).into()),
    ] {
        record.entry(field).or_insert(value);
    }
    check_references(db, &record)?;
    number_rows(db, &mut record, &code);
    stamp(&mut record, rules);
    db.put("BusinessPartners", key.clone(), record);
    Ok(key)
}

/// Other master data that a partner names must be there.
fn check_references(db: &Database, partner: &Record) -> Result<(), Refusal> {
    for (field, set) in
        [("PriceListNum", "PriceLists"), ("PayTermsGrpCode", "PaymentTermsTypes"), ("SalesPersonCode", "SalesPersons")]
    {
        let number = partner.get(field).and_then(Value::as_i64);
        if let Some(number) = number.filter(|number| *number != -1)
            && db.get(set, &Key::Number(number)).is_none()
        {
            return Err(Refusal::new(400, -2028, format!("No matching records found (ODBC -2028) [OCRD.{field}]")));
        }
    }
    let currency = string(partner, "Currency");
    if currency != "##" && db.get("Currencies", &Key::Text(currency.clone())).is_none() {
        return Err(Refusal::new(
            400,
            -2028,
            format!("No matching records found (ODBC -2028) [OCRD.Currency {currency}]"),
        ));
    }
    Ok(())
}

/// Addresses get a row number, contact employees an internal code of the whole company.
fn number_rows(db: &mut Database, partner: &mut Record, code: &str) {
    for (row, address) in partner.get_mut("BPAddresses").and_then(Value::as_array_mut).into_iter().flatten().enumerate()
    {
        address["RowNum"] = row.into();
        address["BPCode"] = code.into();
        if address["AddressType"].is_null() {
            address["AddressType"] = "bo_BillTo".into();
        }
    }
    for contact in partner.get_mut("ContactEmployees").and_then(Value::as_array_mut).into_iter().flatten() {
        if contact["InternalCode"].is_null() {
            contact["InternalCode"] = db.number("contacts", 1_000).into();
        }
        contact["CardCode"] = code.into();
        if contact["Active"].is_null() {
            contact["Active"] = "tYES".into();
        }
    }
}

fn stamp(record: &mut Record, rules: &Rules) {
    record.insert("UpdateDate".into(), format!("{}T00:00:00Z", rules.today).into());
    record.insert("UpdateTime".into(), rules.now.clone().into());
}

fn create_subscription(db: &mut Database, rules: &Rules, body: &Record) -> Result<Key, Refusal> {
    let mut record = schema::check(db, "EventSubscription", "", body)?;
    if !rules.webhooks {
        return Err(Refusal::new(
            400,
            -5002,
            "Webhook is not enabled for the company: set EnableWebhook by CompanyService_UpdateAdminInfo".into(),
        ));
    }
    let (id, url) = (string(&record, "WebhookID"), string(&record, "WebhookURL"));
    if id.is_empty() || !url.starts_with("https://") {
        return Err(Refusal::new(400, -5002, "WebhookID and an https WebhookURL are required".into()));
    }
    let key = Key::Text(id);
    if db.get("EventSubscriptions", &key).is_some() {
        return Err(exists("EventSubscriptions"));
    }
    if db.tables["EventSubscriptions"].records.values().any(|own| own["WebhookURL"] == url.as_str()) {
        return Err(Refusal::new(400, -5002, "WebhookURL must be unique".into()));
    }
    for event in record.get("EventCollection").and_then(Value::as_array).into_iter().flatten() {
        let object = event["BusinessObject"].as_str().unwrap_or_default();
        let types = CATALOGUE.iter().find(|(own, _)| *own == object).map(|(_, types)| *types).unwrap_or_default();
        let asked = event["TransactionType"].as_str().unwrap_or_default();
        if let Some(wrong) = asked.split([',', ';']).map(str::trim).find(|own| *own != "*" && !types.contains(own)) {
            return Err(Refusal::new(400, -5002, format!("The catalogue has no event {object} {wrong}")));
        }
    }
    record.entry("Status").or_insert("Active".into());
    record.entry("AuthenticationType").or_insert("None".into());
    db.put("EventSubscriptions", key.clone(), record);
    Ok(key)
}

fn create_plain(db: &mut Database, rules: &Rules, set: &str, body: &Record) -> Result<Key, Refusal> {
    let names: &[&str] = schema::known_set(set).map_or(&["Code"], |known| known.keys);
    let mut record = match schema::known_set(set) {
        Some(known) => schema::check(db, known.entity, known.table, body)?,
        None => {
            let known = |name: &str| {
                matches!(name, "Code" | "Name") || db.user_field(&format!("@{}", &set[2..]), name).is_some()
            };
            if let Some(name) = body.keys().find(|name| !known(name)) {
                return Err(Refusal::new(400, -1000, format!("Property '{name}' of '{set}' is invalid")));
            }
            for (name, most) in [("Code", 50), ("Name", 100)] {
                if string(body, name).chars().count() > most {
                    return Err(Refusal::new(400, -1000, format!("Value too long in property '{name}' of '{set}'")));
                }
            }
            body.clone()
        }
    };
    if set == "SQLQueries" {
        let parameters = sql::check(&string(&record, "SqlText"))?;
        record.insert("ParamList".into(), parameters.join(",").into());
    }
    let key = Key::of(&record, names)
        .ok_or_else(|| Refusal::new(400, -5002, format!("Enter a value for {}", names.join(", "))))?;
    if db.get(set, &key).is_some() {
        return Err(exists(set));
    }
    if set == "Items" {
        for (field, value) in [
            ("SalesItem", json!("tYES")),
            ("PurchaseItem", json!("tYES")),
            ("InventoryItem", json!("tYES")),
            ("ManageBatchNumbers", json!("tNO")),
            ("ManageSerialNumbers", json!("tNO")),
            ("Valid", json!("tYES")),
            ("Frozen", json!("tNO")),
            ("ItemsGroupCode", json!(100)),
            ("QuantityOnStock", json!(0)),
            ("QuantityOrderedByCustomers", json!(0)),
            ("QuantityOrderedFromVendors", json!(0)),
            ("ItemPrices", json!([])),
            (
                "ItemWarehouseInfoCollection",
                json!(
                    crate::company::WAREHOUSES
                        .map(|(code, _)| json!({ "WarehouseCode": code, "InStock": 0, "Committed": 0, "Ordered": 0 }))
                ),
            ),
        ] {
            record.entry(field).or_insert(value);
        }
        stamp(&mut record, rules);
    }
    db.put(set, key.clone(), record);
    Ok(key)
}

fn string(record: &Record, name: &str) -> String {
    record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn update(db: &mut Database, rules: &Rules, set: &str, key: &Key, body: Record, replace: bool) -> Result<(), Refusal> {
    if DOCUMENTS.iter().any(|(name, ..)| *name == set) {
        return documents::patch(db, rules, set, key, body, replace);
    }
    let mut record = db.get(set, key).cloned().ok_or_else(Refusal::not_found)?;
    let Some(known) = schema::known_set(set) else {
        record.extend(body);
        db.put(set, key.clone(), record);
        return Ok(());
    };
    if matches!(
        set,
        "EventNotifications" | "IncomingPayments" | "InternalReconciliations" | "JournalEntries" | "UserTablesMD"
    ) {
        return Err(Refusal::new(400, -5006, "The requested action is not supported for this object".into()));
    }
    let body = schema::check(db, known.entity, known.table, &body)?;
    for name in known.keys {
        if body.get(*name).is_some_and(|value| Some(value) != record.get(*name)) {
            return Err(Refusal::new(
                400,
                -1000,
                format!("Property '{name}' of '{}' is invalid: a key cannot be changed", known.entity),
            ));
        }
    }
    if set == "SQLQueries" && body.contains_key("SqlText") {
        sql::check(&string(&body, "SqlText"))?;
    }
    for (name, value) in body {
        // Collections merge by their rows' key; without one a row is new.
        let by = match name.as_str() {
            "BPAddresses" => Some(&["RowNum", "AddressName", "AddressType"][..]),
            "ContactEmployees" => Some(&["InternalCode", "Name"][..]),
            "ItemPrices" => Some(&["PriceList"][..]),
            "BPBranchAssignment" => Some(&["BPLID"][..]),
            "ItemWarehouseInfoCollection" => Some(&["WarehouseCode"][..]),
            _ => None,
        };
        match (by, value) {
            (Some(by), Value::Array(rows)) if !replace => {
                let old = record.get(&name).and_then(Value::as_array).cloned().unwrap_or_default();
                record.insert(name, Value::Array(merged(old, rows, by)));
            }
            (_, value) => {
                record.insert(name, value);
            }
        }
    }
    if set == "BusinessPartners" {
        check_references(db, &record)?;
        let code = string(&record, "CardCode");
        number_rows(db, &mut record, &code);
    }
    if properties_have(known.entity, "UpdateDate") {
        stamp(&mut record, rules);
    }
    db.put(set, key.clone(), record);
    Ok(())
}

fn properties_have(entity: &str, name: &str) -> bool {
    schema::properties(entity).iter().any(|property| property.name == name)
}

fn merged(mut old: Vec<Value>, rows: Vec<Value>, by: &[&str]) -> Vec<Value> {
    for row in rows {
        // A row's number says all; without one the names that make it unique do.
        let numbered = ["RowNum", "InternalCode"].into_iter().find(|name| by.contains(name) && !row[*name].is_null());
        let same = |own: &&mut Value| match numbered {
            Some(number) => own[number] == row[number],
            None => by.iter().all(|name| {
                own[*name] == row[*name]
                    || row[*name].is_null() && matches!(*name, "AddressType" | "RowNum" | "InternalCode")
            }),
        };
        match old.iter_mut().find(same) {
            Some(own) => {
                if let (Some(own), Value::Object(row)) = (own.as_object_mut(), row) {
                    own.extend(row);
                }
            }
            None => old.push(row),
        }
    }
    old
}
