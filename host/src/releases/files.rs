//! A release as the files of its flow, so that what runs and what people keep in git say the same: its parts into the files that `tandem.toml` names,
//! its settings into `tandem.toml` itself, whose comments and order stay.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item};

use super::{Release, Releases, digest_of, signature_of};
use crate::config::put::put_all;
use crate::config::rewrite::{merge, replace, with_line_ends_of};
use crate::config::{Config, FlowConfig};

/// What became of a flow's files.
#[derive(Debug, PartialEq)]
pub enum Written {
    /// They say what the release is; these were changed for it.
    Changed(Vec<PathBuf>),
    /// They stay as they were, for this reason.
    Left(String),
}

/// What is to be written.
#[derive(Default)]
struct Plan {
    parts: Vec<(PathBuf, Vec<u8>)>,
    /// Keys of the flow in `tandem.toml`: a path, or none where the key goes.
    keys: Vec<(&'static str, Option<String>)>,
}

/// Whose files are being changed by the host itself, under whichever configuration.
#[derive(Default)]
pub(super) struct Writing {
    /// One writes at a time.
    turn: tokio::sync::Mutex<()>,
    still: Mutex<HashMap<String, Still>>,
}

/// Why the files of a flow are left alone.
enum Still {
    /// They are being written.
    Now,
    /// They go with another `tandem.toml` than this flow's configuration is of, which is not taken up yet.
    Until(Box<FlowConfig>),
}

impl Releases {
    /// The files of a flow are being changed, or go with a `tandem.toml` that is not read again yet: what they say now nobody means.
    pub fn is_held_still(&self, flow: &str, config: &Config) -> bool {
        let mut still = self.writing.still.lock().unwrap_or_else(PoisonError::into_inner);
        match still.get(flow) {
            None => false,
            Some(Still::Now) => true,
            Some(Still::Until(before)) if config.flows.get(flow) == Some(before) => true,
            Some(Still::Until(_)) => {
                still.remove(flow);
                false
            }
        }
    }

    fn hold_still(&self, flow: &str, still: Option<Still>) {
        let mut all = self.writing.still.lock().unwrap_or_else(PoisonError::into_inner);
        match still {
            Some(still) => all.insert(flow.to_owned(), still),
            None => all.remove(flow),
        };
    }

    /// Makes the files of a flow say what its live release is: all of them, or none.
    pub async fn write_files(&self, flow: &str, release: &Release, config: &Config) -> Written {
        let _turn = self.writing.turn.lock().await;
        self.hold_still(flow, Some(Still::Now));
        let written = self.written(flow, release, config).await;
        let taken_up_later = matches!(&written, Ok((_, true)));
        let before = config.flows.get(flow).filter(|_| taken_up_later).cloned();
        self.hold_still(flow, before.map(|before| Still::Until(Box::new(before))));
        match written {
            Ok((changed, _)) => Written::Changed(changed),
            Err(why) => Written::Left(why),
        }
    }

