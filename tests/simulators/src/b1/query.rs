//! Reading of an entity set: filter, order, select, expand, page; `$apply` and `$crossjoin`. Source: OData 4.0 as far as the
//! Service Layer manual says it is served.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::database::{Database, Key, Record};
use super::odata::{self, decimal, number_value};
use super::schema::{self, NAVIGATION};
use super::service::Asked;
use super::{Refusal, Reply, Version, tracked};

/// Rows of a page unless the client says otherwise.
const PAGE: usize = 20;

/// The options of a request, read once.
pub struct Options(Vec<(String, String)>);

impl Options {
    /// From a query string; the names that are served, and no others.
    pub fn read(query: &str) -> Result<Self, Refusal> {
        const KNOWN: [&str; 10] = [
            "$filter",
            "$select",
            "$orderby",
            "$top",
            "$skip",
            "$count",
            "$inlinecount",
            "$expand",
            "$apply",
            "$format",
        ];
        let options = odata::options(query);
        if let Some((name, _)) =
            options.iter().find(|(name, _)| name.starts_with('$') && !KNOWN.contains(&name.as_str()))
        {
            return Err(invalid(format!("Invalid query option: {name}")));
        }
        Ok(Self(options))
    }

    /// One option; `None` when it is not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let parse = |text: &str| {
            text.trim().parse().map_err(|_| invalid(format!("Invalid query option: {name} must be a whole number")))
        };
        self.get(name).map(parse).transpose()
    }
}

fn invalid(why: String) -> Refusal {
    Refusal::new(400, 201, why)
}

/// `GET <set>`.
pub fn list(db: &Database, set: &str, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let options = Options::read(asked.query)?;
    if let Some(apply) = options.get("$apply") {
        let rows = apply_all(db, set, apply)?;
        return Ok(Reply::json(
            200,
            json!({ "@odata.context": format!("{}/$metadata#{set}", asked.version.root()), "value": rows }),
        ));
    }
    let most = Size::of(&options, asked)?.enough(db, set, &options);
    let rows = first(db, set, &options, most)?;
    page(db, set, rows, &options, asked, set)
}

/// `GET <set>/$count`.
pub fn count(db: &Database, set: &str, query: &str) -> Result<usize, Refusal> {
    let options = Options::read(query)?;
    match (options.get("$filter"), db.tables.get(set)) {
        (None, Some(table)) => Ok(table.records.len()),
        _ => Ok(filtered(db, set, &options)?.len()),
    }
}

/// Rows that pass `$filter`, in key order.
pub fn filtered<'a>(db: &'a Database, set: &str, options: &Options) -> Result<Vec<&'a Record>, Refusal> {
    first(db, set, options, usize::MAX)
}

/// The first of them, so many.
fn first<'a>(db: &'a Database, set: &str, options: &Options, most: usize) -> Result<Vec<&'a Record>, Refusal> {
    let Some(table) = db.tables.get(set) else { return Ok(Vec::new()) };
    let Some(text) = options.get("$filter") else { return Ok(table.records.find(|_| true).take(most).collect()) };
    let filter = odata::parse_filter(text).map_err(|why| invalid(format!("Invalid filter: {why}")))?;
    for path in filter.properties() {
        if !schema::has(db, set, path) {
            return Err(Refusal::new(400, -1000, format!("Property '{path}' of '{}' is invalid", entity_of(set))));
        }
    }
    if let Some(found) = filter.pinned().and_then(|(property, values)| db.candidates(set, &property, &values)) {
        return Ok(found.into_iter().filter(|record| filter.passes(record)).collect());
    }
    // A text beside keys that are numbers is compared as a number.
    let is_like =
        |key: &Key| matches!((table.records.keys().next(), key), (Some(Key::Text(_)), _) | (_, Key::Number(_)));
    let from = filter.beyond().filter(|(property, key)| table.keys == [*property] && is_like(key));
    let from = from.map_or(Bound::Unbounded, |(_, key)| Bound::Included(key));
    Ok(table.records.find_from(from, |record| filter.passes(record)).take(most).collect())
}

fn entity_of(set: &str) -> &str {
    schema::known_set(set).map_or(set, |known| known.entity)
}

/// How much of the rows a page shows.
struct Size {
    skip: usize,
    top: Option<usize>,
    /// What the client prefers, where it says so.
    preferred: Option<usize>,
    rows: usize,
}

