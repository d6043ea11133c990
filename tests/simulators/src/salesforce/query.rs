//! What a query sees of the org's records: conditions with types checked as Salesforce checks them, parent fields, child
//! sub-queries, semi-joins, aggregates, order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::org::{Id, Org, Record, RowError, long_id, number_value};
use super::schema::{Field, Schema};
use super::soql::{Aggregate, Condition, DatePart, Fields, Literal, Op, Operand, Order, Query, Selected};

/// Source: SOQL limits of the Salesforce Developer Limits reference.
const MOST_OFFSET: usize = 2_000;
const MOST_PARENTS: usize = 5;
const MOST_ROWS_OF_ALL_FIELDS: usize = 200;

/// Ids that a condition pins down.
struct Pinned<'a> {
    own: Vec<String>,
    lists: Vec<&'a [Id]>,
}

impl Pinned<'_> {
    fn len(&self) -> usize {
        self.own.len() + self.lists.iter().map(|list| list.len()).sum::<usize>()
    }
}

/// What a query gives.
#[derive(Debug)]
pub enum Rows {
    /// `COUNT()`
    Count(usize),
    Records(Vec<Value>),
}

impl Org {
    /// Runs a query; `with_deleted` is `queryAll`.
    pub fn query(&self, query: &Query, with_deleted: bool) -> Result<Rows, RowError> {
        let name = self.schema.real_name(&query.object).ok_or_else(|| unsupported(&query.object))?;
        if query.offset > MOST_OFFSET {
            return Err(RowError::new(
                "NUMBER_OUTSIDE_VALID_RANGE",
                format!("Maximum SOQL offset allowed is {MOST_OFFSET}"),
                &[],
            ));
        }
        Self::check(&self.schema, name, query)?;
        let semi = self.resolve(query.condition.as_ref())?;
        let mut refused = None;
        let passes = |record: &Record| {
            let is_there = record["IsDeleted"] != true || with_deleted && !self.has_left_the_bin(record);
            let holds = |condition| {
                self.holds(name, record, condition).unwrap_or_else(|error| {
                    refused.get_or_insert(error);
                    false
                })
            };
            is_there && semi.as_ref().is_none_or(holds)
        };
        let mut found = self.found(name, query.condition.as_ref(), passes);
        if let Some(error) = refused {
            return Err(error);
        }
        if matches!(query.fields.as_slice(), [Selected::Count]) && query.group.is_empty() {
            return Ok(Rows::Count(found.len().min(query.limit.unwrap_or(usize::MAX))));
        }
        let aggregates = query.fields.iter().any(|field| matches!(field, Selected::Operand(Operand::Aggregate(..), _)));
        if aggregates || !query.group.is_empty() {
            return self.grouped(name, query, &found).map(Rows::Records);
        }
        self.sort(name, &mut found, &query.order);
        let page = found.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
        page.map(|record| self.row(name, record, &query.fields)).collect::<Result<_, _>>().map(Rows::Records)
    }

