//! The yardstick: what a script would do. The same HTTP calls in the same order and packing as the orders plugin makes,
//! with as many workers, but nothing is remembered: whatever is under way when it ends is lost or done twice.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use reqwest::Client;
use salesforce_core_pubsubapi::eventbus::v1::pub_sub_client::PubSubClient;
use salesforce_core_pubsubapi::eventbus::v1::{FetchRequest, ReplayPreset, SchemaRequest};
use serde_json::{Value, json};
use tandem_e2e::World;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

/// As many as a flow runs at once.
const WORKERS: usize = 2;
/// As many events as a run takes.
const BATCH: usize = 50;

/// Runs until dropped.
pub struct Bare {
    _tasks: JoinSet<Result<()>>,
}

/// Where the two systems are, and a client of its own for each worker.
struct Systems {
    client: Client,
    b1: String,
    salesforce: String,
    token: String,
    cookie: String,
}

impl Bare {
    /// Signs in, subscribes, works.
    pub async fn start(world: &World) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let (found, queue) = mpsc::channel(100_000);
        let queue = Arc::new(Mutex::new(queue));
        let mut token = String::new();
        for _ in 0..WORKERS {
            let systems = Systems::sign_in(world).await?;
            token.clone_from(&systems.token);
            let queue = queue.clone();
            tasks.spawn(async move { systems.work(&queue).await.inspect_err(|e| eprintln!("bare loop: {e:#}")) });
        }
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let (pubsub, instance) = (world.pubsub.clone(), world.salesforce.clone());
        tasks.spawn(async move { follow(pubsub, instance, token, found, ready).await });
        is_ready.await.map_err(|_| anyhow!("the subscription failed"))?;
        Ok(Self { _tasks: tasks })
    }
}

async fn follow(
    pubsub: String,
    instance: String,
    token: String,
    found: mpsc::Sender<String>,
    ready: tokio::sync::oneshot::Sender<()>,
) -> Result<()> {
    let channel = Channel::from_shared(pubsub)?.tcp_nodelay(true).connect().await?;
    let with_token = move |mut request: Request<()>| {
        for (name, value) in [("accesstoken", token.as_str()), ("instanceurl", &instance), ("tenantid", "00D")] {
            let value = MetadataValue::try_from(value).map_err(|e| tonic::Status::internal(e.to_string()))?;
            request.metadata_mut().insert(name, value);
        }
        Ok(request)
    };
    let mut client = PubSubClient::with_interceptor(channel, with_token).max_decoding_message_size(64 << 20);
    let (requests, outgoing) = mpsc::channel(4);
    let ask = |count| FetchRequest {
        topic_name: "/event/Tandem_Change__e".into(),
        replay_preset: ReplayPreset::Latest.into(),
        num_requested: count,
        ..FetchRequest::default()
    };
    requests.send(ask(100)).await?;
    let mut stream = client.subscribe(ReceiverStream::new(outgoing)).await?.into_inner();
    let _ = ready.send(());
    let mut schema: Option<Schema> = None;
    while let Some(response) = stream.message().await? {
        let pending = response.pending_num_requested;
        for event in response.events.into_iter().filter_map(|consumed| consumed.event) {
            if schema.is_none() {
                let info = client.get_schema(SchemaRequest { schema_id: event.schema_id.clone() }).await?;
                schema = Some(Schema::parse_str(&info.into_inner().schema_json)?);
            }
            let Some(schema) = &schema else { continue };
            let value = GenericDatumReader::builder(schema).build()?.read_value(&mut event.payload.as_slice())?;
            let value = Value::try_from(value)?;
            if let Some(id) = value["Record_Id__c"].as_str() {
                found.send(id.to_owned()).await?;
            }
        }
        if pending <= 50 {
            requests.send(ask(100 - pending)).await?;
        }
    }
    Ok(())
}

impl Systems {
    async fn sign_in(world: &World) -> Result<Self> {
        let client = Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let form = "grant_type=client_credentials&client_id=tandem&client_secret=tandem-secret";
        let answer =
            client.post(format!("{}/services/oauth2/token", world.salesforce)).body(form).send().await?.text().await?;
        let token: Value = serde_json::from_str(&answer)?;
        let login = json!({ "CompanyDB": "SBODEMO", "UserName": "tandem", "Password": "tandem" }).to_string();
        let answer = client.post(format!("{}/b1s/v2/Login", world.b1)).body(login).send().await?.text().await?;
        let session: Value = serde_json::from_str(&answer)?;
        Ok(Self {
            client,
            b1: world.b1.clone(),
            salesforce: format!("{}/services/data/v64.0", world.salesforce),
            token: token["access_token"].as_str().context("no token")?.to_owned(),
            cookie: format!("B1SESSION={}", session["SessionId"].as_str().context("no session")?),
        })
    }