impl Size {
    fn of(options: &Options, asked: &Asked<'_>) -> Result<Self, Refusal> {
        let preferred = (asked.headers)("prefer").and_then(|prefer| {
            prefer
                .split([',', ';'])
                .find_map(|part| part.trim().strip_prefix("odata.maxpagesize=")?.trim().parse::<usize>().ok())
        });
        let size = preferred.or_else(|| (asked.headers)("b1s-pagesize").and_then(|size| size.trim().parse().ok()));
        let rows = match size {
            Some(0) => usize::MAX,
            Some(size) => size,
            None => PAGE,
        };
        Ok(Self { skip: options.number("$skip")?.unwrap_or(0), top: options.number("$top")?, preferred, rows })
    }

    /// How many rows, in the order of their keys, tell all that the page has to say.
    fn enough(&self, db: &Database, set: &str, options: &Options) -> usize {
        let by_key = options.get("$orderby").is_none_or(|order| {
            db.tables.get(set).is_some_and(|table| table.keys.iter().copied().eq(order.split(',').map(str::trim)))
        });
        if !by_key || options.get("$count").is_some() || options.get("$inlinecount").is_some() {
            return usize::MAX;
        }
        let shown = self.top.map_or(self.rows, |top| top.min(self.rows));
        // And one more, to know whether there is another page.
        self.skip.saturating_add(shown).saturating_add(1)
    }
}

/// Order, page and shape of rows. `address` is where the next page is asked for.
pub fn page(
    db: &Database,
    set: &str,
    mut rows: Vec<&Record>,
    options: &Options,
    asked: &Asked<'_>,
    address: &str,
) -> Result<Reply, Refusal> {
    if let Some(order) = options.get("$orderby") {
        sort(db, set, &mut rows, order)?;
    }
    let total = rows.len();
    let Size { skip, top, preferred, rows: size } = Size::of(options, asked)?;
    let wanted = top.unwrap_or(usize::MAX);
    let sent: Vec<Value> = rows
        .iter()
        .skip(skip)
        .take(wanted.min(size))
        .map(|record| {
            let mut row = shape(db, set, record, options, asked.version)?;
            if asked.version == Version::V2 && is_document(set) {
                row.insert("@odata.etag".into(), super::service::etag(record).into());
            }
            Ok(Value::Object(row))
        })
        .collect::<Result<_, Refusal>>()?;
    let more = sent.len() == size && skip + sent.len() < total && sent.len() < wanted;
    let v2 = asked.version == Version::V2;
    let mut body = Record::new();
    let context = format!("{}/$metadata#{set}", asked.version.root());
    body.insert(if v2 { "@odata.context" } else { "odata.metadata" }.into(), context.into());
    if options.get("$count") == Some("true") {
        body.insert("@odata.count".into(), total.into());
    }
    if options.get("$inlinecount") == Some("allpages") {
        body.insert("odata.count".into(), total.to_string().into());
    }
    let next = skip + sent.len();
    body.insert("value".into(), Value::Array(sent));
    if more {
        let mut rest = odata::without(asked.query, &["$skip", "$top"]);
        if let Some(top) = top {
            rest.push(format!("$top={}", top - size));
        }
        rest.push(format!("$skip={next}"));
        let link = format!("{address}?{}", rest.join("&"));
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

/// Of the real service's rows each has its ETag; here those of documents, where it is worth its time.
fn is_document(set: &str) -> bool {
    super::documents::DOCUMENTS.iter().any(|(name, ..)| *name == set)
}

fn sort(db: &Database, set: &str, rows: &mut [&Record], order: &str) -> Result<(), Refusal> {
    let mut keys = Vec::new();
    for part in order.split(',') {
        let mut words = part.split_whitespace();
        let name = words.next().unwrap_or_default();
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(invalid(format!("Invalid query option: $orderby has '{other}'"))),
        };
        if !schema::has(db, set, name) {
            return Err(Refusal::new(400, -1000, format!("Property '{name}' of '{}' is invalid", entity_of(set))));
        }
        keys.push((name, descending));
    }
    rows.sort_by(|a, b| {
        for (name, descending) in &keys {
            let (left, right) = (a.get(*name).unwrap_or(&Value::Null), b.get(*name).unwrap_or(&Value::Null));
            let order = odata::order_of(left, right);
            let order = if *descending { order.reverse() } else { order };
            if order.is_ne() {
                return order;
            }
        }
        std::cmp::Ordering::Equal
    });
    Ok(())
}

/// One record as it is sent: `$select`, `$expand`, and the form of the version.
pub fn shape(
    db: &Database,
    set: &str,
    record: &Record,
    options: &Options,
    version: Version,
) -> Result<Record, Refusal> {
    let mut shaped = match options.get("$select") {
        None | Some("*" | "") => record.clone(),
        Some(names) => {
            let mut selected = Record::new();
            for name in names.split(',').map(str::trim) {
                // `DocumentLines/ItemCode` selects within a collection.
                let head = name.split('/').next().unwrap_or(name);
                if !schema::has(db, set, name) {
                    return Err(Refusal::new(
                        400,
                        -1000,
                        format!("Property '{name}' of '{}' is invalid", entity_of(set)),
                    ));
                }
                selected.insert(head.to_owned(), record.get(head).cloned().unwrap_or_default());
            }
            tracked::leave_out(&mut selected);
            selected
        }
    };
    if let Some(expand) = options.get("$expand") {
        for (name, inner) in
            odata::split_expand(expand).map_err(|why| invalid(format!("Invalid query option: $expand: {why}")))?
        {
            let value = follow(db, set, record, &name).ok_or_else(|| {
                Refusal::new(400, -1000, format!("Property '{name}' of '{}' is invalid", entity_of(set)))
            })?;
            let inner = Options(inner);
            let value = match value {
                Followed::One(target, found) => found
                    .map(|found| shape(db, target, found, &inner, version).map(Value::Object))
                    .transpose()?
                    .unwrap_or_default(),
                Followed::Many(target, found) => {
                    let passing = filtered(db, target, &inner)?;
                    let rows = found.into_iter().filter(|row| passing.iter().any(|own| std::ptr::eq(*own, *row)));
                    let rows: Vec<Value> = rows
                        .map(|row| shape(db, target, row, &inner, version).map(Value::Object))
                        .collect::<Result<_, _>>()?;
                    Value::Array(rows)
                }
            };
            shaped.insert(name, value);
        }
    }
    if version == Version::V1 {
        for value in shaped.values_mut() {
            as_v1(value);
        }
    }
    Ok(shaped)
}

/// v1 writes a day without its time part.
fn as_v1(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(day) = text.strip_suffix("T00:00:00Z").filter(|day| day.len() == 10) {
                *value = day.to_owned().into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_v1),
        Value::Object(fields) => fields.values_mut().for_each(as_v1),
        _ => {}
    }
}

