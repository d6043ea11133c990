//! `SQLQueries`: stored SELECTs over an allow list of tables and columns. The tables a query names are built in an SQLite
//! database in memory, whose authorizer holds the allow list. Source: the Service Layer manual's chapter on SQL queries.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value, json};

use super::Refusal;
use super::database::{Database, Record};
use super::odata::{decimal, number_value};

/// A table of B1's database: its entity set, the collection of its rows if they are lines, and its columns with the
/// properties they hold.
struct Table {
    name: &'static str,
    set: &'static str,
    lines: Option<&'static str>,
    columns: &'static [(&'static str, &'static str)],
}

const HEADER: &[(&str, &str)] = &[
    ("DocEntry", "DocEntry"),
    ("DocNum", "DocNum"),
    ("CardCode", "CardCode"),
    ("CardName", "CardName"),
    ("NumAtCard", "NumAtCard"),
    ("DocDate", "DocDate"),
    ("DocDueDate", "DocDueDate"),
    ("DocCur", "DocCurrency"),
    ("DocTotal", "DocTotal"),
    ("PaidToDate", "PaidToDate"),
    ("DocStatus", "DocumentStatus"),
    ("CANCELED", "Cancelled"),
    ("UpdateDate", "UpdateDate"),
    ("UpdateTS", "UpdateTime"),
    ("U_SF_Id", "U_SF_Id"),
];
const LINES: &[(&str, &str)] = &[
    ("DocEntry", "DocEntry"),
    ("LineNum", "LineNum"),
    ("ItemCode", "ItemCode"),
    ("Dscription", "ItemDescription"),
    ("Quantity", "Quantity"),
    ("OpenQty", "RemainingOpenQuantity"),
    ("Price", "Price"),
    ("DiscPrcnt", "DiscountPercent"),
    ("WhsCode", "WarehouseCode"),
    ("LineTotal", "LineTotal"),
    ("LineStatus", "LineStatus"),
    ("BaseType", "BaseType"),
    ("BaseEntry", "BaseEntry"),
    ("BaseLine", "BaseLine"),
];

/// The allow list.
const TABLES: [Table; 13] = [
    Table {
        name: "OCRD",
        set: "BusinessPartners",
        lines: None,
        columns: &[
            ("CardCode", "CardCode"),
            ("CardName", "CardName"),
            ("CardType", "CardType"),
            ("LicTradNum", "FederalTaxID"),
            ("E_Mail", "EmailAddress"),
            ("Currency", "Currency"),
            ("CreditLine", "CreditLimit"),
            ("Balance", "CurrentAccountBalance"),
            ("OrdersBal", "OpenOrdersBalance"),
            ("DNotesBal", "OpenDeliveryNotesBalance"),
            ("UpdateDate", "UpdateDate"),
        ],
    },
    Table {
        name: "OITM",
        set: "Items",
        lines: None,
        columns: &[
            ("ItemCode", "ItemCode"),
            ("ItemName", "ItemName"),
            ("OnHand", "QuantityOnStock"),
            ("IsCommited", "QuantityOrderedByCustomers"),
            ("OnOrder", "QuantityOrderedFromVendors"),
            ("validFor", "Valid"),
            ("frozenFor", "Frozen"),
            ("UpdateDate", "UpdateDate"),
            ("UpdateTS", "UpdateTime"),
        ],
    },
    Table {
        name: "OITW",
        set: "Items",
        lines: Some("ItemWarehouseInfoCollection"),
        columns: &[
            ("ItemCode", "ItemCode"),
            ("WhsCode", "WarehouseCode"),
            ("OnHand", "InStock"),
            ("IsCommited", "Committed"),
            ("OnOrder", "Ordered"),
        ],
    },
    Table {
        name: "ITM1",
        set: "Items",
        lines: Some("ItemPrices"),
        columns: &[("ItemCode", "ItemCode"), ("PriceList", "PriceList"), ("Price", "Price"), ("Currency", "Currency")],
    },
    Table { name: "ORDR", set: "Orders", lines: None, columns: HEADER },
    Table { name: "RDR1", set: "Orders", lines: Some("DocumentLines"), columns: LINES },
    Table { name: "ODLN", set: "DeliveryNotes", lines: None, columns: HEADER },
    Table { name: "DLN1", set: "DeliveryNotes", lines: Some("DocumentLines"), columns: LINES },
    Table { name: "OINV", set: "Invoices", lines: None, columns: HEADER },
    Table { name: "INV1", set: "Invoices", lines: Some("DocumentLines"), columns: LINES },
    Table { name: "ORIN", set: "CreditNotes", lines: None, columns: HEADER },
    Table {
        name: "OWHS",
        set: "Warehouses",
        lines: None,
        columns: &[("WhsCode", "WarehouseCode"), ("WhsName", "WarehouseName")],
    },
    Table {
        name: "OIVL",
        set: "",
        lines: None,
        columns: &[
            ("TransSeq", ""),
            ("TransType", ""),
            ("CreatedBy", ""),
            ("ItemCode", ""),
            ("LocCode", ""),
            ("InQty", ""),
            ("OutQty", ""),
            ("DocDate", ""),
        ],
    },
];

