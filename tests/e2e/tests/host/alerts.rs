//! People are told when something is wrong, once, and when it is over: by mail, Teams, Slack and a webhook, against small servers of these tests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tandem_e2e::mail::MailServer;
use tandem_e2e::{Setup, World, free_port};

const PATIENCE: Duration = Duration::from_secs(60);
/// B1 is looked at every second.
const FAST: &str = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\n";
/// Three seconds are worth telling.
const RULES: &str = "[alerts]\nafter_minutes = 0.05\nreviews = 0\ndigest = \"off\"\ntime_zone = \"UTC\"\n";

/// What a receiver was sent: path, headers, body.
type Taken = Arc<Mutex<Vec<(String, HeaderMap, String)>>>;

/// A receiver of webhooks that may be told to refuse.
struct Receiver {
    address: SocketAddr,
    taken: Taken,
    status: Arc<AtomicU16>,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let (taken, status) = (Taken::default(), Arc::new(AtomicU16::new(200)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(take).with_state((taken.clone(), status.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, taken, status })
    }

    fn of(&self, path: &str) -> Vec<(HeaderMap, String)> {
        let taken = self.taken.lock().unwrap();
        let own = taken.iter().filter(|(own, ..)| own.starts_with(path));
        own.map(|(_, headers, body)| (headers.clone(), body.clone())).collect()
    }
}

async fn take(
    State((taken, status)): State<(Taken, Arc<AtomicU16>)>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let status = StatusCode::from_u16(status.load(Ordering::Relaxed)).unwrap_or(StatusCode::OK);
    if status.is_success() {
        taken.lock().unwrap().push((uri.path().to_owned(), headers, body));
    }
    // Many repeat what they were asked.
    (status, format!("{status} for {uri}"))
}

fn mail(address: SocketAddr, more: &str) -> String {
    format!(
        "[alerts.mail]\nkind = \"smtp\"\nserver = \"{address}\"\nencryption = \"none\"\nuser = \"tandem\"\n\
         password = {{ file = \"mail.password\" }}\nfrom = \"Tandem <tandem@example.com>\"\nto = [\"ops@example.com\"]\n{more}\n"
    )
}

async fn world(more: String) -> Result<World> {
    let world = World::with(Setup { b1: FAST.into(), more, ..Setup::default() }).await?;
    std::fs::write(world.folder().join("mail.password"), "mail-password\n")?;
    Ok(world)
}

async fn until_told(world: &World, server: &MailServer, word: &str, count: usize) -> Result<Vec<String>> {
    let told = async |_: &World| Ok(Some(server.subjects(word)).filter(|subjects| subjects.len() >= count));
    world.until(&format!("{count} mails of {word}"), PATIENCE, told).await
}

#[tokio::test]
async fn an_outage_of_b1_is_two_mails_though_the_host_is_killed_in_between() -> Result<()> {
    const WORD: &str = "Connection erp";
    let server = MailServer::start().await?;
    // Six seconds.
    let rules = RULES.replace("0.05", "0.1");
    let mut world = world(format!("{rules}{}", mail(server.address, "what = [\"outage\"]"))).await?;
    world.up().await?;
    let ids = world.opportunities(1).await?;
    // Shorter than what is told.
    world.b1_settings(json!({ "down": true })).await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    world.b1_settings(json!({})).await?;
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(server.subjects(WORD), Vec::<String>::new(), "a moment is not told");

    world.b1_settings(json!({ "down": true })).await?;
    world.win(&ids[0]).await?;
    let first = until_told(&world, &server, WORD, 1).await?;
    assert!(first[0].ends_with("Connection erp cannot be used"), "{first:?}");
    world.kill().await?;
    world.start()?;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(server.subjects(WORD).len(), 1, "the same outage: {:?}", server.subjects(WORD));
    world.b1_settings(json!({})).await?;
    let both = until_told(&world, &server, WORD, 2).await?;
    assert!(both[1].ends_with("Connection erp can be used again"), "{both:?}");
    world.until_all_told(&ids, PATIENCE).await?;
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(server.subjects(WORD).len(), 2, "{:?}", server.subjects(WORD));
    let mail = server.mails().remove(0);
    for part in ["To: ops@example.com", "Auto-Submitted: auto-generated", "does not answer"] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    for secret in ["mail-password", "AHRhbmRlbQBtYWlsLXBhc3N3b3Jk"] {
        assert!(!world.log().contains(secret));
    }
    Ok(())
}

#[tokio::test]
async fn a_question_is_told_by_every_channel_also_by_one_that_was_down_and_its_address_stands_nowhere() -> Result<()> {
    let (receiver, teams) = (Receiver::start().await?, Receiver::start().await?);
    let channel = |name: &str, kind: &str, more: &str| {
        format!(
            "[alerts.{name}]\nkind = \"{kind}\"\nurl = {{ file = \"{name}.url\" }}\nwhat = [\"reviews\", \"errors\"]\n{more}\n"
        )
    };
    let channels = [
        channel("own", "webhook", "key = { file = \"own.key\" }"),
        channel("slack", "slack", "flows = [\"orders\"]"),
        channel("teams", "teams", "language = \"de\""),
    ];
    let mut world = world(format!("{RULES}{}", channels.concat())).await?;
    for (name, address) in [("own", receiver.address), ("slack", receiver.address), ("teams", teams.address)] {
        std::fs::write(world.folder().join(format!("{name}.url")), format!("http://{address}/{name}/s3cret-{name}\n"))?;
    }
    std::fs::write(world.folder().join("own.key"), "webhook-secret")?;
    teams.status.store(503, Ordering::Relaxed);
    world.up().await?;
    let unreadable =
        json!({ "Event_Id__c": "e1", "Object__c": "Opportunity", "Record_Id__c": "none", "Operation__c": "UPDATE" });
    assert_eq!(world.webhook(&unreadable).await?, 202);
    let both = async |_: &World| {
        let (own, slack) = (receiver.of("/own/"), receiver.of("/slack/"));
        Ok((!own.is_empty() && !slack.is_empty()).then_some((own, slack)))
    };
    let (own, slack) = world.until("two channels to be told", PATIENCE, both).await?;
    let (headers, body) = &own[0];
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"webhook-secret");
    let tag = ring::hmac::sign(&key, format!("{}.{body}", header("x-tandem-timestamp")).as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("x-tandem-signature"), format!("sha256={hex}"));
    let document: Value = serde_json::from_str(body)?;
    let names: Vec<&str> = document["lines"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["news"]["condition"]["name"].as_str())
        .collect();
    assert!(names.contains(&"reviews") && names.contains(&"error"), "in one message: {document}");
    assert!(slack[0].1.contains("1 open question of the flow orders"), "{slack:?}");