/// Where a navigation property leads.
pub enum Followed<'a> {
    One(&'static str, Option<&'a Record>),
    Many(&'static str, Vec<&'a Record>),
}

/// Follows a navigation property of a record.
pub fn follow<'a>(db: &'a Database, set: &str, record: &Record, name: &str) -> Option<Followed<'a>> {
    let entity = schema::known_set(set)?.entity;
    let (_, _, target, property, many) =
        NAVIGATION.iter().find(|(own, relation, ..)| *own == entity && *relation == name)?;
    if *many {
        let own = Key::of(record, schema::known_set(set)?.keys)?;
        let own = match own {
            Key::Text(text) => Value::from(text),
            Key::Number(number) => Value::from(number),
            Key::Many(_) => return None,
        };
        let rows = db.tables.get(*target)?.records.find(move |row| row.get(*property) == Some(&own)).collect();
        return Some(Followed::Many(target, rows));
    }
    let key = match record.get(*property) {
        Some(Value::String(text)) => Some(Key::Text(text.clone())),
        Some(Value::Number(number)) => number.as_i64().map(Key::Number),
        _ => None,
    };
    Some(Followed::One(target, key.and_then(|key| db.get(target, &key))))
}

/// `$apply`: `filter(…)`, `aggregate(…)` and `groupby((…),aggregate(…))`, one after the other.
fn apply_all(db: &Database, set: &str, text: &str) -> Result<Vec<Value>, Refusal> {
    let wrong = |why: &str| invalid(format!("Invalid query option: $apply: {why}"));
    let mut rows: Vec<Record> =
        db.tables.get(set).into_iter().flat_map(|table| table.records.values().map(Cow::into_owned)).collect();
    for step in odata::split_outside(text, '/') {
        let (name, inside) = odata::call_of(step).ok_or_else(|| wrong("a transformation is expected"))?;
        match name {
            "filter" => {
                let filter = odata::parse_filter(inside).map_err(|why| wrong(&why))?;
                rows.retain(|row| filter.passes(row));
            }
            "aggregate" => rows = vec![aggregate(&rows, inside).map_err(|why| wrong(&why))?],
            "groupby" => {
                let parts = odata::split_outside(inside, ',');
                let names = parts
                    .first()
                    .and_then(|names| names.trim().strip_prefix('(')?.strip_suffix(')'))
                    .ok_or_else(|| wrong("groupby wants ((properties))"))?;
                let names: Vec<&str> = names.split(',').map(str::trim).collect();
                if let Some(unknown) = names.iter().find(|name| !schema::has(db, set, name)) {
                    return Err(Refusal::new(
                        400,
                        -1000,
                        format!("Property '{unknown}' of '{}' is invalid", entity_of(set)),
                    ));
                }
                let mut groups: BTreeMap<String, (Record, Vec<Record>)> = BTreeMap::new();
                for row in rows {
                    let head: Record = names
                        .iter()
                        .map(|name| ((*name).to_owned(), row.get(*name).cloned().unwrap_or_default()))
                        .collect();
                    let text = Value::Object(head.clone()).to_string();
                    groups.entry(text).or_insert_with(|| (head, Vec::new())).1.push(row);
                }
                rows = Vec::new();
                for (mut head, members) in groups.into_values() {
                    if let Some(then) = parts.get(1) {
                        let (name, inside) = odata::call_of(then).ok_or_else(|| wrong("aggregate is expected"))?;
                        if name != "aggregate" {
                            return Err(wrong("aggregate is expected"));
                        }
                        head.extend(aggregate(&members, inside).map_err(|why| wrong(&why))?);
                    }
                    rows.push(head);
                }
            }
            other => return Err(wrong(&format!("'{other}' is not served"))),
        }
    }
    Ok(rows.into_iter().map(Value::Object).collect())
}

