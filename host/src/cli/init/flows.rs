//! Which flows run: their first questions with what B1 has to choose from, what each may do, and a rehearsal of the first load.

use std::path::Path;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value, json};

use super::ask::{Asker, Choice};
use super::draft::Draft;
use crate::checks::currencies;
use crate::cli::backfill;
use crate::cli::output::{Output, complain};
use crate::cli::plugin::{codes_of, grant};
use crate::cli::service::Parts;
use crate::connections::{Call, Connection, Method};
use crate::mapping::edit::{Edit, edited};
use crate::mapping::outline::Rule;
use crate::releases::{consent, shipped};
use crate::store::Access;

/// Bytes of a list: some thousands of entries.
const LIMIT: u64 = 1 << 20;

/// What a flow cannot know by itself, and B1 has a list of.
struct Question {
    plugin: &'static str,
    /// Its name in a file of answers; of a setting the plugin's own.
    setting: &'static str,
    asks: &'static str,
    /// What an entry is called, without which the plugin's own rule holds.
    none: Option<&'static str>,
    list: List,
    several: bool,
    goes: Goes,
}

/// A list in B1: an entity set with the key and the name of its entries; the numbering series of business partners; or branches, where there are several.
enum List {
    Of(&'static str, &'static str, &'static str),
    SeriesOfCustomers,
    Branches,
}

/// Where an answer is kept: among the flow's settings, or as the rule of a field in a section of its mapping.
enum Goes {
    Setting,
    Rule(&'static str, &'static str),
}

/// In the order in which they are asked.
const QUESTIONS: [Question; 6] = [
    Question {
        plugin: "accounts",
        setting: "series",
        asks: "which numbering series gives new customers their CardCode?",
        none: Some("none: the mapping gives it"),
        list: List::SeriesOfCustomers,
        several: false,
        goes: Goes::Setting,
    },
    Question {
        plugin: "catalogue",
        setting: "standard_price_list",
        asks: "which price list has the standard prices?",
        none: None,
        list: List::Of("PriceLists", "PriceListNo", "PriceListName"),
        several: false,
        goes: Goes::Setting,
    },
    Question {
        plugin: "catalogue",
        setting: "price_lists",
        asks: "which price lists become price books? None marked: all active ones",
        none: None,
        list: List::Of("PriceLists", "PriceListNo", "PriceListName"),
        several: true,
        goes: Goes::Setting,
    },
    Question {
        plugin: "inventory",
        setting: "warehouses",
        asks: "which warehouses count? None marked: all",
        none: None,
        list: List::Of("Warehouses", "WarehouseCode", "WarehouseName"),
        several: true,
        goes: Goes::Setting,
    },
    Question {
        plugin: "orders",
        setting: "warehouse",
        asks: "from which warehouse are lines that name none?",
        none: Some("B1's default"),
        list: List::Of("Warehouses", "WarehouseCode", "WarehouseName"),
        several: false,
        goes: Goes::Setting,
    },
    Question {
        plugin: "orders",
        setting: "branch",
        asks: "which branch do orders belong to? B1 takes none without, where the company has several",
        none: Some("none: orders have no branch here, or the mapping will say it"),
        list: List::Branches,
        several: false,
        goes: Goes::Rule("header", "BPL_IDAssignedToInvoice"),
    },
];

/// What is asked of a plugin's flow, by the names in a file of answers.
pub fn settings_of(plugin: &str) -> impl Iterator<Item = &'static str> {
    QUESTIONS.iter().filter(move |own| own.plugin == plugin).map(|own| own.setting)
}

/// Whether a question of that name takes several entries.
pub fn are_several(setting: &str) -> bool {
    QUESTIONS.iter().any(|own| own.setting == setting && own.several)
}

/// Flows that expect several currencies in the org unless told, and how each calls the one.
const CURRENCIES: [(&str, Option<&str>); 4] = [
    ("orders", Some("currency")),
    ("accounts", None),
    ("catalogue", Some("currency")),
    ("invoices", Some("org_currency")),
];