    /// The records that pass, of those that a condition can hold for: as few as an index allows are looked at.
    fn found<'a>(
        &'a self,
        name: &str,
        condition: Option<&Condition>,
        mut passes: impl FnMut(&Record) -> bool,
    ) -> Vec<&'a Record> {
        let Some(table) = self.tables.get(name) else { return Vec::new() };
        match condition.and_then(|condition| self.pinned(name, condition)) {
            Some(Pinned { own, lists }) => {
                let mut ids: Vec<&str> = own.iter().map(String::as_str).collect();
                ids.extend(lists.into_iter().flatten().map(|id| &**id));
                ids.sort_unstable();
                ids.dedup();
                ids.into_iter().filter_map(|id| table.records.get(id)).filter(|record| passes(record)).collect()
            }
            None => table.records.find(passes).collect(),
        }
    }

    /// Ids that a condition pins down: by id, by lookup, by unique or external id.
    fn pinned(&self, name: &str, condition: &Condition) -> Option<Pinned<'_>> {
        let by = |operand: &Operand, literals: &[Literal]| -> Option<Pinned<'_>> {
            let Operand::Field(field) = operand else { return None };
            let (field, spec) = self.schema.field(name, field)?;
            let texts: Vec<&str> = literals
                .iter()
                .map(|literal| match literal {
                    Literal::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect::<Option<_>>()?;
            if spec.kind == "id" {
                return Some(Pinned { own: texts.into_iter().map(long_id).collect(), lists: Vec::new() });
            }
            if spec.is_found_by_parent() {
                let lists = texts.into_iter().map(|text| self.ids_below(name, field, &long_id(text))).collect();
                return Some(Pinned { own: Vec::new(), lists });
            }
            if spec.is_found_by(field) {
                let lists = texts.into_iter().map(|text| self.ids_with(name, field, text)).collect();
                return Some(Pinned { own: Vec::new(), lists });
            }
            None
        };
        match condition {
            Condition::Compare(operand, Op::Eq, literal) => by(operand, std::slice::from_ref(literal)),
            Condition::In(operand, literals, false) => by(operand, literals),
            Condition::And(a, b) => {
                let both = [self.pinned(name, a), self.pinned(name, b)];
                both.into_iter().flatten().min_by_key(Pinned::len)
            }
            _ => None,
        }
    }

    /// Runs semi-joins once, so that conditions are plain from here on.
    fn resolve(&self, condition: Option<&Condition>) -> Result<Option<Condition>, RowError> {
        let Some(condition) = condition else { return Ok(None) };
        let pair = |a: &Condition, b: &Condition| -> Result<(Box<Condition>, Box<Condition>), RowError> {
            let side = |one| Ok::<_, RowError>(Box::new(self.resolve(Some(one))?.unwrap_or_else(|| one.clone())));
            Ok((side(a)?, side(b)?))
        };
        Ok(Some(match condition {
            Condition::And(a, b) => {
                let (a, b) = pair(a, b)?;
                Condition::And(a, b)
            }
            Condition::Or(a, b) => {
                let (a, b) = pair(a, b)?;
                Condition::Or(a, b)
            }
            Condition::Not(a) => Condition::Not(pair(a, a)?.0),
            Condition::InQuery(operand, query, negated) => {
                let [Selected::Operand(Operand::Field(field), _)] = query.fields.as_slice() else {
                    return Err(malformed("the inner select of a semi join must have exactly one field"));
                };
                let Rows::Records(rows) = self.query(query, false)? else {
                    return Err(malformed("the inner select of a semi join must not aggregate"));
                };
                let name = self.schema.real_name(&query.object).unwrap_or_default();
                let field = self.schema.field(name, field).map_or(field.as_str(), |(own, _)| own);
                let values =
                    rows.iter().filter_map(|row| row[field].as_str()).map(|text| Literal::Text(text.to_owned()));
                Condition::In(operand.clone(), values.collect(), *negated)
            }
            other => other.clone(),
        }))
    }

    /// True when the condition holds for a record.
    pub fn holds(&self, name: &str, record: &Record, condition: &Condition) -> Result<bool, RowError> {
        Ok(match condition {
            Condition::And(a, b) => self.holds(name, record, a)? && self.holds(name, record, b)?,
            Condition::Or(a, b) => self.holds(name, record, a)? || self.holds(name, record, b)?,
            Condition::Not(a) => !self.holds(name, record, a)?,
            Condition::Compare(operand, op, literal) => compare(&self.operand(name, record, operand), *op, literal),
            Condition::In(operand, literals, negated) => {
                let value = self.operand(name, record, operand);
                let found = literals.iter().any(|literal| same_id(&value, literal) || compare(&value, Op::Eq, literal));
                // An anti-join over null holds for nothing.
                if *negated { !found && !value.is_null() } else { found }
            }
            Condition::Includes(operand, sets, negated) => {
                let value = self.operand(name, record, operand);
                let own: Vec<&str> = value.as_str().map(|text| text.split(';').collect()).unwrap_or_default();
                sets.iter().any(|set| set.iter().all(|wanted| own.contains(&wanted.as_str()))) != *negated
            }
            Condition::InQuery(..) => {
                let resolved = self.resolve(Some(condition))?;
                match resolved {
                    Some(plain) => self.holds(name, record, &plain)?,
                    None => true,
                }
            }
        })
    }

    fn operand(&self, name: &str, record: &Record, operand: &Operand) -> Value {
        match operand {
            Operand::Field(path) | Operand::Aggregate(_, path) => self.value(name, record, path),
            Operand::Date(part, path) => date_part(*part, &self.value(name, record, path)),
        }
    }

    /// The value at a path such as `Account.Owner.Name`.
    fn value(&self, name: &str, record: &Record, path: &str) -> Value {
        match path.split_once('.') {
            None => {
                let direct = record.get(path);
                let found = direct.or_else(|| record.get(self.schema.field(name, path)?.0));
                found.cloned().unwrap_or_default()
            }
            Some((relation, rest)) => {
                let Some((field, parent, _)) = self.schema.parent(name, relation) else { return Value::Null };
                let above = record.get(field).and_then(Value::as_str).and_then(|id| self.get(parent, id));
                above.map(|above| self.value(parent, above, rest)).unwrap_or_default()
            }
        }
    }

    fn sort(&self, name: &str, found: &mut [&Record], order: &[Order]) {
        if order.is_empty() {
            return;
        }
        let mut keyed: Vec<(Vec<Value>, &Record)> = found
            .iter()
            .map(|record| (order.iter().map(|order| self.operand(name, record, &order.by)).collect(), *record))
            .collect();
        keyed.sort_by(|(a, _), (b, _)| by_keys(a, b, order));
        for (place, (_, record)) in found.iter_mut().zip(keyed) {
            *place = record;
        }
    }

    fn grouped(&self, name: &str, query: &Query, found: &[&Record]) -> Result<Vec<Value>, RowError> {
        let mut groups: BTreeMap<String, (Vec<Value>, Vec<&Record>)> = BTreeMap::new();
        if query.group.is_empty() {
            groups.insert(String::new(), (Vec::new(), found.to_vec()));
        }
        for record in found.iter().filter(|_| !query.group.is_empty()) {
            let keys: Vec<Value> = query.group.iter().map(|operand| self.operand(name, record, operand)).collect();
            let text = serde_json::to_string(&keys).unwrap_or_default().to_lowercase();
            groups.entry(text).or_insert_with(|| (keys, Vec::new())).1.push(record);
        }
        let evaluate = |operand: &Operand, keys: &[Value], members: &[&Record]| -> Value {
            match operand {
                Operand::Aggregate(function, field) => {
                    let value = |record: &&Record| match function {
                        Aggregate::Count | Aggregate::CountDistinct => self.value(name, record, field),
                        _ => self.in_corporate(name, record, field, self.value(name, record, field)),
                    };
                    let values: Vec<Value> = members.iter().map(value).collect();
                    aggregate(*function, &values)
                }
                plain => {
                    let place = query.group.iter().position(|own| own == plain);
                    place.and_then(|place| keys.get(place)).cloned().unwrap_or_default()
                }
            }
        };
        let mut rows: Vec<(Vec<Value>, Value)> = Vec::new();
        for (keys, members) in groups.values() {
            if let Some(having) = &query.having
                && !holds_for_group(having, &|operand| evaluate(operand, keys, members))
            {
                continue;
            }
            let mut row = Record::new();
            row.insert("attributes".into(), json!({ "type": "AggregateResult" }));
            let mut unnamed = 0;
            for selected in &query.fields {
                let Selected::Operand(operand, alias) = selected else {
                    return Err(malformed("Grouped query cannot have this select list"));
                };
                let label = match (alias, operand) {
                    (Some(alias), _) => alias.clone(),
                    (None, Operand::Field(field)) => field.rsplit('.').next().unwrap_or(field).to_owned(),
                    (None, _) => {
                        unnamed += 1;
                        format!("expr{}", unnamed - 1)
                    }
                };
                row.insert(label, evaluate(operand, keys, members));
            }
            let order = query.order.iter().map(|order| evaluate(&order.by, keys, members)).collect();
            rows.push((order, Value::Object(row)));
        }
        rows.sort_by(|(a, _), (b, _)| by_keys(a, b, &query.order));
        let rows = rows.into_iter().map(|(_, row)| row);
        Ok(rows.skip(query.offset).take(query.limit.unwrap_or(usize::MAX)).collect())
    }

    fn row(&self, name: &str, record: &Record, fields: &[Selected]) -> Result<Value, RowError> {
        let id = record["Id"].as_str().unwrap_or_default();
        let mut row = Record::new();
        row.insert("attributes".into(), attributes(name, id));
        for selected in fields {
            match selected {
                Selected::Count => {}
                Selected::Operand(Operand::Field(path), _) => self.insert_path(&mut row, name, record, path),
                Selected::Operand(operand, alias) => {
                    let label = alias.clone().unwrap_or_else(|| "expr0".into());
                    row.insert(label, self.operand(name, record, operand));
                }
                Selected::Fields(which) => {
                    for field in self.schema.objects[name].fields.keys().filter(|field| is_among(field, *which)) {
                        row.insert(field.clone(), record.get(field).cloned().unwrap_or_default());
                    }
                }
                Selected::Children(query) => {
                    let Some((child, field, relation)) = self.schema.children(name, &query.object) else {
                        return Err(no_relation(&query.object));
                    };
                    let mut below = self.below(child, field, id);
                    let condition = self.resolve(query.condition.as_ref())?;
                    if let Some(condition) = &condition {
                        let mut kept = Vec::new();
                        for record in below {
                            if self.holds(child, record, condition)? {
                                kept.push(record);
                            }
                        }
                        below = kept;
                    }
                    self.sort(child, &mut below, &query.order);
                    let page = below.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
                    let rows: Vec<Value> =
                        page.map(|record| self.row(child, record, &query.fields)).collect::<Result<_, _>>()?;
                    let value = if rows.is_empty() {
                        Value::Null
                    } else {
                        json!({ "totalSize": rows.len(), "done": true, "records": rows })
                    };
                    row.insert(relation.to_owned(), value);
                }
            }
        }
        Ok(Value::Object(row))
    }

    fn insert_path(&self, row: &mut Record, name: &str, record: &Record, path: &str) {
        match path.split_once('.') {
            None => {
                let field = self.schema.field(name, path).map_or(path, |(own, _)| own);
                row.insert(field.to_owned(), record.get(field).cloned().unwrap_or_default());
            }
            Some((relation, rest)) => {
                let Some((field, parent, relation)) = self.schema.parent(name, relation) else { return };
                let above = record.get(field).and_then(Value::as_str).and_then(|id| self.get(parent, id));
                match above {
                    None => {
                        row.entry(relation).or_insert(Value::Null);
                    }
                    Some(above) => {
                        let id = above["Id"].as_str().unwrap_or_default();
                        let below =
                            row.entry(relation).or_insert_with(|| json!({ "attributes": attributes(parent, id) }));
                        if let Value::Object(below) = below {
                            self.insert_path(below, parent, above, rest);
                        }
                    }
                }
            }
        }
    }

    // What follows refuses what Salesforce refuses before it looks at any record.

    pub(super) fn check(schema: &Schema, name: &str, query: &Query) -> Result<(), RowError> {
        let mut known = BTreeSet::new();
        for selected in &query.fields {
            match selected {
                Selected::Operand(operand, alias) => {
                    Self::check_operand(schema, name, operand)?;
                    if let (Operand::Field(path), None) = (operand, alias)
                        && !known.insert(path.to_ascii_lowercase())
                    {
                        // The words are public; that the code is this one is assumed.
                        return Err(malformed(&format!("duplicate field selected: {path}")));
                    }
                    let grouped = !query.group.is_empty()
                        || query.fields.iter().any(|own| matches!(own, Selected::Operand(Operand::Aggregate(..), _)));
                    if grouped && !matches!(operand, Operand::Aggregate(..)) && !query.group.contains(operand) {
                        let shown = path_of(operand);
                        return Err(malformed(&format!("Field must be grouped or aggregated: {shown}")));
                    }
                }
                Selected::Fields(which) => {
                    if *which != Fields::Standard && query.limit.is_none_or(|limit| limit > MOST_ROWS_OF_ALL_FIELDS) {
                        return Err(malformed("The SOQL FIELDS function must have a LIMIT of at most 200"));
                    }
                }
                Selected::Children(query) => {
                    let (child, _, _) =
                        schema.children(name, &query.object).ok_or_else(|| no_relation(&query.object))?;
                    Self::check(schema, child, query)?;
                }
                Selected::Count => {}
            }
        }
        for operand in query.group.iter().chain(query.order.iter().map(|order| &order.by)) {
            Self::check_operand(schema, name, operand)?;
        }
        if let Some(condition) = &query.condition {
            Self::check_condition(schema, name, condition)?;
        }
        Ok(())
    }

    fn check_condition(schema: &Schema, name: &str, condition: &Condition) -> Result<(), RowError> {
        match condition {
            Condition::And(a, b) | Condition::Or(a, b) => {
                Self::check_condition(schema, name, a)?;
                Self::check_condition(schema, name, b)
            }
            Condition::Not(a) => Self::check_condition(schema, name, a),
            Condition::Compare(operand, op, literal) => {
                let field = Self::check_operand(schema, name, operand)?;
                if let (Some(field), Operand::Field(path)) = (field, operand) {
                    if *op == Op::Like && !field.is_text() {
                        return Err(RowError::new(
                            "INVALID_FIELD",
                            format!("invalid operator on {} field: {path}", field.kind),
                            &[],
                        ));
                    }
                    fits(path, field, literal)?;
                }
                Ok(())
            }
            Condition::In(operand, literals, _) => {
                let field = Self::check_operand(schema, name, operand)?;
                if let (Some(field), Operand::Field(path)) = (field, operand) {
                    for literal in literals {
                        fits(path, field, literal)?;
                    }
                }
                Ok(())
            }
            Condition::InQuery(operand, query, _) => {
                Self::check_operand(schema, name, operand)?;
                let inner = schema.real_name(&query.object).ok_or_else(|| unsupported(&query.object))?;
                Self::check(schema, inner, query)
            }
            Condition::Includes(operand, _, _) => Self::check_operand(schema, name, operand).map(|_| ()),
        }
    }

    fn check_operand<'a>(schema: &'a Schema, name: &str, operand: &Operand) -> Result<Option<&'a Field>, RowError> {
        let path = path_of(operand);
        if path.matches('.').count() > MOST_PARENTS {
            return Err(malformed("a relationship goes at most five levels up"));
        }
        Self::check_path(schema, name, path)
    }

    fn check_path<'a>(schema: &'a Schema, name: &str, path: &str) -> Result<Option<&'a Field>, RowError> {
        match path.split_once('.') {
            None => schema.field(name, path).map(|(_, field)| Some(field)).ok_or_else(|| {
                RowError::new(
                    "INVALID_FIELD",
                    format!("\nNo such column '{path}' on entity '{name}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."),
                    &[],
                )
            }),
            Some((relation, rest)) => match schema.parent(name, relation) {
                Some((_, parent, _)) => Self::check_path(schema, parent, rest),
                // `FROM Account a` lets a query say `a.Name`, and `Account.Name` means the same.
                None if relation.eq_ignore_ascii_case(name) => Self::check_path(schema, name, rest),
                None => Err(RowError::new(
                    "INVALID_FIELD",
                    format!("\nDidn't understand relationship '{relation}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."),
                    &[],
                )),
            },
        }
    }
}

