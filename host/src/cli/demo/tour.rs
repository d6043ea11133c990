//! What an operator meets in the first weeks, in a few minutes: B1 goes away and comes back, a question is answered, a value is explained, a
//! mapping is tried, made live and taken back. Each command that is shown is really run, on the demo's own host.

use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{LIMIT, World, get, post};
use crate::cli::failure::FOUND_PROBLEMS;
use crate::cli::output::Output;
use crate::connections::{Call, Connection, Method};

const PATIENCE: Duration = Duration::from_secs(60);
/// The one line of the mapping that the tour changes.
const COMMENTS: &str = r#"Comments = '"Sold as " + source.Name'"#;

/// Where the tour goes.
pub struct Tour<'a> {
    pub client: &'a reqwest::Client,
    pub world: &'a World,
    /// B1, as a clerk works there.
    pub erp: &'a Connection,
    /// The host's own address.
    pub console: &'a str,
    /// The demo's `tandem.toml`.
    pub config: &'a Path,
    /// Waits for a person between the steps.
    pub asks: bool,
    pub output: &'a Output,
}

impl Tour<'_> {
    /// All steps, in order.
    pub async fn walk(&self) -> Result<()> {
        self.break_and_mend().await?;
        let (order, item) = self.ask_and_answer().await?;
        self.explain(&order).await?;
        self.swap_mapping().await?;
        self.reconcile().await?;
        self.output.say(format!("\nThat was the tour. Item {item} and all else are as they were; the orders stay."));
        Ok(())
    }

    async fn break_and_mend(&self) -> Result<()> {
        self.step(
            "B1 goes away",
            "The simulated Service Layer is switched off, and an opportunity is won meanwhile.",
            "/",
        )
        .await?;
        self.b1_settings(&json!({ "down": true })).await?;
        let id = self.opportunity().await?;
        self.win(&id).await?;
        let away = async || {
            let ready: Value = self.text(&format!("{}/readyz", self.console)).await?;
            Ok(ready["unreachable"]["erp"].as_str().map(str::to_owned))
        };
        let says = self.until("the host notices that B1 is away", away).await?;
        self.output.say(format!("The host says: erp: {says}"));
        let waits = async || {
            let events = self.ask(&["events", "list", "--flow", "orders", "--key", &id]).await?;
            Ok(events.iter().any(|event| event["state"] == "ready").then_some(()))
        };
        self.until("the event that waits", waits).await?;
        self.show(&["events", "list", "--flow", "orders", "--key", &id]).await?;
        self.output.say("Nothing is lost and nobody is asked: the opportunity waits.");
        self.step("B1 comes back", "Nobody does anything but switch it on again.", "/events").await?;
        self.b1_settings(&json!({})).await?;
        let started = Instant::now();
        let order = self.order_number(&id).await?;
        self.output.say(format!("Order {order} was made {:.1} s later.", started.elapsed().as_secs_f64()));
        Ok(())
    }

    /// The opportunity and its item.
    async fn ask_and_answer(&self) -> Result<(String, String)> {
        let id = self.opportunity().await?;
        let lines: Vec<Value> = self.records("OpportunityLineItem?newest=5").await?;
        let line = lines.iter().find(|line| line["OpportunityId"] == id.as_str());
        let item =
            line.and_then(|line| line["ProductCode"].as_str()).context("the opportunity has no line")?.to_owned();
        let text = format!("A clerk has locked item {item} in B1, and an opportunity with it is won.");
        self.step("A question", &text, "/reviews").await?;
        self.item(&item, "tYES").await?;
        self.win(&id).await?;
        let asked = async || {
            let open: Vec<Value> = self.ask(&["review", "list", "--flow", "orders"]).await?;
            Ok(open.iter().find(|one| one["key"] == id.as_str()).and_then(|one| one["id"].as_i64()))
        };
        let event = self.until("the question", asked).await?.to_string();
        self.show(&["review", "show", &event]).await?;
        let text = "No half order was made. The clerk unlocks the item, and the question is answered with *retry*.";
        self.step("The answer", text, &format!("/reviews/{event}")).await?;
        self.item(&item, "tNO").await?;
        self.show(&["review", "resolve", &event, "--choose", "retry"]).await?;
        let order = self.order_number(&id).await?;
        self.output.say(format!("Order {order} was made."));
        Ok((id, item))
    }

    async fn explain(&self, id: &str) -> Result<()> {
        let text = "Every value says which event, which run and which call wrote it.";
        self.step("Why is it so?", text, &format!("/explain?record={id}")).await?;
        self.show(&["explain", id]).await
    }

    async fn swap_mapping(&self) -> Result<()> {
        let text = "The order's remarks should say as what it was sold. One line of the mapping is changed, and tried over what has happened; \
                    nothing is written.";
        self.step("Another mapping, tried", text, "/mapping/orders").await?;
        let shown = self.run(&["mapping", "show", "orders"], false).await?;
        let lines: Vec<&str> =
            shown.lines().map(|line| if line.starts_with("Comments = ") { COMMENTS } else { line }).collect();
        let file = self.config.with_file_name("orders.mapping.toml");
        std::fs::write(&file, lines.join("\n") + "\n").with_context(|| format!("cannot write {}", file.display()))?;
        let path = file.display().to_string();
        self.show(&["release", "compare", "orders", "--live", "--mapping", &path]).await?;

        let text = "tandem.toml names the file now: the running host takes it up as a new release.";
        self.step("… live, and taken back", text, "/flows/orders").await?;
        let before = self.live().await?;
        let toml = std::fs::read_to_string(self.config).context("the demo's tandem.toml")?;
        let named = toml.replace("plugin = \"orders\"\n", "plugin = \"orders\"\nmapping = \"orders.mapping.toml\"\n");
        std::fs::write(self.config, named).context("the demo's tandem.toml")?;
        let live = async || Ok(Some(self.live().await?).filter(|live| *live != before));
        self.until("the new release", live).await?;
        let id = self.opportunity().await?;
        self.win(&id).await?;
        self.order_number(&id).await?;
        let orders: Vec<Value> = get(self.client, &format!("{}/admin/records/Orders", self.world.b1)).await?;
        let made = orders.iter().find(|order| order["U_SF_Id"] == id.as_str()).context("the order is gone")?;
        self.output.say(format!("The order's remarks in B1: {}", made["Comments"]));
        self.show(&["release", "rollback", "orders", "--why", "the tour is over"]).await?;
        self.show(&["release", "list", "orders"]).await
    }

    async fn reconcile(&self) -> Result<()> {
        let text = "Both systems are read and compared: every won opportunity against its order, customers, items, stock, invoices, credit and deliveries, sums to \
                    the cent. A report of it is kept.";
        self.step("The proof", text, "/reconcile").await?;
        self.show(&["reconcile"]).await
    }

    /// Says what comes; where a person follows, waits for him.
    async fn step(&self, title: &str, text: &str, page: &str) -> Result<()> {
        if self.asks {
            self.output.say("\nPress Enter to go on (Ctrl-C ends the demo).");
            let line = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new()));
            line.await.context("waiting for Enter")?.context("waiting for Enter")?;
        }
        self.output.say(format!("\n=== {title}\n{text}\nIn the console: {}{page}", self.console));
        Ok(())
    }

    /// Shows a command, and runs it.
    async fn show(&self, words: &[&str]) -> Result<()> {
        self.run(words, true).await.map(drop)
    }

    async fn ask(&self, words: &[&str]) -> Result<Vec<Value>> {
        let text = self.run(&[words, &["--json"]].concat(), false).await?;
        serde_json::from_str(&text).with_context(|| format!("tandem {}: no JSON", words.join(" ")))
    }

    async fn run(&self, words: &[&str], shown: bool) -> Result<String> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--config").arg(self.config).args(words).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let words = words.join(" ");
        // Differences that were asked for are no failure.
        let well = |code: Option<i32>| code.is_some_and(|code| code == 0 || code == i32::from(FOUND_PROBLEMS));
        // Where a terminal shows it, the tables are as wide as that.
        if shown && std::io::stdout().is_terminal() {
            self.output.say(format!("\n$ tandem {words}"));
            let ended = command.status().await.with_context(|| format!("tandem {words}"))?;
            return if well(ended.code()) { Ok(String::new()) } else { bail!("tandem {words} failed") };
        }
        let done = command.output().await.with_context(|| format!("tandem {words}"))?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if !well(done.status.code()) {
            bail!("tandem {words}: {}", String::from_utf8_lossy(&done.stderr).trim());
        }
        if shown {
            self.output.say(format!("\n$ tandem {words}"));
            text.lines().for_each(|line| self.output.say(line));
        }
        Ok(text)
    }

    async fn live(&self) -> Result<String> {
        let releases = self.ask(&["release", "list", "orders"]).await?;
        let live =
            releases.iter().find(|release| release["standing"] == "live").context("no release of orders is live")?;
        Ok(live["release"].as_str().unwrap_or_default().to_owned())
    }

    async fn opportunity(&self) -> Result<String> {
        let made: Vec<String> =
            post(self.client, &format!("{}/admin/opportunities", self.world.salesforce), &json!({ "count": 1 }))
                .await?;
        made.into_iter().next().context("no opportunity was made")
    }

    async fn win(&self, id: &str) -> Result<()> {
        let url = format!("{}/admin/update/Opportunity/{id}", self.world.salesforce);
        self.send(self.client.post(url), &json!({ "StageName": "Closed Won" })).await
    }

    /// What a clerk does: `frozen` is `tYES` or `tNO`.
    async fn item(&self, code: &str, frozen: &str) -> Result<()> {
        let call = Call::write(Method::Patch, format!("/Items('{code}')"), &json!({ "Frozen": frozen }));
        self.erp.send(call, LIMIT).await.with_context(|| format!("changing item {code}"))?;
        Ok(())
    }

    async fn b1_settings(&self, settings: &Value) -> Result<()> {
        self.send(self.client.put(format!("{}/admin/settings", self.world.b1)), settings).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, body: &Value) -> Result<()> {
        let request = request.header("content-type", "application/json").body(body.to_string());
        request.send().await?.error_for_status()?;
        Ok(())
    }

    async fn order_number(&self, id: &str) -> Result<String> {
        let made = async || {
            let all: Vec<Value> = self.records("Opportunity?newest=20").await?;
            let own = all.iter().find(|record| record["Id"] == id);
            Ok(own.and_then(|own| own["Tandem_Order_Number__c"].as_str().map(str::to_owned)))
        };
        self.until("the order's number in Salesforce", made).await
    }

    async fn records(&self, what: &str) -> Result<Vec<Value>> {
        get(self.client, &format!("{}/admin/records/{what}", self.world.salesforce)).await
    }

    /// Whatever the status.
    async fn text(&self, url: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.client.get(url).send().await?.text().await?)?)
    }

    async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
        let started = Instant::now();
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if started.elapsed() > PATIENCE {
                bail!("{what} was not seen within {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