    /// Changes `tandem.toml` as it is now, while nobody else of this host does; what it says then. Where it could not be used any more, nothing is written.
    pub async fn change_config(
        &self,
        file: &Path,
        change: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<Config, String> {
        let _turn = self.writing.turn.lock().await;
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let changed = change(&text)?;
        let config = Config::parse(&changed, file).map_err(|e| e.to_string())?;
        if changed != text {
            put_all(&[(file.to_owned(), changed.into_bytes())])?;
        }
        Ok(config)
    }

    /// The files that were changed, and whether `tandem.toml` was one of them.
    async fn written(&self, flow: &str, release: &Release, config: &Config) -> Result<(Vec<PathBuf>, bool), String> {
        let live = self.live(flow).await.map_err(|e| e.to_string())?;
        if live.is_none_or(|live| live.release != release.digest) {
            return Err("another release went live meanwhile".into());
        }
        let candidate = self.store().candidate(flow).await.map_err(|e| e.to_string())?;
        if let Some(waits) = candidate.filter(|own| own.held.is_some() && own.release != release.digest) {
            return Err(format!("they hold release {}, which waits to go live", super::short(&waits.release)));
        }
        let file = &config.file;
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        // As it is now: it may have been changed since the host read it.
        let now = Config::parse(&text, file).map_err(|e| e.to_string())?;
        let own = now.flow(flow).map_err(|known| format!("tandem.toml has no flow {flow} any more; {known}"))?;
        let mut plan = Plan::default();
        self.plan_plugin(flow, own, release, &now, &mut plan).await?;
        self.plan_mapping(flow, own, release, &now, &mut plan).await?;
        self.plan_mapper(flow, own, release, &now, &mut plan).await?;
        let settings = release.manifest.settings.as_object().cloned().unwrap_or_default();
        let changed = edited(&text, flow, &plan.keys, &settings)?;
        let with_toml = changed != text;
        if with_toml {
            checked(&changed, flow, &settings, &now)?;
            plan.parts.push((file.clone(), changed.into_bytes()));
        }
        put_all(&plan.parts)?;
        Ok((plan.parts.into_iter().map(|(path, _)| path).collect(), with_toml))
    }

    /// An error where what lies there is nothing that is kept: somebody is working on it.
    async fn known(&self, path: &Path) -> Result<(), String> {
        let Ok(bytes) = std::fs::read(path) else { return Ok(()) };
        match self.store().content(&digest_of(&bytes)).await.map_err(|e| e.to_string())? {
            Some(_) => Ok(()),
            None => Err(format!("{} holds something that no release has: it is not overwritten", path.display())),
        }
    }

    async fn plan_plugin(
        &self,
        flow: &str,
        own: &FlowConfig,
        release: &Release,
        config: &Config,
        plan: &mut Plan,
    ) -> Result<(), String> {
        let part = &release.manifest.plugin;
        if own.plugin != part.name {
            return Err(format!("tandem.toml names the plugin {}, and the release has {}", own.plugin, part.name));
        }
        let used = |other: &FlowConfig| Some(self.path(&other.plugin));
        self.plan_part(
            self.path(&part.name),
            &part.digest,
            |path| {
                alone(flow, path, config, used)?;
                unsigned(path)
            },
            plan,
        )
        .await
    }

    async fn plan_mapping(
        &self,
        flow: &str,
        own: &FlowConfig,
        release: &Release,
        config: &Config,
        plan: &mut Plan,
    ) -> Result<(), String> {
        let (digest, path) = match (&release.manifest.mapping, &own.mapping) {
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                plan.keys.push(("mapping", None));
                return Ok(());
            }
            (Some(digest), Some(path)) => (digest, config.resolve(path)),
            (Some(digest), None) => {
                let name = format!("{}.mapping.toml", as_file_name(flow));
                let path = config.resolve(Path::new(&name));
                plan.keys.push(("mapping", Some(name)));
                (digest, path)
            }
        };
        let used = |other: &FlowConfig| other.mapping.as_ref().map(|it| config.resolve(it));
        self.plan_part(path, digest, |path| alone(flow, path, config, used), plan).await
    }

    async fn plan_mapper(
        &self,
        flow: &str,
        own: &FlowConfig,
        release: &Release,
        config: &Config,
        plan: &mut Plan,
    ) -> Result<(), String> {
        let (part, path) = match (&release.manifest.mapper, &own.mapper) {
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                plan.keys.push(("mapper", None));
                return Ok(());
            }
            (Some(part), Some(path)) if super::name_of(path) == part.name => (part, config.resolve(path)),
            (Some(part), _) => {
                let name = format!("{}.wasm", part.name);
                let path = config.resolve(Path::new(&name));
                plan.keys.push(("mapper", Some(name)));
                (part, path)
            }
        };
        let used = |other: &FlowConfig| other.mapper.as_ref().map(|it| config.resolve(it));
        self.plan_part(
            path,
            &part.digest,
            |path| {
                alone(flow, path, config, used)?;
                unsigned(path)
            },
            plan,
        )
        .await
    }

    /// Has a part written where it does not lie yet, and where `may` and what lies there let it.
    async fn plan_part(
        &self,
        path: PathBuf,
        digest: &str,
        may: impl FnOnce(&Path) -> Result<(), String>,
        plan: &mut Plan,
    ) -> Result<(), String> {
        if holds(&path, digest) {
            return Ok(());
        }
        may(&path)?;
        self.known(&path).await?;
        plan.parts.push((path, self.bytes_of(digest).await?));
        Ok(())
    }

    async fn bytes_of(&self, digest: &str) -> Result<Vec<u8>, String> {
        let bytes = self.store().content(digest).await.map_err(|e| e.to_string())?;
        bytes.ok_or_else(|| "a part of the release is not kept any more".into())
    }
}

fn holds(path: &Path, digest: &str) -> bool {
    std::fs::read(path).is_ok_and(|bytes| digest_of(&bytes) == digest)
}

/// An error where another flow uses the file, too: it would change with it.
fn alone(
    flow: &str,
    path: &Path,
    config: &Config,
    used: impl Fn(&FlowConfig) -> Option<PathBuf>,
) -> Result<(), String> {
    // However it is called, and whatever leads there.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let uses = |own: &FlowConfig| used(own).is_some_and(|other| real(&other) == real(path));
    let others: BTreeSet<&str> =
        config.flows.iter().filter(|(name, own)| *name != flow && uses(own)).map(|(name, _)| name.as_str()).collect();
    if others.is_empty() {
        return Ok(());
    }
    let others = others.into_iter().collect::<Vec<_>>().join(", ");
    Err(format!("{} is used by {others}, too: give {flow} a file of its own", path.display()))
}