fn path_of(operand: &Operand) -> &str {
    match operand {
        Operand::Field(path) | Operand::Date(_, path) | Operand::Aggregate(_, path) => path,
    }
}

fn attributes(name: &str, id: &str) -> Value {
    json!({ "type": name, "url": format!("/services/data/v64.0/sobjects/{name}/{id}") })
}

fn malformed(why: &str) -> RowError {
    RowError::new("MALFORMED_QUERY", why, &[])
}

pub(super) fn unsupported(object: &str) -> RowError {
    RowError::new(
        "INVALID_TYPE",
        format!(
            "\nsObject type '{object}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
        ),
        &[],
    )
}

fn no_relation(relation: &str) -> RowError {
    RowError::new(
        "INVALID_TYPE",
        format!(
            "\nDidn't understand relationship '{relation}' in FROM part of query call. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
        ),
        &[],
    )
}

pub(super) fn is_among(field: &str, which: Fields) -> bool {
    match which {
        Fields::All => true,
        Fields::Custom => field.ends_with("__c"),
        Fields::Standard => !field.ends_with("__c"),
    }
}

/// A literal must be of the field's type: quotes around a date, or none around a text, are refused.
fn fits(path: &str, field: &Field, literal: &Literal) -> Result<(), RowError> {
    let wrong = |kind: &str, quotes: &str| {
        Err(RowError::new(
            "INVALID_FIELD",
            format!(
                "\nvalue of filter criterion for field '{path}' must be of type {kind} and should {quotes} be enclosed in quotes"
            ),
            &[],
        ))
    };
    let quotes = |kind: &str| wrong(kind, "not");
    match (field.kind.as_str(), literal) {
        (_, Literal::Null) => Ok(()),
        ("date", Literal::Date(_) | Literal::Days(..)) => Ok(()),
        ("date", Literal::DateTime(_)) => quotes("date"),
        ("date", _) => quotes("date"),
        ("datetime", Literal::DateTime(_) | Literal::Days(..)) => Ok(()),
        ("datetime", _) => quotes("dateTime"),
        ("boolean", Literal::Bool(_)) => Ok(()),
        ("boolean", _) => quotes("boolean"),
        (kind @ ("double" | "currency" | "percent" | "int"), literal) => match literal {
            Literal::Number(_) => Ok(()),
            _ => quotes(if kind == "int" { "integer" } else { "double" }),
        },
        ("id" | "reference", Literal::Text(text)) if text.len() != 15 && text.len() != 18 => {
            Err(RowError::new("INVALID_QUERY_FILTER_OPERATOR", format!("\ninvalid ID field: {text}"), &[]))
        }
        (_, Literal::Text(_)) => Ok(()),
        _ => wrong("string", ""),
    }
}