/// 701 for the text, 702 for a table off the list. Source of the codes: clients that met them.
fn refused(why: impl std::fmt::Display) -> Refusal {
    let why = why.to_string();
    let table = why.contains("no such table") || why.contains("not authorized") || why.contains("prohibited");
    if table {
        Refusal::new(400, 702, format!("The table is not accessible: {why}"))
    } else {
        Refusal::new(400, 701, format!("Invalid SQL syntax: {why}"))
    }
}

fn parameter_error() -> Refusal {
    Refusal::new(400, 704, "Parameter error.".into())
}

/// Checks a query as it is stored; gives the names of its parameters.
pub fn check(text: &str) -> Result<Vec<String>, Refusal> {
    let words: Vec<String> = text.split_whitespace().take(3).map(str::to_uppercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["SELECT", "*", ..] | ["SELECT", "DISTINCT", "*"] => {
            return Err(refused("Cannot support asterisk(*) in the select list"));
        }
        ["SELECT", ..] => {}
        _ => return Err(refused("only SELECT is allowed")),
    }
    let connection = prepared(None, text)?;
    let statement = connection.prepare(text).map_err(refused)?;
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(refused("only SELECT is allowed"));
    }
    let names = (1..=statement.parameter_count())
        .map(|place| statement.parameter_name(place).unwrap_or("?").trim_start_matches(':').to_owned());
    Ok(names.collect())
}

/// All rows of a query with its parameters.
pub fn run(db: &Database, text: &str, parameters: &[(String, String)]) -> Result<Vec<Value>, Refusal> {
    let connection = prepared(Some(db), text)?;
    let mut statement = connection.prepare(text).map_err(refused)?;
    let mut values = Vec::new();
    for place in 1..=statement.parameter_count() {
        let name = statement.parameter_name(place).unwrap_or_default().trim_start_matches(':').to_owned();
        let given = parameters.iter().find(|(own, _)| *own == name).map(|(_, value)| value.trim());
        let given = given.ok_or_else(parameter_error)?;
        values.push(match given.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(text) => Sql::Text(text.replace("''", "'")),
            None => given
                .parse()
                .map(Sql::Integer)
                .or_else(|_| given.parse().map(Sql::Real))
                .unwrap_or_else(|_| Sql::Text(given.to_owned())),
        });
    }
    let extra = parameters.iter().any(|(own, _)| {
        !own.starts_with('$') && statement.parameter_index(&format!(":{own}")).ok().flatten().is_none()
    });
    if extra {
        return Err(parameter_error());
    }
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query(params_from_iter(values)).map_err(refused)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(refused)? {
        let mut record = Map::new();
        for (place, name) in names.iter().enumerate() {
            let value = match row.get::<_, Sql>(place).map_err(refused)? {
                Sql::Null | Sql::Blob(_) => Value::Null,
                Sql::Integer(number) => number.into(),
                Sql::Real(number) => rust_decimal::Decimal::try_from(number)
                    .map(|exact| number_value(exact.round_dp(6)))
                    .unwrap_or_else(|_| json!(number)),
                Sql::Text(text) => text.into(),
            };
            record.insert(name.clone(), value);
        }
        found.push(Value::Object(record));
    }
    Ok(found)
}

