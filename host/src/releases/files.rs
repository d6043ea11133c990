//! A release as the files of its flow, so that what runs and what people keep in git say the same: its parts into the files that `tandem.toml` names,
//! its settings into `tandem.toml` itself, whose comments and order stay.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item};

use super::{Release, Releases, digest_of, signature_of};
use crate::config::rewrite::{replace, tidy, with_line_ends_of};
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
fn unsigned(path: &Path) -> Result<(), String> {
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

/// Makes a table say what an object does.
fn merge(whole: &mut Item, wanted: &Map<String, Value>) -> Result<(), String> {
    let table = whole.as_table_like_mut().ok_or("the settings in tandem.toml are no table")?;
    let gone: Vec<String> =
        table.iter().map(|(key, _)| key.to_owned()).filter(|key| !wanted.contains_key(key)).collect();
    let mut moved = !gone.is_empty();
    for key in gone {
        table.remove(&key);
    }
    for (key, value) in wanted {
        match (value, table.get_mut(key)) {
            (value, Some(there)) if json_of(there)? == *value => {}
            (Value::Object(fields), Some(there)) if there.is_table_like() => merge(there, fields)?,
            (value, there) => {
                let new = toml_of(value).map_err(|why| format!("the setting {key}: {why}"))?;
                match there {
                    Some(there) => replace(there, new),
                    None => {
                        table.insert(key, Item::Value(new));
                        moved = true;
                    }
                }
            }
        }
    }
    if moved {
        tidy(whole);
    }
    Ok(())
}

fn json_of(item: &Item) -> Result<Value, String> {
    let mut one = toml_edit::DocumentMut::new();
    one.insert("it", item.clone());
    let read: toml::Table = toml::from_str(&one.to_string()).map_err(|e| e.to_string())?;
    serde_json::to_value(&read["it"]).map_err(|e| e.to_string())
}

fn toml_of(value: &Value) -> Result<toml_edit::Value, String> {
    Ok(match value {
        Value::Null => return Err("TOML has no null: leave it out".into()),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(float)) => float.into(),
            (None, None) => return Err(format!("{number} is too large")),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            let items: Vec<toml_edit::Value> = items.iter().map(toml_of).collect::<Result<_, _>>()?;
            items.into_iter().collect::<toml_edit::Array>().into()
        }
        Value::Object(fields) => {
            let mut table = toml_edit::InlineTable::new();
            for (key, value) in fields {
                table.insert(key, toml_of(value)?);
            }
            table.into()
        }
    })
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

/// Writes files: all of them, or none. Each is there whole at any moment.
fn put_all(parts: &[(PathBuf, Vec<u8>)]) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut ready = Vec::new();
    for (path, bytes) in parts {
        let before = match std::fs::read(path) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, error)),
        };
        ready.push((path, before, prepared(path, bytes).map_err(|error| failed(path, error))?));
    }
    let mut done: Vec<(&PathBuf, Option<Vec<u8>>)> = Vec::new();
    for (path, before, (file, target)) in ready {
        if let Err(error) = file.persist(target) {
            for (path, before) in done {
                let back = match before {
                    Some(before) => put(path, &before),
                    None => std::fs::remove_file(path),
                };
                if let Err(error) = back {
                    tracing::error!(path = %path.display(), %error, "a file that was written cannot be put back");
                }
            }
            return Err(failed(path, error.error));
        }
        done.push((path, before));
    }
    Ok(())
}

/// Writes a file whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let (file, target) = prepared(path, bytes)?;
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// A file that lies ready beside the one whose place it takes, with the rights of that one; a link stays one.
fn prepared(path: &Path, bytes: &[u8]) -> std::io::Result<(tempfile::NamedTempFile, PathBuf)> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut file = tempfile::Builder::new().prefix(".tandem-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match std::fs::metadata(&target) {
        Ok(there) => std::fs::set_permissions(file.path(), there.permissions())?,
        // As any other file that people keep in git.
        #[cfg(unix)]
        Err(_) => {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644))?;
        }
        #[cfg(not(unix))]
        Err(_) => {}
    }
    Ok((file, target))
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

    #[test]
    fn all_files_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), "old").unwrap();
        std::fs::create_dir(path("c")).unwrap();
        let part = |name: &str| (path(name), b"new".to_vec());
        assert!(put_all(&[part("a"), part("b"), part("c")]).unwrap_err().contains('c'));
        assert_eq!(std::fs::read(path("a")).unwrap(), b"old");
        // A folder in whose place nothing can be put is found when others are there already.
        let file = |name: &str| (path(name), b"new".to_vec());
        std::fs::create_dir_all(path("d/e")).unwrap();
        assert!(put_all(&[file("a"), file("b"), (path("d/none/x"), Vec::new())]).is_err());
        assert!(!path("b").exists() && std::fs::read(path("a")).unwrap() == b"old");
        put_all(&[part("a"), part("b")]).unwrap();
        assert_eq!(
            (std::fs::read(path("a")).unwrap(), std::fs::read(path("b")).unwrap()),
            (b"new".to_vec(), b"new".to_vec())
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_file_is_replaced_with_its_rights_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.mapping.toml");
        std::fs::write(&path, "version = 1\n").unwrap();
        put(&path, b"version = 1\n[header]\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "version = 1\n[header]\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let link = folder.path().join("link.toml");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            put(&link, b"x").unwrap();
            assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(std::fs::read(&path).unwrap(), b"x");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), if cfg!(unix) { 2 } else { 1 });
    }
}