/// `DocTotal with sum as Total, $count as N`
fn aggregate(rows: &[Record], text: &str) -> Result<Record, String> {
    let mut result = Record::new();
    for part in odata::split_outside(text, ',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        let (property, method, alias) = match words.as_slice() {
            ["$count", "as", alias] => ("", "count", *alias),
            [property, "with", method, "as", alias] => (*property, *method, *alias),
            _ => return Err(format!("'{}' is not of the form `Property with method as Alias`", part.trim())),
        };
        let numbers = || rows.iter().filter_map(|row| row.get(property).and_then(decimal));
        let values = || rows.iter().filter_map(|row| row.get(property)).filter(|value| !value.is_null());
        let value = match method {
            "count" => rows.len().into(),
            "sum" => number_value(numbers().sum()),
            "average" => {
                number_value((numbers().sum::<Decimal>() / Decimal::from(numbers().count().max(1))).round_dp(6))
            }
            "min" => values().min_by(|a, b| odata::order_of(a, b)).cloned().unwrap_or_default(),
            "max" => values().max_by(|a, b| odata::order_of(a, b)).cloned().unwrap_or_default(),
            "countdistinct" => {
                let mut texts: Vec<String> = values().map(Value::to_string).collect();
                texts.sort();
                texts.dedup();
                texts.len().into()
            }
            other => return Err(format!("the method '{other}' is not served")),
        };
        result.insert(alias.to_owned(), value);
    }
    Ok(result)
}

