//! The company's data at the start: partners with addresses and contacts, items in warehouses with prices, and some
//! orders, deliveries and invoices of the past.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::database::{Database, Key};
use super::documents::{self, Rules};
use super::{branches, freight};
use crate::company::{Company, PRICE_LISTS, WAREHOUSES};

/// Fills an empty database.
pub fn fill(db: &mut Database, company: &Company, documents: usize, rules: &Rules) {
    let mut put = |set: &str, key: Key, value: Value| {
        if let Value::Object(record) = value {
            db.put(set, key, record);
        }
    };
    for (place, (code, name)) in WAREHOUSES.into_iter().enumerate() {
        let branch = branches::of_warehouse(place);
        let record =
            json!({ "WarehouseCode": code, "WarehouseName": name, "Inactive": "tNO", "BusinessPlaceID": branch });
        put("Warehouses", Key::Text(code.into()), record);
    }
    for (id, name, disabled) in branches::SEEDED {
        let main = if id == 1 { "tYES" } else { "tNO" };
        let record = json!({ "BPLID": id, "BPLName": name, "Disabled": disabled, "MainBPL": main });
        put("BusinessPlaces", Key::Number(id), record);
    }
    for (code, name, group) in freight::SEEDED {
        put(
            "AdditionalExpenses",
            Key::Number(code),
            json!({ "ExpensCode": code, "Name": name, "OutputVATGroup": group }),
        );
    }
    for (index, (name, percent, currency)) in PRICE_LISTS.iter().enumerate() {
        let number = index as i64 + 1;
        let record = json!({ "PriceListNo": number, "PriceListName": name, "Factor": cents(*percent), "DefaultPrimeCurrency": currency, "BasePriceList": 1 });
        put("PriceLists", Key::Number(number), record);
    }
    for (code, name) in [("EUR", "Euro"), ("USD", "US Dollar"), ("GBP", "Pound Sterling"), ("CHF", "Swiss Franc")] {
        put("Currencies", Key::Text(code.into()), json!({ "Code": code, "Name": name, "DocumentsCode": code }));
    }
    for (code, rate) in [("A1", 19), ("A2", 7), ("A0", 0), ("EU", 0)] {
        put(
            "SalesTaxCodes",
            Key::Text(code.into()),
            json!({ "Code": code, "Name": format!("VAT {rate}%"), "Rate": rate }),
        );
    }
    for (number, name, days) in [(1, "30 days net", 30), (2, "14 days net", 14), (3, "Prepayment", 0)] {
        let record = json!({ "GroupNumber": number, "PaymentTermsGroupName": name, "NumberOfAdditionalDays": days });
        put("PaymentTermsTypes", Key::Number(number), record);
    }
    for (code, name) in [(-1, "-No Sales Employee-"), (1, "Inside sales"), (2, "Field sales")] {
        put(
            "SalesPersons",
            Key::Number(code),
            json!({ "SalesEmployeeCode": code, "SalesEmployeeName": name, "Active": "tYES" }),
        );
    }
    put(
        "BusinessPartnerGroups",
        Key::Number(100),
        json!({ "Code": 100, "Name": "Customers", "Type": "bbpgt_CustomerGroup" }),
    );
    for customer in &company.customers {
        let (street, city, postcode, country) = &customer.address;
        let address = |name: &str, kind: &str, row: i64| json!({ "AddressName": name, "AddressType": kind, "Street": street, "City": city, "ZipCode": postcode, "Country": country, "RowNum": row });
        let contacts: Vec<Value> = customer
            .contacts
            .iter()
            .enumerate()
            .map(|(index, (first, last))| {
                json!({ "InternalCode": index + 1, "Name": format!("{first} {last}"), "FirstName": first, "LastName": last,
                    "E_Mail": format!("{}.{}@{}.example", first.to_lowercase(), last.to_lowercase(), customer.card_code.to_lowercase()), "Active": "tYES" })
            })
            .collect();
        let record = json!({
            "CardCode": customer.card_code, "CardName": customer.name, "CardType": "cCustomer", "Currency": customer.currency,
            "PriceListNum": customer.price_list, "CreditLimit": customer.credit_limit, "MaxCommitment": customer.credit_limit,
            "CurrentAccountBalance": 0, "OpenOrdersBalance": 0, "OpenDeliveryNotesBalance": 0, "PayTermsGrpCode": 1,
            "FederalTaxID": customer.tax_id, "Valid": "tYES", "Frozen": "tNO", "Phone1": format!("+49 40 {}", 100_000 + customer.card_code.len() * 37), "EmailAddress": format!("info@{}.example", customer.card_code.to_lowercase()), "GroupCode": 100,
            "BPAddresses": [address("Head office", "bo_BillTo", 0), address("Head office", "bo_ShipTo", 1), address("Works 2", "bo_ShipTo", 2)],
            "ContactEmployees": contacts, "UpdateDate": format!("{}T00:00:00Z", rules.today), "UpdateTime": rules.now,
        });
        put("BusinessPartners", Key::Text(customer.card_code.clone()), record);
    }
    for item in &company.items {
        let prices: Vec<Value> = (1..=4)
            .map(|list| json!({ "PriceList": list, "Price": cents(Company::price(item, list)), "Currency": PRICE_LISTS[list as usize - 1].2 }))
            .collect();
        let stock: Vec<Value> = WAREHOUSES
            .iter()
            .zip(item.stock)
            .map(|((code, _), stock)| json!({ "WarehouseCode": code, "InStock": stock, "Committed": 0, "Ordered": 0 }))
            .collect();
        let record = json!({
            "ItemCode": item.code, "ItemName": item.name, "ItemsGroupCode": 100, "SalesItem": "tYES",
            "Valid": if item.active { "tYES" } else { "tNO" }, "Frozen": if item.active { "tNO" } else { "tYES" },
            "SalesUnit": "pcs", "SalesVATGroup": "A1", "ManageBatchNumbers": "tNO", "ManageSerialNumbers": "tNO", "QuantityOnStock": item.stock.iter().sum::<i64>(), "QuantityOrderedByCustomers": 0,
            "QuantityOrderedFromVendors": 0, "ItemPrices": prices, "ItemWarehouseInfoCollection": stock,
            "UpdateDate": format!("{}T00:00:00Z", rules.today), "UpdateTime": rules.now,
        });
        put("Items", Key::Text(item.code.clone()), record);
    }
    past_business(db, company, documents, rules);
}