/// 15-character ids mean their 18-character form.
fn same_id(value: &Value, literal: &Literal) -> bool {
    matches!((value, literal), (Value::String(own), Literal::Text(text)) if text.len() == 15 && own.len() == 18 && *own == long_id(text))
}

/// True when `value` stands in that relation to the literal. Text compares without case, as in Salesforce.
pub fn compare(value: &Value, op: Op, literal: &Literal) -> bool {
    if op == Op::Like {
        let (Some(text), Literal::Text(pattern)) = (value.as_str(), literal) else { return false };
        return like(&text.to_lowercase(), &pattern.to_lowercase());
    }
    if let (Literal::Days(from, to), Value::String(text)) = (literal, value) {
        let Some(day) = text.get(..10) else { return false };
        let (from, to) = (from.to_string(), to.to_string());
        let inside = day >= from.as_str() && day < to.as_str();
        return match op {
            Op::Eq => inside,
            Op::Ne => !inside,
            Op::Lt => day < from.as_str(),
            Op::Le => day < to.as_str(),
            Op::Gt => day >= to.as_str(),
            Op::Ge => day >= from.as_str(),
            Op::Like => false,
        };
    }
    let order: Option<Ordering> = match (value, literal) {
        (Value::Null, Literal::Null) => Some(Ordering::Equal),
        // A text that is not there counts as empty.
        (Value::Null, Literal::Text(text)) if text.is_empty() => Some(Ordering::Equal),
        (Value::Null, _) | (_, Literal::Null) => return op == Op::Ne,
        (Value::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Literal::Number(b)) => a.to_string().parse::<Decimal>().ok().map(|a| a.cmp(b)),
        (Value::String(_), Literal::Text(b)) if same_id(value, literal) => Some(b.cmp(b)),
        (Value::String(a), Literal::Text(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        (Value::String(a), Literal::Date(b)) => a.get(..10).map(|day| day.cmp(b.as_str())),
        (Value::String(a), Literal::DateTime(b)) => Some(a.replace("+0000", "Z").cmp(b)),
        _ => None,
    };
    match (op, order) {
        (Op::Ne, order) => order != Some(Ordering::Equal),
        (Op::Eq, Some(order)) => order.is_eq(),
        (Op::Lt, Some(order)) => order.is_lt(),
        (Op::Le, Some(order)) => order.is_le(),
        (Op::Gt, Some(order)) => order.is_gt(),
        (Op::Ge, Some(order)) => order.is_ge(),
        _ => false,
    }
}

fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    // Greedy with one point of return: linear for any pattern a client may send.
    let (mut at, mut in_pattern) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some('%') => {
                back = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(c) if *c == '_' || *c == text[at] => {
                at += 1;
                in_pattern += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    in_pattern = star + 1;
                    at = from + 1;
                    back = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|c| *c == '%')
}

fn date_part(part: DatePart, value: &Value) -> Value {
    let Some(text) = value.as_str() else { return Value::Null };
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i64>().ok());
    match part {
        DatePart::Year => number(0, 4).into(),
        DatePart::Month => number(5, 7).into(),
        DatePart::Quarter => number(5, 7).map(|month| (month + 2) / 3).into(),
        DatePart::Day => number(8, 10).into(),
        DatePart::DayOnly => text.get(..10).into(),
    }
}

fn aggregate(function: Aggregate, values: &[Value]) -> Value {
    let present: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
    let numbers = || present.iter().filter_map(|value| value.to_string().parse::<Decimal>().ok());
    match function {
        Aggregate::Count => present.len().into(),
        Aggregate::CountDistinct => {
            let mut texts: Vec<String> = present.iter().map(|value| value.to_string().to_lowercase()).collect();
            texts.sort();
            texts.dedup();
            texts.len().into()
        }
        _ if present.is_empty() => Value::Null,
        Aggregate::Sum => number_value(numbers().sum()),
        Aggregate::Avg => {
            number_value((numbers().sum::<Decimal>() / Decimal::from(numbers().count().max(1))).round_dp(16))
        }
        Aggregate::Min => present.into_iter().min_by(|a, b| values_in_order(a, b)).cloned().unwrap_or_default(),
        Aggregate::Max => present.into_iter().max_by(|a, b| values_in_order(a, b)).cloned().unwrap_or_default(),
    }
}

fn holds_for_group(condition: &Condition, value: &dyn Fn(&Operand) -> Value) -> bool {
    match condition {
        Condition::And(a, b) => holds_for_group(a, value) && holds_for_group(b, value),
        Condition::Or(a, b) => holds_for_group(a, value) || holds_for_group(b, value),
        Condition::Not(a) => !holds_for_group(a, value),
        Condition::Compare(operand, op, literal) => compare(&value(operand), *op, literal),
        Condition::In(operand, literals, negated) => {
            let own = value(operand);
            literals.iter().any(|literal| compare(&own, Op::Eq, literal)) != *negated
        }
        Condition::InQuery(..) | Condition::Includes(..) => false,
    }
}

fn by_keys(a: &[Value], b: &[Value], order: &[Order]) -> Ordering {
    for ((a, b), order) in a.iter().zip(b).zip(order) {
        let found = match (a.is_null(), b.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if order.nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, true) => {
                if order.nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (false, false) => {
                let found = values_in_order(a, b);
                if order.descending { found.reverse() } else { found }
            }
        };
        if found.is_ne() {
            return found;
        }
    }
    Ordering::Equal
}

fn values_in_order(a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| value.is_number().then(|| value.to_string().parse::<Decimal>().ok()).flatten();
    match (number(a), number(b), a.as_bool(), b.as_bool()) {
        (Some(a), Some(b), ..) => a.cmp(&b),
        (_, _, Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_str().map(str::to_lowercase).cmp(&b.as_str().map(str::to_lowercase)),
    }
}