/// An error where a signature lies beside it, which fits no other content.
pub(super) fn unsigned(path: &Path) -> Result<(), String> {
    let signature = signature_of(path);
    if signature.exists() {
        return Err(format!("{} fits what lies there now: put the new file there with its own", signature.display()));
    }
    Ok(())
}

/// Flows are called by the operator; a file may not be called by all that they may.
fn as_file_name(flow: &str) -> String {
    flow.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect()
}

/// `tandem.toml` with keys and settings of a flow as they are to be; what is the same already is not touched.
fn edited(
    text: &str,
    flow: &str,
    keys: &[(&'static str, Option<String>)],
    settings: &Map<String, Value>,
) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|e| format!("tandem.toml: {e}"))?;
    let own = document.get_mut("flows").and_then(|flows| flows.get_mut(flow)).and_then(Item::as_table_like_mut);
    let own = own.ok_or_else(|| format!("tandem.toml has no table of the flow {flow}"))?;
    for (key, value) in keys {
        match value {
            Some(value) => match own.get_mut(key) {
                Some(there) => replace(there, value.as_str().into()),
                None => {
                    own.insert(key, toml_edit::value(value.as_str()));
                }
            },
            None => {
                own.remove(key);
            }
        }
    }
    if own.get("settings").is_none() && !settings.is_empty() {
        own.insert("settings", Item::Value(toml_edit::InlineTable::new().into()));
    }
    if let Some(table) = own.get_mut("settings") {
        merge(table, settings)?;
    }
    Ok(with_line_ends_of(text, document.to_string()))
}

/// An error where the changed text is not what it should be, or says anything else of another flow.
fn checked(text: &str, flow: &str, settings: &Map<String, Value>, before: &Config) -> Result<(), String> {
    let after = Config::parse(text, &before.file).map_err(|e| format!("tandem.toml would not be read: {e}"))?;
    let same = after.flows.len() == before.flows.len()
        && after.flows.iter().all(|(name, own)| name == flow || before.flows.get(name) == Some(own));
    let own = after.flows.get(flow).and_then(|own| serde_json::to_value(&own.settings).ok());
    if !same || own.as_ref().and_then(Value::as_object) != Some(settings) {
        return Err("tandem.toml is written in a way that cannot be changed by a program: change it by hand".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOML: &str = "# The host of the company.\n[flows.orders]\nplugin = \"orders\" # ours\nconnections = { b1 = \"erp\" }\n\n\
        # What sales agreed.\n[flows.orders.settings]\nseries = 7 # since May\nwarehouse = \"01\"\n\n[flows.accounts]\nplugin = \"accounts\"\n\
        connections = {}\nsettings = { series = 11, by = { x = 1 } }\n";

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn settings_are_changed_where_they_stand_and_comments_stay() {
        let wanted = object(json!({ "series": 8, "warehouse": "01", "note": "a \"b\"" }));
        let text = edited(TOML, "orders", &[], &wanted).unwrap();
        let expected = TOML.replace(
            "series = 7 # since May\nwarehouse = \"01\"\n",
            "series = 8 # since May\nwarehouse = \"01\"\nnote = 'a \"b\"'\n",
        );
        assert_eq!(text, expected);
        let same = object(json!({ "series": 7, "warehouse": "01" }));
        assert_eq!(edited(TOML, "orders", &[], &same).unwrap(), TOML);
        let nested = object(json!({ "by": { "x": 1, "y": [1, 2] } }));
        let text = edited(TOML, "accounts", &[], &nested).unwrap();
        assert!(text.contains("settings = { by = { x = 1, y = [1, 2] } }"), "{text}");
        assert!(text.starts_with("# The host of the company."));
    }

    #[test]
    fn keys_come_and_go_and_null_is_refused() {
        let settings = object(json!({ "series": 7, "warehouse": "01" }));
        let named = edited(TOML, "orders", &[("mapping", Some("orders.mapping.toml".into()))], &settings).unwrap();
        assert!(named.contains("\nmapping = \"orders.mapping.toml\"\n"), "{named}");
        assert_eq!(edited(&named, "orders", &[("mapping", None)], &settings).unwrap(), TOML);
        let null = object(json!({ "series": null }));
        assert!(edited(TOML, "orders", &[], &null).unwrap_err().contains("no null"));
        assert!(edited(TOML, "invoices", &[], &null).unwrap_err().contains("no table"));
    }

    #[test]
    fn line_ends_stay_and_so_does_what_is_the_same() {
        let windows = TOML.replace('\n', "\r\n");
        let same = object(json!({ "series": 7, "warehouse": "01" }));
        assert_eq!(edited(&windows, "orders", &[], &same).unwrap(), windows);
        let text = edited(&windows, "orders", &[], &object(json!({ "series": 8, "warehouse": "01" }))).unwrap();
        assert_eq!(text, windows.replace("series = 7", "series = 8"));
    }
}