/// A database with the tables the text names, empty without `db`; whatever is not on the allow list is refused.
fn prepared(db: Option<&Database>, text: &str) -> Result<Connection, Refusal> {
    let mut connection = Connection::open_in_memory().map_err(refused)?;
    let upper = text.to_uppercase();
    for table in TABLES.iter().filter(|table| upper.contains(table.name)) {
        let columns: Vec<String> = table.columns.iter().map(|(name, _)| format!("\"{name}\" COLLATE NOCASE")).collect();
        connection
            .execute_batch(&format!("CREATE TABLE \"{}\" ({})", table.name, columns.join(",")))
            .map_err(refused)?;
        let Some(db) = db else { continue };
        let places = vec!["?"; table.columns.len()].join(",");
        let mut insert =
            connection.prepare(&format!("INSERT INTO \"{}\" VALUES ({places})", table.name)).map_err(refused)?;
        for row in rows_of(db, table) {
            insert.execute(params_from_iter(row)).map_err(refused)?;
        }
    }
    connection
        .authorizer(Some(|context: AuthContext<'_>| match context.action {
            AuthAction::Select | AuthAction::Function { .. } | AuthAction::Recursive => Authorization::Allow,
            AuthAction::Read { table_name, .. }
                if TABLES.iter().any(|table| table.name.eq_ignore_ascii_case(table_name)) =>
            {
                Authorization::Allow
            }
            _ => Authorization::Deny,
        }))
        .map_err(refused)?;
    Ok(connection)
}

fn rows_of(db: &Database, table: &Table) -> Vec<Vec<Sql>> {
    if table.name == "OIVL" {
        let row = |(place, movement): (usize, &super::database::Movement)| {
            let (into, out) = if movement.quantity.is_sign_negative() {
                (rust_decimal::Decimal::ZERO, -movement.quantity)
            } else {
                (movement.quantity, rust_decimal::Decimal::ZERO)
            };
            vec![
                Sql::Integer(place as i64 + 1),
                Sql::Integer(movement.kind),
                Sql::Integer(movement.entry),
                Sql::Text(movement.item.clone()),
                Sql::Text(movement.warehouse.clone()),
                real(into),
                real(out),
                Sql::Text(movement.day.clone()),
            ]
        };
        return db.journal.iter().enumerate().map(row).collect();
    }
    let Some(set) = db.tables.get(table.set) else { return Vec::new() };
    let row = |record: &Record, parent: Option<&Record>| -> Vec<Sql> {
        let value = |property: &str| record.get(property).or_else(|| parent?.get(property));
        table.columns.iter().map(|(_, property)| value(property).map_or(Sql::Null, sql_of)).collect()
    };
    match table.lines {
        None => set.records.values().map(|record| row(&record, None)).collect(),
        Some(lines) => set
            .records
            .values()
            .flat_map(|record| {
                let lines = record.get(lines).and_then(Value::as_array).into_iter().flatten();
                lines.filter_map(Value::as_object).map(|line| row(line, Some(&record))).collect::<Vec<_>>()
            })
            .collect(),
    }
}

fn real(number: rust_decimal::Decimal) -> Sql {
    use rust_decimal::prelude::ToPrimitive;
    Sql::Real(number.to_f64().unwrap_or_default())
}

/// The database's own forms: Y and N, O and C, days without time.
fn sql_of(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Bool(flag) => Sql::Integer(i64::from(*flag)),
        Value::Number(number) => number.as_i64().map_or_else(|| decimal(value).map_or(Sql::Null, real), Sql::Integer),
        Value::String(text) => Sql::Text(match text.as_str() {
            "tYES" => "Y".into(),
            "tNO" => "N".into(),
            "bost_Open" => "O".into(),
            "bost_Close" => "C".into(),
            "cCustomer" => "C".into(),
            "cSupplier" => "S".into(),
            "cLid" => "L".into(),
            other => other.strip_suffix("T00:00:00Z").unwrap_or(other).to_owned(),
        }),
        other => Sql::Text(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_selects_over_the_allow_list_are_stored() {
        assert_eq!(check("SELECT \"ItemCode\" FROM \"OITM\" WHERE \"OnHand\" > :least").unwrap(), ["least"]);
        for text in [
            "SELECT * FROM OUSR",
            "DELETE FROM OITM",
            "SELECT 1; DROP TABLE OITM",
            "SELECT * FROM sqlite_master",
            "PRAGMA user_version",
            "ATTACH 'x' AS y",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