    async fn work(&self, queue: &Mutex<mpsc::Receiver<String>>) -> Result<()> {
        loop {
            let mut ids = Vec::new();
            {
                let mut queue = queue.lock().await;
                match queue.recv().await {
                    Some(id) => ids.push(id),
                    None => return Ok(()),
                }
                while ids.len() < BATCH {
                    match queue.try_recv() {
                        Ok(id) => ids.push(id),
                        Err(_) => break,
                    }
                }
            }
            self.make_orders(&ids).await?;
        }
    }

    async fn make_orders(&self, ids: &[String]) -> Result<()> {
        let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        let soql = format!(
            "SELECT Id,Name,StageName,IsWon,CloseDate,AccountId,CurrencyIsoCode,Account.Name,Account.Tandem_Card_Code__c,\
             Tandem_Requested_Date__c,Tandem_Order_Number__c,Tandem_Order_Status__c,Tandem_Sync_State__c,\
             Tandem_PO_Number__c,Tandem_Order_Notes__c,Tandem_Ship_To__c,Tandem_Bill_To__c,(SELECT Id,Quantity,UnitPrice,\
             Discount,Description,Product2.ProductCode,SortOrder,Tandem_Warehouse__c,\
             Tandem_Tax_Code__c,ServiceDate FROM OpportunityLineItems ORDER BY SortOrder) FROM Opportunity WHERE Id IN ({})",
            quoted.join(",")
        );
        let url = format!("{}/query?q={}", self.salesforce, encode(&soql));
        let answer = self.client.get(url).bearer_auth(&self.token).send().await?.text().await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let opportunities = answer["records"].as_array().cloned().with_context(|| format!("{answer}"))?;
        let orders: Vec<Value> = opportunities.iter().map(order).collect();
        self.read_master_data(&orders).await?;
        let numbers = self.create(&orders).await?;
        self.write_back(&opportunities, &numbers).await
    }

    async fn read_master_data(&self, orders: &[Value]) -> Result<()> {
        let mut partners: Vec<&str> = orders.iter().filter_map(|order| order["CardCode"].as_str()).collect();
        let lines = orders.iter().flat_map(|order| order["DocumentLines"].as_array().into_iter().flatten());
        let mut items: Vec<&str> = lines.filter_map(|line| line["ItemCode"].as_str()).collect();
        let mut parts = Vec::new();
        for (set, field, codes) in [("BusinessPartners", "CardCode", &mut partners), ("Items", "ItemCode", &mut items)]
        {
            codes.sort_unstable();
            codes.dedup();
            let select = match set {
                "Items" => "ItemCode,Valid,Frozen,SalesItem",
                _ => {
                    "CardCode,CardName,Valid,Frozen,Currency,CreditLimit,CurrentAccountBalance,OpenOrdersBalance,OpenDeliveryNotesBalance"
                }
            };
            for chunk in codes.chunks(25) {
                let filter: Vec<String> = chunk.iter().map(|code| format!("{field} eq '{code}'")).collect();
                let filter = filter.join(" or ").replace(' ', "%20");
                parts.push(format!(
                    "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
                     GET /b1s/v2/{set}?$filter={filter}&$select={select} HTTP/1.1\r\nPrefer: odata.maxpagesize=0\r\n\r\n"
                ));
            }
        }
        self.batch(&parts).await.map(drop)
    }