    // Who looks at the host sees which channel is down; the host is ready all the same.
    let told = async |world: &World| {
        let told = world.get(&format!("{}/readyz", world.console)).await?;
        Ok(told["alerts"]["teams"].as_str().map(str::to_owned))
    };
    let why = world.until("the channel that is down to be told", PATIENCE, told).await?;
    assert!(why.ends_with(": refused") && !why.contains("503"), "who signs in nowhere hears no more: {why}");
    teams.status.store(202, Ordering::Relaxed);
    let carded = async |_: &World| Ok(teams.of("/teams/").pop());
    let (_, card) = world.until("Teams to be told", PATIENCE, carded).await?;
    let card: Value = serde_json::from_str(&card)?;
    let content = &card["attachments"][0];
    assert_eq!(content["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(content["content"]["type"], "AdaptiveCard");
    assert!(card.to_string().contains("Ablauf"), "{card}");

    let items = world.tandem_json(&["review", "list"]).await?;
    let id = items[0]["id"].to_string();
    world.tandem(&["review", "resolve", &id, "--choose", "ignore"]).await?;
    let over = async |_: &World| {
        let last = receiver.of("/own/").pop().context("it was told")?.1;
        let document: Value = serde_json::from_str(&last)?;
        Ok((document["lines"][0]["news"]["turn"] == "over").then_some(()))
    };
    world.until("all to be over", PATIENCE, over).await?;
    assert!(!world.log().contains("s3cret"), "the address of a webhook is a secret");
    Ok(())
}

#[tokio::test]
async fn a_channel_that_is_tried_says_what_came_back_and_how_it_is_mended() -> Result<()> {
    let server = MailServer::start().await?;
    let receiver = Receiver::start().await?;
    let hook = "[alerts.hook]\nkind = \"slack\"\nurl = { file = \"hook.url\" }\n";
    let world = world(format!("{}{hook}", mail(server.address, ""))).await?;
    std::fs::write(
        world.folder().join("hook.url"),
        format!("http://{}/services/T0001234/s3cret-part", receiver.address),
    )?;
    let told = world.tandem(&["alert", "test"]).await?;
    assert!(told.contains("queued as 4711") && told.contains("200"), "{told}");
    assert_eq!(server.subjects("a test message").len(), 1);
    assert_eq!(receiver.of("/services/").len(), 1);

    let file = world.folder().join("tandem.toml");
    let good = std::fs::read_to_string(&file)?;
    let closed = format!("127.0.0.1:{}", free_port()?);
    let address = server.address.to_string();
    for (from, to, says, mend) in [
        ("mail.password\" }", "webhook.key\" }", "535", "check user and password"),
        (
            "Tandem <tandem@example.com>",
            "tandem@nobody.example",
            "Sender address rejected",
            "an address that this user may write as",
        ),
        ("ops@example.com", "ops@elsewhere.example", "Relay access denied", "check the addresses in `to`"),
        (address.as_str(), closed.as_str(), "refused", "is the server up"),
        ("mail.password\" }", "nowhere\" }", "nowhere", "check the file or variable"),
    ] {
        let wrong = good.replacen(from, to, 1);
        assert_ne!(wrong, good, "{from}");
        std::fs::write(&file, wrong)?;
        let (code, output, errors) = world.tandem_raw(&["--json", "alert", "test", "mail"]).await?;
        assert_eq!(code, 3, "{to}: {output}{errors}");
        let found: Value = serde_json::from_str(&output)?;
        assert!(found[0]["says"].as_str().is_some_and(|own| own.contains(says)), "{to}: {found}");
        assert!(found[0]["mend"].as_str().is_some_and(|own| own.contains(mend)), "{to}: {found}");
        assert!(!output.contains("webhook-key") && !output.contains("mail-password"), "{output}");
    }
    std::fs::write(&file, &good)?;
    receiver.status.store(404, Ordering::Relaxed);
    let (code, output, _) = world.tandem_raw(&["--json", "alert", "test", "hook"]).await?;
    assert!(code == 3 && output.contains("answered 404"), "{output}");
    assert!(!output.contains("s3cret") && !output.contains("T0001234"), "{output}");
    let (code, _, errors) = world.tandem_raw(&["alert", "test", "other"]).await?;
    assert!(code == 4 && errors.contains("known: hook, mail"), "{code} {errors}");
    // `check` reads the secrets, and sends nothing.
    std::fs::remove_file(world.folder().join("hook.url"))?;
    let (code, output, _) = world.tandem_raw(&["check"]).await?;
    assert!(code == 3 && output.contains("channel hook") && output.contains("channel mail"), "{output}");
    Ok(())
}

#[tokio::test]
async fn a_flow_that_is_held_is_told_with_what_it_waits_for() -> Result<()> {
    let server = MailServer::start().await?;
    let mut world = world(format!("{RULES}{}", mail(server.address, "what = [\"held\"]\nlanguage = \"de\""))).await?;
    std::fs::copy(tandem_e2e::wasm("accounts"), world.folder().join("plugins/accounts.wasm"))?;
    let file = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&file)?;
    let flow = "\n[flows.accounts]\nplugin = \"accounts\"\nconnections = { b1 = \"erp\", salesforce = \"crm\" }\n";
    std::fs::write(&file, format!("{text}{flow}"))?;
    world.start()?;
    until_told(&world, &server, "Der Ablauf accounts ist angehalten", 1).await?;
    let mail = server.mails().remove(0).replace("=\n", "");
    assert!(mail.contains("tandem plugin grant accounts"), "{mail}");
    world.tandem(&["plugin", "grant", "accounts", "--yes"]).await?;
    let over = async |_: &World| Ok((server.mails().len() >= 2).then_some(()));
    world.until("the flow to be told to run", PATIENCE, over).await
}

#[tokio::test]
async fn a_mail_server_that_answers_late_and_one_that_greylists_tell_everybody_once() -> Result<()> {
    let server = MailServer::start().await?;
    // Longer than the channel waits for anything else.
    server.answers_after(Duration::from_secs(4));
    let channel = mail(server.address, "what = [\"outage\"]\ntimeout_seconds = 1")
        .replace("\"ops@example.com\"", "\"ops@example.com\", \"night@grey.example\", \"gone@elsewhere.example\"");
    let mut world = world(format!("{RULES}{channel}")).await?;
    world.up().await?;
    world.b1_settings(json!({ "down": true })).await?;
    until_told(&world, &server, "Connection erp", 1).await?;
    // In words for who is signed in nowhere, and no address.
    let told = async |world: &World| {
        let told = world.get(&format!("{}/readyz", world.console)).await?;
        Ok(told["alerts"]["mail"].as_str().map(str::to_owned))
    };
    let why = world.until("the refused recipient to be told", PATIENCE, told).await?;
    assert!(why.starts_with("not everybody is told since") && why.ends_with(": recipient"), "{why}");
    // The second one is for who was to come again; the server is slow all the time, and no third comes.
    world
        .until("the greylisted one to be told", Duration::from_secs(120), async |_: &World| {
            Ok((server.subjects("Connection erp").len() == 2).then_some(()))
        })
        .await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(server.subjects("Connection erp").len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_backup_that_cannot_be_made_is_told_and_its_first_good_one_too() -> Result<()> {
    let server = MailServer::start().await?;
    let mut world = world(format!(
        "{RULES}{}[backup]\nfolder = \"not-mounted/backups\"\n",
        mail(server.address, "what = [\"backup\"]")
    ))
    .await?;
    world.up().await?;
    until_told(&world, &server, "No backup is made", 1).await?;
    std::fs::create_dir(world.folder().join("not-mounted"))?;
    world.tandem(&["backup"]).await?;
    until_told(&world, &server, "A backup was made again", 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_flow_that_is_taken_out_while_it_is_held_is_told_as_no_longer_looked_at() -> Result<()> {
    let server = MailServer::start().await?;
    let mut world = world(format!("{RULES}{}", mail(server.address, "what = [\"held\"]"))).await?;
    std::fs::copy(tandem_e2e::wasm("accounts"), world.folder().join("plugins/accounts.wasm"))?;
    let file = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&file)?;
    let flow = "\n[flows.accounts]\nplugin = \"accounts\"\nconnections = { b1 = \"erp\", salesforce = \"crm\" }\n";
    std::fs::write(&file, format!("{text}{flow}"))?;
    world.start()?;
    until_told(&world, &server, "The flow accounts is held", 1).await?;
    std::fs::write(&file, text)?;
    until_told(&world, &server, "Flow accounts: no longer looked at", 1).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(server.subjects("accounts").len(), 2, "{:?}", server.subjects("accounts"));
    Ok(())
}

#[tokio::test]
async fn a_call_that_waits_to_be_approved_is_told_without_what_it_would_write() -> Result<()> {
    let receiver = Receiver::start().await?;
    let channel = "[alerts.own]\nkind = \"webhook\"\nurl = { file = \"own.url\" }\nkey = { file = \"own.key\" }\nwhat = [\"approvals\"]\n";
    let mut world = world(format!("{RULES}{channel}")).await?;
    std::fs::write(world.folder().join("own.url"), format!("http://{}/own/\n", receiver.address))?;
    std::fs::write(world.folder().join("own.key"), "webhook-secret")?;
    world.up().await?;
    let partner = world.b1_records("BusinessPartners").await?.into_iter().find(|own| own["CardType"] == "cCustomer");
    let item = world.b1_records("Items").await?.into_iter().find(|own| own["SalesItem"] == "tYES");
    let (partner, item) = (partner.context("a customer")?, item.context("an item")?);
    let input = json!({ "card_code": partner["CardCode"], "num_at_card": "PO-1", "doc_due_date": "2030-01-31",
        "lines": [{ "item_code": item["ItemCode"], "quantity": 3, "unit_price": 7.5 }] });
    let told = world.tandem_json(&["tool", "call", "orders_create-order", &input.to_string()]).await?;
    let call = told["event"].clone();
    assert_eq!(told["result"]["state"], "waits for approval", "{told}");
    let first = async |_: &World| Ok(receiver.of("/own/").into_iter().next());
    let (_, body) = world.until("the call to be told", PATIENCE, first).await?;
    let words = format!("Call {call} of the flow orders waits to be approved");
    assert!(body.contains(&words) && body.contains("orders_create-order"), "{body}");
    assert!(body.contains(&format!("\"call\":{call}")), "{body}");
    for hidden in [&partner["CardCode"], &item["ItemCode"], &json!("PO-1")] {
        assert!(!body.contains(hidden.as_str().context("a text")?), "{hidden}: {body}");
    }
    world.tandem(&["review", "resolve", &call.to_string(), "--choose", "refuse"]).await?;
    let over = async |_: &World| Ok(receiver.of("/own/").into_iter().find(|(_, body)| body.contains("waits no more")));
    world.until("its end to be told", PATIENCE, over).await?;
    Ok(())
}