/// Orders, some delivered, some of those invoiced.
fn past_business(db: &mut Database, company: &Company, orders: usize, rules: &Rules) {
    let sellable: Vec<_> = company.items.iter().filter(|item| item.active).collect();
    for n in 0..orders {
        let customer = &company.customers[(n * 7 + 20) % company.customers.len()];
        if customer.credit_limit < 1_000 || sellable.len() < 3 {
            continue;
        }
        let lines: Vec<Value> = (0..1 + n % 3)
            .map(|k| json!({ "ItemCode": sellable[(n * 5 + k) % sellable.len()].code, "Quantity": 1 + n % 4 }))
            .collect();
        let order = json!({ "CardCode": customer.card_code, "DocDueDate": rules.today, "NumAtCard": format!("PO-{:04}", 1000 + n), "DocumentLines": lines });
        let Value::Object(order) = order else { continue };
        let Ok(Key::Number(entry)) = documents::create(db, rules, "Orders", order) else { continue };
        if n % 2 == 0
            && let Ok(Key::Number(delivery)) = documents::deliver(db, rules, entry, n % 8 == 0)
            && n % 4 == 0
        {
            let base = db.get("DeliveryNotes", &Key::Number(delivery)).cloned().unwrap_or_default();
            let lines: Vec<Value> = base["DocumentLines"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|line| json!({ "BaseType": 15, "BaseEntry": delivery, "BaseLine": line["LineNum"] }))
                .collect();
            let invoice = json!({ "CardCode": customer.card_code, "DocumentLines": lines });
            if let Value::Object(invoice) = invoice {
                let _ = documents::create(db, rules, "Invoices", invoice);
            }
        }
    }
}

fn cents(cents: i64) -> Value {
    super::odata::number_value(Decimal::new(cents, 2))
}
