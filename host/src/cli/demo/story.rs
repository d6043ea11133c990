//! What happens in B1, and where Salesforce shows it: one step for each flow.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{LIMIT, get};
use crate::cli::output::Output;
use crate::connections::{Call, Connection, Method};

const PATIENCE: Duration = Duration::from_secs(30);

/// Both sides, and the rows of the table so far.
struct Stage<'a> {
    client: &'a reqwest::Client,
    erp: &'a Connection,
    b1: &'a str,
    salesforce: &'a str,
    rows: Vec<Vec<String>>,
}

/// Goes through the flows and prints what was seen, and how long it took.
pub async fn tell(
    client: &reqwest::Client,
    erp: &Connection,
    b1: &str,
    salesforce: &str,
    output: &Output,
) -> Result<()> {
    let mut stage = Stage { client, erp, b1, salesforce, rows: Vec::new() };
    stage.customer().await?;
    stage.item().await?;
    stage.order().await?;
    let data: Vec<Value> = stage
        .rows
        .iter()
        .map(|row| json!({ "flow": row[0], "happens": row[1], "shown": row[2], "after": row[3] }))
        .collect();
    output.rows(
        &data,
        &["flow", "what happens", "where Salesforce shows it", "after"],
        stage.rows.clone(),
        "nothing happened",
    );
    Ok(())
}

impl Stage<'_> {
    async fn customer(&mut self) -> Result<()> {
        self.change("/BusinessPartners('C00005')", json!({ "Phone1": "+49 30 12345", "FederalTaxID": "DE811111111" }))
            .await?;
        let account = |record: &Value| record["Tandem_Card_Code__c"] == "C00005" && record["Phone"] == "+49 30 12345";
        self.seen("accounts", "a clerk changes a partner's phone in B1", "Account.Phone", "Account", account).await?;
        let id = self.find("Account", account).await?["Id"].clone();
        let id = id.as_str().unwrap_or_default();
        let url = format!("{}/admin/update/Account/{id}", self.salesforce);
        self.press(&url, &json!({ "BillingCity": "Potsdam" })).await?;
        let started = Instant::now();
        let city =
            |record: &Value| record["CardCode"] == "C00005" && record["BPAddresses"].to_string().contains("Potsdam");
        self.until(&format!("{}/admin/records/BusinessPartners", self.b1), "the city in B1", city).await?;
        let what = "a rep changes the account's city in Salesforce";
        self.note("accounts", what, "the partner's bill-to address in B1", started);
        Ok(())
    }

    async fn item(&mut self) -> Result<()> {
        let prices = json!([{ "PriceList": 1, "Price": 19.95, "Currency": "EUR" }]);
        let body = json!({ "ItemCode": "DEMO-1", "ItemName": "Demo pump", "SalesItem": "tYES", "ItemPrices": prices });
        let made = Call::write(Method::Post, "/Items", &body);
        self.erp.send(made, LIMIT).await.context("making an item")?;
        let product = |record: &Value| record["Tandem_Item_Code__c"] == "DEMO-1";
        self.seen("catalogue", "a new item with a price in B1", "Product2", "Product2", product).await?;
        let id = self.find("Product2", product).await?["Id"].clone();
        let entry = |record: &Value| record["Product2Id"] == id && record["UnitPrice"].as_f64() == Some(19.95);
        self.seen("catalogue", "the same", "PricebookEntry 19.95 EUR", "PricebookEntry", entry).await
    }

    async fn order(&mut self) -> Result<()> {
        let orders: Vec<Value> = get(self.client, &format!("{}/admin/records/Orders", self.b1)).await?;
        let order =
            orders.iter().rfind(|order| order["U_SF_Id"].is_string()).context("no order came from an opportunity")?;
        let (entry, id) = (order["DocEntry"].clone(), order["U_SF_Id"].clone());
        let code = order["CardCode"].clone();
        let item = order["DocumentLines"][0]["ItemCode"].clone();
        let committed =
            |record: &Value| record["ProductCode"] == item && record["Tandem_Committed__c"].as_f64() > Some(0.0);
        self.seen("inventory", "the orders above commit stock", "Product2.B1 Committed", "Product2", committed).await?;
        let exposure = |record: &Value| {
            record["Tandem_Card_Code__c"] == code && record["Tandem_Open_Orders__c"].as_f64() > Some(0.0)
        };
        self.seen("credit", "and use credit", "Account.B1 Exposure", "Account", exposure).await?;

        self.press(&format!("{}/admin/deliver/{entry}", self.b1), &json!({})).await?;
        let shipped = |record: &Value| record["Id"] == id && record["Tandem_Delivery_State__c"] == "Shipped";
        self.seen("fulfilment", "the order is shipped", "Opportunity.B1 Delivery State", "Opportunity", shipped)
            .await?;

        self.press(&format!("{}/admin/invoice/{entry}", self.b1), &json!({})).await?;
        let invoiced = |record: &Value| record["Tandem_Opportunity__c"] == id;
        self.seen(
            "invoices",
            "and invoiced",
            "B1 Invoice under account and opportunity",
            "Tandem_Invoice__c",
            invoiced,
        )
        .await?;
        let invoices: Vec<Value> = get(self.client, &format!("{}/admin/records/Invoices", self.b1)).await?;
        let newest = invoices.iter().filter_map(|invoice| invoice["DocEntry"].as_i64()).max().unwrap_or(0);
        self.press(&format!("{}/admin/pay/{newest}", self.b1), &json!({})).await?;
        let paid = |record: &Value| record["Tandem_Opportunity__c"] == id && record["Tandem_Status__c"] == "Paid";
        self.seen("invoices", "and paid", "B1 Invoice: Paid, B1 Payment", "Tandem_Invoice__c", paid).await
    }

    async fn change(&self, path: &str, body: Value) -> Result<()> {
        let call = Call::write(Method::Patch, path, &body);
        self.erp.send(call, LIMIT).await.with_context(|| format!("changing {path}"))?;
        Ok(())
    }

    async fn press(&self, url: &str, body: &Value) -> Result<()> {
        let request = self.client.post(url).header("content-type", "application/json").body(body.to_string());
        request.send().await?.error_for_status().with_context(|| url.to_owned())?;
        Ok(())
    }

    async fn seen(
        &mut self,
        flow: &str,
        what: &str,
        shown: &str,
        object: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let started = Instant::now();
        self.until(&format!("{}/admin/records/{object}", self.salesforce), &format!("{flow}: {shown}"), holds).await?;
        self.note(flow, what, shown, started);
        Ok(())
    }

    async fn find(&self, object: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let all: Vec<Value> = get(self.client, &format!("{}/admin/records/{object}", self.salesforce)).await?;
        all.into_iter().find(holds).with_context(|| format!("the {object} is gone"))
    }

    async fn until(&self, url: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            let all: Vec<Value> = get(self.client, url).await?;
            if all.iter().any(&holds) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("{what} was not seen within {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn note(&mut self, flow: &str, what: &str, shown: &str, started: Instant) {
        let after = format!("{:.1} s", started.elapsed().as_secs_f64());
        self.rows.push(vec![flow.to_owned(), what.to_owned(), shown.to_owned(), after]);
    }
}