/// Asks which flows are to run, and writes their sections. Those that are there stay as they are.
pub async fn choose(
    draft: &mut Draft,
    b1: &Connection,
    org: &Connection,
    asker: &mut Asker,
    output: &Output,
) -> Result<()> {
    let folder = draft.config.resolve(&draft.config.host.plugins);
    let used: Vec<String> = draft.config.flows.values().map(|own| own.plugin.clone()).collect();
    let mut names = shipped::names_in(&folder)?;
    if names.iter().all(|name| used.contains(name)) {
        return Ok(());
    }
    // A file of answers names those, too, that an earlier try has set up.
    if asker.is_person() {
        names.retain(|name| !used.contains(name));
    }
    let choices: Vec<Choice> = names.iter().map(|name| Choice::new(name, name)).collect();
    let proposed: &[&str] = if draft.config.flows.is_empty() { &["orders"] } else { &[] };
    let mut chosen = asker.many("flows.on", "which flows are to run?", &choices, proposed)?;
    chosen.retain(|name| !used.contains(name));
    let one = if chosen.iter().any(|own| CURRENCIES.iter().any(|(plugin, _)| plugin == own)) {
        one_currency(org, asker).await?
    } else {
        None
    };
    let (Some(company), Some(org)) =
        (draft.config.b1.keys().next().cloned(), draft.config.salesforce.keys().next().cloned())
    else {
        return Ok(());
    };
    for plugin in chosen {
        let (mut settings, mut rules) = (Map::new(), Vec::new());
        if let (Some(one), Some((_, setting))) = (&one, CURRENCIES.iter().find(|(own, _)| *own == plugin)) {
            settings.insert("multi_currency".into(), false.into());
            settings.extend(setting.map(|setting| (setting.to_owned(), json!(one))));
        }
        for question in QUESTIONS.iter().filter(|own| own.plugin == plugin) {
            let Some(value) = answered(question, b1, asker).await? else { continue };
            match question.goes {
                Goes::Setting => {
                    settings.insert(question.setting.to_owned(), value);
                }
                Goes::Rule(section, field) => {
                    let rule = Rule::OneWay { field: field.to_owned(), rule: value.to_string() };
                    rules.push(Edit::Put { section: section.to_owned(), rule, instead_of: None });
                }
            }
        }
        let mut keys = Map::new();
        keys.insert("plugin".into(), json!(plugin));
        keys.insert("connections".into(), json!({ "b1": company, "salesforce": org }));
        if !settings.is_empty() {
            keys.insert("settings".into(), settings.into());
        }
        let mut files = Vec::new();
        if !rules.is_empty() {
            let name = format!("{plugin}.mapping.toml");
            let path = draft.config.resolve(Path::new(&name));
            if path.exists() {
                complain(format_args!(
                    "{} is there already: write what you answered into it, and name it as the flow's mapping",
                    path.display()
                ));
            } else {
                files.push((path, mapping(&draft.config.file, &plugin, rules).await?));
                keys.insert("mapping".into(), json!(name));
            }
        }
        draft.put_with("flows", &plugin, &keys, files)?;
        output.say(format!("[flows.{plugin}] is written"));
    }
    Ok(())
}

/// The mapping that a plugin brings, with rules more.
async fn mapping(config: &Path, plugin: &str, rules: Vec<Edit>) -> Result<Vec<u8>> {
    let parts = Parts::open(config, Access::Tool).await?;
    let plugin = parts.releases().await?.plugin_file(plugin).await?;
    let text =
        edited(&plugin.description.default_mapping, rules).map_err(|why| anyhow!("the flow's mapping: {why}"))?;
    Ok(text.into_bytes())
}

/// The org's currency, where it has one alone.
async fn one_currency(org: &Connection, asker: &mut Asker) -> Result<Option<String>> {
    let Connection::Salesforce(org) = org else { return Ok(None) };
    match currencies::are_several(org).await {
        Ok(true) => return Ok(None),
        Ok(false) => {}
        Err(error) => {
            complain(format_args!(
                "whether the org has several currencies is not known ({error}); `tandem check` tells later"
            ));
            return Ok(None);
        }
    }
    const KEY: &str = "salesforce.currency";
    loop {
        let answer = asker.text(KEY, "the org has one currency; which, such as EUR?", None)?;
        if answer.len() == 3 && answer.bytes().all(|b| b.is_ascii_uppercase()) {
            return Ok(Some(answer));
        }
        asker.again(KEY, &format!("{answer:?} is no currency"), "write its ISO code, three capital letters")?;
    }
}

/// The value, where one comes of the answer.
async fn answered(question: &Question, b1: &Connection, asker: &mut Asker) -> Result<Option<Value>> {
    let entries = match entries(&question.list, b1).await {
        Ok(entries) => entries,
        Err(why) => {
            let place = if matches!(question.goes, Goes::Setting) { "tandem.toml" } else { "the flow's mapping" };
            complain(format_args!("B1's list for {} cannot be read: {why}; set it in {place}", question.setting));
            return Ok(None);
        }
    };
    if entries.is_empty() {
        return Ok(None);
    }
    let key = format!("flows.{}.{}", question.plugin, question.setting);
    let value_of = |chosen: &str| entries.iter().find(|own| text(&own.0) == chosen).map(|own| own.0.clone());
    let mut choices: Vec<Choice> =
        entries.iter().map(|(value, name)| Choice::new(text(value), format!("{}  {name}", text(value)))).collect();
    if question.several {
        let chosen = asker.many(&key, question.asks, &choices, &[])?;
        let values: Vec<Value> = chosen.iter().filter_map(|own| value_of(own)).collect();
        return Ok((!values.is_empty()).then(|| json!(values)));
    }
    if let Some(none) = question.none {
        choices.insert(0, Choice::new("", none));
    }
    let chosen = asker.one(&key, question.asks, &choices, Some(0))?;
    Ok(value_of(&chosen))
}

