//! One Service Layer request against the company: reading, writing, actions, user fields and tables. The same for direct
//! requests and for those inside `$batch`.

use serde_json::{Value, json};

use super::database::{Database, Key, Record};
use super::documents::{self, DOCUMENTS, Rules};
use super::odata;
use super::{Refusal, Reply, Version};

/// Rows of a page unless the client says otherwise.
const PAGE: usize = 20;

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
    Set(String),
    Count(String),
    One(String, Key),
    Property(String, Key, String),
}

/// Answers a request. On a refusal the caller rolls back.
pub fn answer(db: &mut Database, rules: &Rules, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let target = target(asked.path)?;
    let overridden = (asked.headers)("x-http-method-override");
    let method = overridden.as_deref().filter(|_| asked.method == "POST").unwrap_or(asked.method);
    let set = match &target {
        Target::Set(set) | Target::Count(set) | Target::One(set, _) | Target::Property(set, _, _) => set.clone(),
    };
    if !db.tables.contains_key(&set) {
        return Err(Refusal::new(400, -1000, format!("Unrecognized resource path: {}", asked.path)));
    }
    match (method, target) {
        ("GET", Target::Set(set)) => list(db, &set, asked),
        ("GET", Target::Count(set)) => {
            let rows = filtered(db, &set, &odata::options(asked.query))?;
            Ok(Reply::text(200, rows.len().to_string()))
        }
        ("GET", Target::One(set, key)) => {
            let record = db.get(&set, &key).ok_or_else(Refusal::not_found)?;
            let options = odata::options(asked.query);
            let mut record = select(record, &options);
            record.insert("@odata.etag".into(), etag(db.get(&set, &key)).into());
            Ok(Reply::json(200, Value::Object(record)).with("ETag", etag(db.get(&set, &key))))
        }
        ("GET", Target::Property(set, key, property)) => {
            let record = db.get(&set, &key).ok_or_else(Refusal::not_found)?;
            let value = record
                .get(&property)
                .cloned()
                .ok_or_else(|| Refusal::new(400, -1000, format!("Property '{property}' of '{set}' is invalid")))?;
            Ok(Reply::json(200, json!({ "value": value })))
        }
        ("POST", Target::Set(set)) => {
            let key = create(db, rules, &set, object(asked.body)?)?;
            let location = format!("{}/{set}({key})", asked.version.root());
            if (asked.headers)("prefer").is_some_and(|prefer| prefer.contains("return-no-content")) {
                return Ok(Reply::empty(204).with("Location", location));
            }
            let record = db.get(&set, &key).cloned().unwrap_or_default();
            Ok(Reply::json(201, Value::Object(record)).with("Location", location))
        }
        ("POST", Target::Property(set, key, action)) if DOCUMENTS.iter().any(|(name, ..)| *name == set) => {
            documents::action(db, &set, &key, &action)?;
            Ok(Reply::empty(204))
        }
        ("PATCH" | "PUT", Target::One(set, key)) => {
            let current = db.get(&set, &key).ok_or_else(Refusal::not_found)?;
            if let Some(wanted) = (asked.headers)("if-match")
                && wanted != "*"
                && wanted != etag(Some(current))
            {
                return Err(Refusal::new(
                    412,
                    -2039,
                    "Another user or another operation modified data; to continue, open the window again (ODBC -2039)"
                        .into(),
                ));
            }
            let replace = (asked.headers)("b1s-replacecollectionsonpatch").is_some_and(|value| value == "true");
            update(db, rules, &set, &key, object(asked.body)?, replace)?;
            Ok(Reply::empty(204))
        }
        ("DELETE", Target::One(set, key)) => {
            if DOCUMENTS.iter().any(|(name, ..)| *name == set && set != "Drafts") {
                return Err(Refusal::new(400, -5006, "The requested action is not supported for this object".into()));
            }
            if db.remove(&set, &key) { Ok(Reply::empty(204)) } else { Err(Refusal::not_found()) }
        }
        _ => Err(Refusal::new(405, -1000, format!("{method} is not allowed on {}", asked.path))),
    }
}

fn target(path: &str) -> Result<Target, Refusal> {
    let path = odata::decode(path.trim_matches('/'));
    let unknown = || Refusal::new(400, -1000, format!("Unrecognized resource path: /{path}"));
    let Some(open) = path.find('(') else {
        return match path.split_once('/') {
            None => Ok(Target::Set(path)),
            Some((set, "$count")) => Ok(Target::Count(set.to_owned())),
            Some(_) => Err(unknown()),
        };
    };
    let close = path.rfind(')').filter(|close| *close > open).ok_or_else(unknown)?;
    let set = path[..open].to_owned();
    let inside = &path[open + 1..close];
    // A single key may be named: Orders(DocEntry=1).
    let literal = match inside.split_once('=') {
        Some((_, value)) if !inside.starts_with('\'') => value,
        _ => inside,
    };
    let key = match literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(text) => Key::Text(text.replace("''", "'")),
        None => Key::Number(literal.parse().map_err(|_| unknown())?),
    };
    match path[close + 1..].trim_matches('/') {
        "" => Ok(Target::One(set, key)),
        rest => Ok(Target::Property(set, key, rest.to_owned())),
    }
}