    /// Order numbers, in order.
    async fn create(&self, orders: &[Value]) -> Result<Vec<(i64, i64)>> {
        let part = |order: &Value| {
            let code = format!("bare:{}", order["U_SF_Id"].as_str().unwrap_or_default());
            let ledger = json!({ "Code": code, "Name": code }).to_string();
            let operation = |id: u32, set: &str, body: &str| {
                format!(
                    "--cs\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {id}\r\n\r\n\
                     POST /b1s/v2/{set} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\r\n",
                    body.len()
                )
            };
            format!(
                "Content-Type: multipart/mixed; boundary=cs\r\n\r\n{}{}--cs--\r\n",
                operation(1, "U_TANDEM", &ledger),
                operation(2, "Orders", &order.to_string())
            )
        };
        let parts: Vec<String> = orders.iter().map(part).collect();
        let (mut numbers, mut said) = (Vec::new(), String::new());
        // As the host packs them: 50 operations in one batch.
        for chunk in parts.chunks(25) {
            let answer = self.batch(chunk).await?;
            said.clone_from(&answer);
            for line in answer.lines().filter(|line| line.contains("\"DocEntry\"")) {
                let made: Value = serde_json::from_str(line)?;
                numbers.push((made["DocEntry"].as_i64().unwrap_or(0), made["DocNum"].as_i64().unwrap_or(0)));
            }
        }
        if numbers.len() != orders.len() {
            bail!("{} of {} orders were made: {said}", numbers.len(), orders.len());
        }
        Ok(numbers)
    }

    async fn batch(&self, parts: &[String]) -> Result<String> {
        let mut body = String::new();
        for part in parts {
            body.push_str("--bb\r\n");
            body.push_str(part);
        }
        body.push_str("--bb--\r\n");
        let request = self
            .client
            .post(format!("{}/b1s/v2/$batch", self.b1))
            .header("Cookie", &self.cookie)
            .header("Content-Type", "multipart/mixed; boundary=bb")
            .header("Prefer", "odata.continue-on-error")
            .body(body);
        let response = request.send().await?.error_for_status()?;
        Ok(response.text().await?)
    }

    async fn write_back(&self, opportunities: &[Value], numbers: &[(i64, i64)]) -> Result<()> {
        let records: Vec<Value> = opportunities
            .iter()
            .zip(numbers)
            .map(|(opportunity, (entry, number))| {
                json!({
                    "attributes": { "type": "Opportunity" }, "id": opportunity["Id"],
                    "Tandem_Sync_State__c": "Synced", "Tandem_Sync_Message__c": format!("order {number} created"),
                    "Tandem_Order_Status__c": "Open", "Tandem_Order_Number__c": number.to_string(),
                    "Tandem_Order_Doc_Entry__c": entry.to_string(),
                })
            })
            .collect();
        let body = json!({ "allOrNone": false, "records": records });
        let url = format!("{}/composite/sobjects", self.salesforce);
        let request = self.client.patch(url).bearer_auth(&self.token).body(body.to_string());
        let answer = request.send().await?.error_for_status()?.text().await?;
        if answer.contains("\"success\":false") {
            bail!("writing back: {answer}");
        }
        Ok(())
    }
}

fn order(opportunity: &Value) -> Value {
    let rows = opportunity["OpportunityLineItems"]["records"].as_array().cloned().unwrap_or_default();
    let line = |row: &Value| {
        let mut line = json!({
            "ItemCode": row["Product2"]["ProductCode"], "Quantity": row["Quantity"], "UnitPrice": row["UnitPrice"],
            "Currency": opportunity["CurrencyIsoCode"],
        });
        for (field, source) in [
            ("DiscountPercent", "Discount"),
            ("WarehouseCode", "Tandem_Warehouse__c"),
            ("VatGroup", "Tandem_Tax_Code__c"),
            ("ShipDate", "ServiceDate"),
        ] {
            if !row[source].is_null() {
                line[field] = row[source].clone();
            }
        }
        line
    };
    let mut order = json!({
        "CardCode": opportunity["Account"]["Tandem_Card_Code__c"], "DocCurrency": opportunity["CurrencyIsoCode"],
        "DocDueDate": opportunity["Tandem_Requested_Date__c"], "U_SF_Id": opportunity["Id"],
        "DocumentLines": rows.iter().map(line).collect::<Vec<Value>>(),
    });
    if order["DocDueDate"].is_null() {
        order["DocDueDate"] = opportunity["CloseDate"].clone();
    }
    for (field, source) in [
        ("NumAtCard", "Tandem_PO_Number__c"),
        ("Comments", "Tandem_Order_Notes__c"),
        ("ShipToCode", "Tandem_Ship_To__c"),
        ("PayToCode", "Tandem_Bill_To__c"),
    ] {
        if !opportunity[source].is_null() {
            order[field] = opportunity[source].clone();
        }
    }
    order
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