/// What settings name that B1 has a list of and does not have in it: a line for each.
pub async fn unlisted(plugin: &str, settings: &toml::Table, b1: &Connection) -> Vec<String> {
    let mut told = Vec::new();
    for question in QUESTIONS.iter().filter(|own| own.plugin == plugin && matches!(own.goes, Goes::Setting)) {
        let Some(set) = settings.get(question.setting) else { continue };
        // What cannot be read is told elsewhere.
        let Ok(entries) = entries(&question.list, b1).await else { continue };
        let written = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let set = set.as_array().map_or_else(|| vec![written(set)], |all| all.iter().map(written).collect());
        let known: Vec<String> = entries.iter().map(|(value, _)| text(value)).collect();
        let missing = set.into_iter().filter(|own| !own.is_empty() && !known.contains(own));
        told.extend(missing.map(|own| {
            format!("settings.{} = {own:?}: B1 has no such entry; there are {}", question.setting, known.join(", "))
        }));
    }
    told
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// All of a list: B1 gives twenty otherwise.
fn all(path: &str) -> Call {
    let mut call = Call::get(path);
    call.headers.push(("Prefer".into(), "odata.maxpagesize=0".into()));
    call
}

/// Key and name of each entry.
async fn entries(list: &List, b1: &Connection) -> Result<Vec<(Value, String)>, String> {
    let (call, key, name) = match list {
        List::Of(set, key, name) => (all(&format!("/{set}?$select={key},{name}&$orderby={key}")), *key, *name),
        List::SeriesOfCustomers => {
            // Business partners, of the kind customer.
            let asked = json!({ "DocumentTypeParams": { "Document": "2", "DocumentSubType": "C" } });
            (Call::write(Method::Post, "/SeriesService_GetDocumentSeries", &asked), "Series", "Name")
        }
        List::Branches => (all("/BusinessPlaces?$select=BPLID,BPLName,Disabled&$orderby=BPLID"), "BPLID", "BPLName"),
    };
    let answer = b1.send(call, LIMIT).await.map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    let rows = answer["value"].as_array().cloned().unwrap_or_default();
    let is_open = |row: &&Value| row["Locked"] != "tYES" && row["Disabled"] != "tYES" && !row[key].is_null();
    let open: Vec<_> = rows.iter().filter(is_open).map(|row| (row[key].clone(), text(&row[name]))).collect();
    // A company without branches has one that stands for all of it.
    Ok(if matches!(list, List::Branches) && open.len() < 2 { Vec::new() } else { open })
}

/// Shows what each flow's plugin asks for, and allows it on a yes. Those that wait for theirs.
pub async fn allow(config: &Path, asker: &mut Asker, output: &Output) -> Result<Vec<String>> {
    let parts = Parts::open(config, Access::Tool).await?;
    let mut plugins: Vec<&str> = parts.config.flows.values().map(|own| own.plugin.as_str()).collect();
    plugins.sort_unstable();
    plugins.dedup();
    let mut waiting = Vec::new();
    for plugin in plugins {
        for code in codes_of(&parts, plugin).await? {
            if consent::missing(parts.store.as_ref(), &code).await?.is_empty() {
                continue;
            }
            let says = |question: &str| asker.yes(&format!("flows.{plugin}.grant"), question, false);
            grant(&parts, &code, says, output).await?;
            if !consent::missing(parts.store.as_ref(), &code).await?.is_empty() && !waiting.contains(&plugin.to_owned())
            {
                waiting.push(plugin.to_owned());
            }
        }
    }
    Ok(waiting)
}

/// Says of each flow what its first load would come to, where somebody wants to know; nothing is written.
pub async fn rehearse(config: &Path, asker: &mut Asker, output: &Output) -> Result<()> {
    let flows: Vec<String> = Parts::open(config, Access::Tool).await?.config.flows.keys().cloned().collect();
    for flow in flows {
        let question = format!("rehearse the first load of {flow}? Both systems are read, and nothing is written");
        if !asker.yes(&format!("flows.{flow}.rehearse"), &question, false)? {
            continue;
        }
        // One that offers none, or cannot be read now, keeps nothing else from being set up.
        if let Err(error) = backfill::run(config, backfill::Options::rehearsal(&flow), output).await {
            complain(format_args!("{flow}: {error:#}"));
        }
    }
    Ok(())
}