fn object(body: &str) -> Result<Record, Refusal> {
    match serde_json::from_str(body) {
        Ok(Value::Object(record)) => Ok(record),
        Ok(_) => Err(Refusal::new(400, -1000, "Invalid JSON format: an object is expected".into())),
        Err(error) => Err(Refusal::new(400, -1000, format!("Invalid JSON format: {error}"))),
    }
}

fn filtered<'a>(db: &'a Database, set: &str, options: &[(String, String)]) -> Result<Vec<&'a Record>, Refusal> {
    let filter = option(options, "$filter").map(odata::parse_filter).transpose();
    let filter = filter.map_err(|why| Refusal::new(400, 201, format!("Invalid filter: {why}")))?;
    let all =
        || -> Vec<&Record> { db.tables.get(set).map(|table| table.records.values().collect()).unwrap_or_default() };
    let Some(filter) = filter else { return Ok(all()) };
    let candidates = filter.pinned().and_then(|(property, values)| db.candidates(set, &property, &values));
    Ok(candidates.unwrap_or_else(all).into_iter().filter(|record| filter.passes(record)).collect())
}

fn option<'a>(options: &'a [(String, String)], name: &str) -> Option<&'a str> {
    options.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

fn list(db: &Database, set: &str, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let options = odata::options(asked.query);
    for (name, _) in &options {
        const KNOWN: [&str; 9] =
            ["$filter", "$select", "$orderby", "$top", "$skip", "$count", "$inlinecount", "$expand", "$apply"];
        if name.starts_with('$') && !KNOWN.contains(&name.as_str()) {
            return Err(Refusal::new(400, 201, format!("Invalid query option: {name}")));
        }
    }
    let mut rows = filtered(db, set, &options)?;
    let total = rows.len();
    if let Some(order) = option(&options, "$orderby") {
        sort(&mut rows, order);
    }
    let number = |name: &str| -> Result<Option<usize>, Refusal> {
        let parse =
            |text: &str| text.trim().parse().map_err(|_| Refusal::new(400, 201, format!("{name} must be a number")));
        option(&options, name).map(parse).transpose()
    };
    let skip = number("$skip")?.unwrap_or(0);
    let top = number("$top")?;
    let preferred = (asked.headers)("prefer").and_then(|prefer| {
        prefer
            .split([',', ';'])
            .find_map(|part| part.trim().strip_prefix("odata.maxpagesize=")?.trim().parse::<usize>().ok())
    });
    let size = match preferred {
        Some(0) => usize::MAX,
        Some(size) => size,
        None => PAGE,
    };
    let wanted = top.unwrap_or(usize::MAX);
    let page: Vec<Value> =
        rows.iter().skip(skip).take(wanted.min(size)).map(|record| Value::Object(select(record, &options))).collect();
    let sent = page.len();
    let more = sent == size && skip + sent < total && sent < wanted;
    let mut body = Record::new();
    let v2 = asked.version == Version::V2;
    if v2 {
        body.insert("@odata.context".into(), format!("{}/$metadata#{set}", asked.version.root()).into());
    }
    if option(&options, "$count") == Some("true") {
        body.insert("@odata.count".into(), total.into());
    }
    if option(&options, "$inlinecount") == Some("allpages") {
        body.insert("odata.count".into(), total.to_string().into());
    }
    body.insert("value".into(), Value::Array(page));
    if more {
        let mut rest: Vec<String> = asked
            .query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("$skip=") && !pair.starts_with("$top="))
            .map(str::to_owned)
            .collect();
        if let Some(top) = top {
            rest.push(format!("$top={}", top - sent));
        }
        rest.push(format!("$skip={}", skip + sent));
        let link = format!("{set}?{}", rest.join("&"));
        if v2 {
            body.insert("@odata.nextLink".into(), link.into());
        } else {
            body.insert("odata.nextLink".into(), format!("{}/{link}", asked.version.root()).into());
        }
    }
    let reply = Reply::json(200, Value::Object(body));
    Ok(match preferred {
        Some(size) => reply.with("Preference-Applied", format!("odata.maxpagesize={size}")),
        None => reply,
    })
}

