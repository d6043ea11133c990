//! An item's stock, asked of B1 when it is asked for.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::tools::{self, Asked, Offer, Offers, Refusal, reads};
use tandem_sdk::units::{self, Unit, Units};
use tandem_sdk::{Deserialize, JsonSchema, Map, Number, Serialize, Value, text};

use crate::Inventory;
use crate::describe::Settings;
use crate::stock::Quantities;
use crate::warehouses::names;

/// Warehouses of one answer.
const MOST: usize = 50;

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// ItemCode of B1, such as `PUMP-01`
    item_code: String,
    /// WarehouseCode of B1, such as `01`; without it all that the flow counts
    warehouse: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Told {
    /// ItemCode of B1
    item_code: String,
    /// ItemName of B1
    item_name: String,
    /// SalesUnit of B1, in which all quantities are; missing where the item has none by name
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_unit: Option<String>,
    /// Pieces (B1's inventory unit) in one sales unit
    pieces_per_unit: Number,
    /// InStock of B1 over these warehouses
    in_stock: Number,
    /// Committed of B1: promised to customers
    committed: Number,
    /// Ordered of B1: what vendors will deliver
    ordered: Number,
    /// What can be promised: in stock less committed, and with what is ordered where counts_ordered says so; negative
    /// where more is promised than there is
    available: Number,
    /// What is ordered counts as available
    counts_ordered: bool,
    /// By WarehouseCode, without those that have nothing
    warehouses: Vec<Warehouse>,
    /// There are more warehouses than are given; the quantities above are of all
    more: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Warehouse {
    /// WarehouseCode of B1
    warehouse_code: String,
    /// WarehouseName of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    warehouse_name: Option<String>,
    /// InStock of B1
    in_stock: Number,
    /// Committed of B1
    committed: Number,
    /// Ordered of B1
    ordered: Number,
    /// As of all, of this warehouse
    available: Number,
}

impl Offers for Inventory {
    type Settings = Settings;

    fn tools() -> Vec<Offer<Settings>> {
        vec![reads(
            "stock-of",
            "Stock of an item",
            "What SAP Business One has of an item now, in its sales unit: in stock, committed, ordered and available, \
             over all warehouses that the flow counts and in each. Ask it before a quantity is promised. It does not \
             tell on which day vendors will deliver, nor batches and serial numbers.",
            stock_of,
        )]
    }
}

fn stock_of(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Told, Refusal> {
    let code = tools::named("item_code", &wanted.item_code)?;
    let warehouse = wanted.warehouse.as_deref().map(|own| tools::named("warehouse", own)).transpose()?;
    let select = format!("ItemCode,ItemName,SalesUnit,InventoryItem,ItemWarehouseInfoCollection,{}", units::UNITS);
    let found = b1::read(Read::texts("Items", "ItemCode", &[code.to_owned()], select))?;
    let item = found.first().ok_or_else(|| tools::no_item(code))?;
    let unit = Units::read(found.iter())?.of(text(item, "ItemCode"));
    let stocks = stocks(asked.settings, item, warehouse)?;
    let names = names(stocks.iter().map(|(code, _)| code))?;
    Ok(told(asked.settings, item, &unit, stocks, &names))
}

/// Pieces by `WarehouseCode`: of one warehouse, or of all that count and have, or are to have, something.
fn stocks(settings: &Settings, item: &Value, only: Option<&str>) -> Result<Vec<(String, Quantities)>, Refusal> {
    let code = text(item, "ItemCode");
    if text(item, "InventoryItem") == "tNO" {
        return Err(Refusal::Refused(format!("{code} is not kept in stock")));
    }
    let Some(rows) = item["ItemWarehouseInfoCollection"].as_array() else {
        return Err(Refusal::Refused(format!("B1 tells no warehouses of {code}")));
    };
    if let Some(only) = only.filter(|only| !settings.counts(only)) {
        return Err(Refusal::Refused(format!("the warehouse {only} is none of those that the flow's settings count")));
    }
    let all = rows.iter().map(|row| (b1::key_text(&row["WarehouseCode"]), Quantities::of(row)));
    let is_wanted = |(own, quantities): &(String, Quantities)| match only {
        Some(only) => own == only,
        None => settings.counts(own) && *quantities != Quantities::default(),
    };
    let mut stocks: Vec<(String, Quantities)> = all.filter(is_wanted).collect();
    stocks.sort_by(|a, b| a.0.cmp(&b.0));
    match only {
        Some(only) if stocks.is_empty() => Err(Refusal::no(&format!("stock of {code} in a warehouse"), only)),
        _ => Ok(stocks),
    }
}

fn told(
    settings: &Settings,
    item: &Value,
    unit: &Unit,
    stocks: Vec<(String, Quantities)>,
    names: &Map<String, Value>,
) -> Told {
    // As the product shows it: pieces are added up before they are units.
    let mut total = Quantities::default();
    stocks.iter().for_each(|(_, own)| total.add(*own));
    let total = total.in_units(unit);
    let warehouse = |(code, own): (String, Quantities)| {
        let own = own.in_units(unit);
        Warehouse {
            warehouse_name: names.get(&code).and_then(Value::as_str).map(str::to_owned),
            warehouse_code: code,
            in_stock: own.in_stock.into(),
            committed: own.committed.into(),
            ordered: own.ordered.into(),
            available: own.available(settings).into(),
        }
    };
    let (warehouses, more) = tools::few(stocks.into_iter().map(warehouse).collect(), MOST);
    Told {
        item_code: text(item, "ItemCode").to_owned(),
        item_name: text(item, "ItemName").to_owned(),
        sales_unit: tools::filled(item, "SalesUnit"),
        pieces_per_unit: unit.pieces.into(),
        in_stock: total.in_stock.into(),
        committed: total.committed.into(),
        ordered: total.ordered.into(),
        available: total.available(settings).into(),
        counts_ordered: settings.count_ordered,
        warehouses,
        more,
    }
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use super::*;

    fn row(code: &str, in_stock: i64, committed: i64) -> Value {
        json!({ "WarehouseCode": code, "InStock": in_stock, "Committed": committed, "Ordered": 6 })
    }

    fn item() -> Value {
        json!({
            "ItemCode": "A1", "ItemName": "Pump", "SalesUnit": "box", "InventoryItem": "tYES",
            "ItemWarehouseInfoCollection": [row("02", 7, 1), row("01", 5, 0), { "WarehouseCode": "03", "InStock": 0 }],
        })
    }

    fn unit() -> Unit {
        Unit { pieces: 6.into(), ..Unit::default() }
    }

    fn why(refused: Result<Vec<(String, Quantities)>, Refusal>) -> String {
        match refused {
            Err(Refusal::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pieces_are_added_up_before_they_are_units() {
        let settings = Settings::default();
        let names = tandem_sdk::fields(json!({ "01": "Main" }));
        let told = told(&settings, &item(), &unit(), stocks(&settings, &item(), None).unwrap(), &names);
        assert_eq!((told.in_stock, told.ordered), (2.into(), 2.into()), "12 pieces are 2 boxes");
        assert_eq!(told.committed.to_string(), "0.166667", "what is promised is rounded up");
        assert_eq!(told.available.to_string(), "1.833333");
        let codes: Vec<&str> = told.warehouses.iter().map(|own| own.warehouse_code.as_str()).collect();
        assert_eq!(codes, ["01", "02"], "one that has nothing is left out");
        assert_eq!(told.warehouses[0].warehouse_name.as_deref(), Some("Main"));
    }

    #[test]
    fn only_warehouses_that_count_are_told_and_ordered_counts_where_it_is_set() {
        let settings =
            Settings { warehouses: Some(vec!["02".into(), "03".into()]), count_ordered: true, ..Settings::default() };
        let all = stocks(&settings, &item(), None).unwrap();
        assert_eq!(all.len(), 1);
        let told = told(&settings, &item(), &Unit::default(), all, &Map::new());
        assert_eq!((told.available, told.counts_ordered), (12.into(), true));
        assert_eq!(
            stocks(&settings, &item(), Some("03")).unwrap().len(),
            1,
            "asked for by name it is told, though it has nothing"
        );
        assert!(why(stocks(&settings, &item(), Some("01"))).contains("settings count"));
    }

    #[test]
    fn what_is_not_kept_in_stock_or_not_told_is_refused_and_not_none() {
        let settings = Settings::default();
        assert!(why(stocks(&settings, &item(), Some("99"))).contains("there is no stock of A1 in a warehouse 99"));
        let service = json!({ "ItemCode": "S1", "InventoryItem": "tNO", "ItemWarehouseInfoCollection": [] });
        assert!(why(stocks(&settings, &service, None)).contains("not kept in stock"));
        assert!(why(stocks(&settings, &json!({ "ItemCode": "A1" }), None)).contains("tells no warehouses"));
    }
}