/// `$crossjoin(Orders,Orders/DocumentLines)?$expand=Orders($select=…),…&$filter=Orders/DocEntry eq Orders/DocumentLines/DocEntry`
pub fn crossjoin(db: &Database, sets: &str, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let options = Options::read(asked.query)?;
    let names: Vec<&str> = sets.split(',').map(str::trim).collect();
    let mut sides: Vec<Vec<Record>> = Vec::new();
    for name in &names {
        let (set, collection) = name.split_once('/').map_or((*name, None), |(set, collection)| (set, Some(collection)));
        let table = db
            .tables
            .get(set)
            .ok_or_else(|| Refusal::new(400, -1000, format!("Unrecognized resource path: {name}")))?;
        let keys = table.keys;
        sides.push(match collection {
            None => table.records.values().map(Cow::into_owned).collect(),
            Some(collection) => {
                let lines = |record: &Record| -> Vec<Record> {
                    let rows = record.get(collection).and_then(Value::as_array).cloned().unwrap_or_default();
                    let with_key = |mut row: Record| {
                        for key in keys {
                            row.entry((*key).to_owned()).or_insert(record.get(*key).cloned().unwrap_or_default());
                        }
                        row
                    };
                    rows.into_iter().filter_map(|row| row.as_object().cloned()).map(with_key).collect()
                };
                table.records.values().flat_map(|record| lines(&record)).collect()
            }
        });
    }
    let filter = options
        .get("$filter")
        .map(|text| odata::parse_filter(text).map_err(|why| invalid(format!("Invalid filter: {why}"))))
        .transpose()?;
    let expand = options.get("$expand").ok_or_else(|| invalid("$crossjoin wants $expand".into()))?;
    let expand = odata::split_expand(expand).map_err(|why| invalid(format!("Invalid query option: $expand: {why}")))?;
    // For each set of `$expand`: its place among the sides, and the properties selected.
    let mut columns: Vec<(String, usize, Option<Vec<String>>)> = Vec::new();
    for (name, inner) in expand {
        let place = names.iter().position(|own| *own == name);
        let place = place.ok_or_else(|| invalid(format!("Invalid query option: $expand: '{name}' is not joined")))?;
        let selected = inner.iter().find(|(option, _)| option == "$select").map(|(_, selected)| selected);
        let selected: Option<Vec<String>> =
            selected.map(|selected| selected.split(',').map(|property| property.trim().to_owned()).collect());
        let (set, within) = name.split_once('/').map_or((name.as_str(), String::new()), |(set, collection)| {
            (set, format!("{collection}/")) // a line's properties, and its document's key
        });
        let wrong = selected.iter().flatten().find(|property| {
            !schema::has(db, set, &format!("{within}{property}"))
                && !db.tables.get(set).is_some_and(|table| table.keys.contains(&property.as_str()))
        });
        if let Some(property) = wrong {
            return Err(Refusal::new(400, -1000, format!("Property '{property}' of '{name}' is invalid")));
        }
        columns.push((name, place, selected));
    }
    let top = options.number("$top")?.unwrap_or(usize::MAX);
    let skip = options.number("$skip")?.unwrap_or(0);
    let mut found = Vec::new();
    let mut seen = 0;
    join(&sides, &mut Vec::new(), &mut |row| {
        // Paths such as Orders/DocumentLines/DocEntry are looked up by their longest set.
        let passes = filter.as_ref().is_none_or(|filter| filter.passes_by(&|path| lookup(&names, row, path)));
        if passes {
            seen += 1;
            if seen > skip && found.len() < top.min(PAGE * 50) {
                let mut value = Record::new();
                for (name, place, selected) in &columns {
                    let whole = row[*place];
                    let side = match selected {
                        None => whole.clone(),
                        Some(selected) => selected
                            .iter()
                            .map(|property| (property.clone(), whole.get(property).cloned().unwrap_or_default()))
                            .collect(),
                    };
                    value.insert(name.clone(), Value::Object(side));
                }
                found.push(Value::Object(value));
            }
        }
    });
    Ok(Reply::json(
        200,
        json!({ "@odata.context": format!("{}/$metadata#Collection(Edm.ComplexType)", asked.version.root()), "value": found }),
    ))
}

fn lookup(names: &[&str], row: &[&Record], path: &str) -> Value {
    let place = names
        .iter()
        .enumerate()
        .filter(|(_, name)| path.strip_prefix(**name).is_some_and(|rest| rest.starts_with('/')))
        .max_by_key(|(_, name)| name.len());
    match place {
        Some((place, name)) => row[place].get(&path[name.len() + 1..]).cloned().unwrap_or_default(),
        None => Value::Null,
    }
}

fn join<'a>(sides: &'a [Vec<Record>], row: &mut Vec<&'a Record>, visit: &mut dyn FnMut(&[&Record])) {
    match sides.get(row.len()) {
        None => visit(row),
        Some(side) => {
            for record in side {
                row.push(record);
                join(sides, row, visit);
                row.pop();
            }
        }
    }
}