fn sort(rows: &mut [&Record], order: &str) {
    let keys: Vec<(&str, bool)> = order
        .split(',')
        .filter_map(|part| {
            let mut words = part.split_whitespace();
            Some((words.next()?, words.next() == Some("desc")))
        })
        .collect();
    rows.sort_by(|a, b| {
        for (name, descending) in &keys {
            let (left, right) = (a.get(*name).unwrap_or(&Value::Null), b.get(*name).unwrap_or(&Value::Null));
            let order = match (odata::decimal(left), odata::decimal(right)) {
                (Some(left), Some(right)) if left != right => left.cmp(&right),
                _ => left.as_str().cmp(&right.as_str()),
            };
            let order = if *descending { order.reverse() } else { order };
            if order.is_ne() {
                return order;
            }
        }
        std::cmp::Ordering::Equal
    });
}

fn select(record: &Record, options: &[(String, String)]) -> Record {
    match option(options, "$select") {
        None | Some("*") => record.clone(),
        Some(names) => names
            .split(',')
            .filter_map(|name| record.get(name.trim()).map(|value| (name.trim().to_owned(), value.clone())))
            .collect(),
    }
}

fn etag(record: Option<&Record>) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    record.map(|record| Value::Object(record.clone()).to_string()).hash(&mut hasher);
    format!("W/\"{:016X}\"", hasher.finish())
}

fn create(db: &mut Database, rules: &Rules, set: &str, body: Record) -> Result<Key, Refusal> {
    if DOCUMENTS.iter().any(|(name, ..)| *name == set) {
        return documents::create(db, rules, set, body);
    }
    let exists = |what: &str| {
        Refusal::new(400, -2035, format!("This entry already exists in the following tables (ODBC -2035) [{what}]"))
    };
    match set {
        "UserFieldsMD" => {
            let (table, name) = (string(&body, "TableName"), string(&body, "Name"));
            if table.is_empty() || name.is_empty() {
                return Err(Refusal::new(400, -5002, "Enter a table name and a field name".into()));
            }
            let fields = db.user_fields.entry(table.clone()).or_default();
            let field = format!("U_{name}");
            if fields.contains(&field) {
                return Err(exists(&format!("CUFD {table}.{name}")));
            }
            fields.push(field);
            let id = db.number("user fields", 0);
            let mut record = body;
            record.insert("FieldID".into(), id.into());
            db.put(set, Key::Number(id), record);
            Ok(Key::Number(id))
        }
        "UserTablesMD" => {
            let name = string(&body, "TableName");
            let key = Key::Text(name.clone());
            if name.is_empty() || name.len() > 19 {
                return Err(Refusal::new(400, -5002, "A user table has a name of at most 19 characters".into()));
            }
            if db.get(set, &key).is_some() {
                return Err(exists(&format!("OUTB {name}")));
            }
            db.put(set, key.clone(), body);
            db.tables.insert(format!("U_{name}"), super::database::Table::new("Code"));
            Ok(key)
        }
        _ => {
            let key_name = db.tables.get(set).map_or("Code", |table| table.key);
            let key = match body.get(key_name) {
                Some(Value::String(text)) if !text.is_empty() => Key::Text(text.clone()),
                Some(Value::Number(number)) => Key::Number(number.as_i64().unwrap_or_default()),
                _ if set == "BusinessPartners" => {
                    return Err(Refusal::new(400, -5002, "Enter a business partner code [OCRD.CardCode]".into()));
                }
                _ => return Err(Refusal::new(400, -5002, format!("Enter a value for {key_name}"))),
            };
            if set.starts_with("U_") {
                if let Key::Text(code) = &key
                    && code.chars().count() > 50
                {
                    return Err(Refusal::new(400, -5002, format!("Value too long in property 'Code' of '{set}'")));
                }
                let known = |name: &str| matches!(name, "Code" | "Name") || name.starts_with("U_");
                if let Some(name) = body.keys().find(|name| !known(name)) {
                    return Err(Refusal::new(400, -1000, format!("Property '{name}' of '{set}' is invalid")));
                }
            }
            if db.get(set, &key).is_some() {
                return Err(exists(set));
            }
            db.put(set, key.clone(), body);
            Ok(key)
        }
    }
}

fn string(record: &Record, name: &str) -> String {
    record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn update(db: &mut Database, rules: &Rules, set: &str, key: &Key, body: Record, replace: bool) -> Result<(), Refusal> {
    if DOCUMENTS.iter().any(|(name, ..)| *name == set) {
        return documents::patch(db, rules, set, key, body, replace);
    }
    let mut record = db.get(set, key).cloned().ok_or_else(Refusal::not_found)?;
    record.extend(body);
    record.insert("UpdateDate".into(), format!("{}T00:00:00Z", rules.today).into());
    record.insert("UpdateTime".into(), rules.now.clone().into());
    db.put(set, key.clone(), record);
    Ok(())
}
