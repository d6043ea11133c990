//! A release as the files of its flow, so that what runs and what people keep in git say the same: its parts into the files that `tandem.toml` names,
//! its settings into `tandem.toml` itself, whose comments and order stay.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item};

use super::{Release, Releases, digest_of, signature_of};
use crate::config::rewrite::{replace, tidy};
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

impl Releases {
    /// Makes the files of a flow say what a release is: all of them, or none.
    pub async fn write_files(&self, flow: &str, release: &Release, config: &Config) -> Written {
        match self.written(flow, release, config).await {
            Ok(changed) => Written::Changed(changed),
            Err(why) => Written::Left(why),
        }
    }

    async fn written(&self, flow: &str, release: &Release, config: &Config) -> Result<Vec<PathBuf>, String> {
        let file = &config.file;
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        // As it is now: it may have been changed since the host read it.
        let now = Config::parse(&text, file).map_err(|e| e.to_string())?;
        let own = now.flow(flow).map_err(|known| format!("tandem.toml has no flow {flow} any more; {known}"))?;
        let mut plan = Plan::default();
        self.plan_plugin(flow, own, release, &now, &mut plan).await?;
        self.plan_mapping(flow, own, release, &now, &mut plan)?;
        self.plan_mapper(flow, own, release, &now, &mut plan).await?;
        let settings = release.manifest.settings.as_object().cloned().unwrap_or_default();
        let changed = edited(&text, flow, &plan.keys, &settings)?;
        if changed != text {
            checked(&changed, flow, &settings, &now)?;
            // Until it was read again, parts and settings are of two releases.
            self.hold_still(flow);
            plan.parts.push((file.clone(), changed.into_bytes()));
        }
        let mut written = Vec::new();
        for (path, bytes) in plan.parts {
            put(&path, &bytes).map_err(|e| format!("{}: {e}", path.display()))?;
            written.push(path);
        }
        Ok(written)
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
        let path = self.path(&part.name);
        if holds(&path, &part.digest) {
            return Ok(());
        }
        alone(flow, &path, config, |other| self.path(&other.plugin) == path)?;
        unsigned(&path)?;
        plan.parts.push((path, self.bytes_of(&part.digest).await?));
        Ok(())
    }

    fn plan_mapping(
        &self,
        flow: &str,
        own: &FlowConfig,
        release: &Release,
        config: &Config,
        plan: &mut Plan,
    ) -> Result<(), String> {
        let text = release.mapping_text.as_bytes();
        match (&release.manifest.mapping, &own.mapping) {
            (None, None) => {}
            (None, Some(_)) => plan.keys.push(("mapping", None)),
            (Some(digest), Some(path)) => {
                let path = config.resolve(path);
                if !holds(&path, digest) {
                    let same = |other: &FlowConfig| other.mapping.as_ref().is_some_and(|it| config.resolve(it) == path);
                    alone(flow, &path, config, same)?;
                    plan.parts.push((path, text.to_vec()));
                }
            }
            (Some(digest), None) => {
                let name = format!("{}.mapping.toml", as_file_name(flow));
                let path = config.resolve(Path::new(&name));
                new_file(&path, digest)?;
                plan.parts.push((path, text.to_vec()));
                plan.keys.push(("mapping", Some(name)));
            }
        }
        Ok(())
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
                new_file(&path, &part.digest)?;
                plan.keys.push(("mapper", Some(name)));
                (part, path)
            }
        };
        if !holds(&path, &part.digest) {
            let same = |other: &FlowConfig| other.mapper.as_ref().is_some_and(|it| config.resolve(it) == path);
            alone(flow, &path, config, same)?;
            unsigned(&path)?;
            plan.parts.push((path, self.bytes_of(&part.digest).await?));
        }
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
fn alone(flow: &str, path: &Path, config: &Config, uses: impl Fn(&FlowConfig) -> bool) -> Result<(), String> {
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

/// An error where something else lies there.
fn new_file(path: &Path, digest: &str) -> Result<(), String> {
    if path.exists() && !holds(path, digest) {
        return Err(format!("{} is there already, and tandem.toml does not name it", path.display()));
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
            Some(value) => own.insert(key, toml_edit::value(value.as_str())),
            None => own.remove(key),
        };
    }
    if own.get("settings").is_none() && !settings.is_empty() {
        own.insert("settings", Item::Value(toml_edit::InlineTable::new().into()));
    }
    if let Some(table) = own.get_mut("settings") {
        merge(table, settings)?;
    }
    Ok(document.to_string())
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

/// Writes a file whole or not at all, with the rights of the one that lies there; a link stays one.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut file = tempfile::Builder::new().prefix(".tandem-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    if let Ok(there) = std::fs::metadata(&path) {
        std::fs::set_permissions(file.path(), there.permissions())?;
    }
    file.persist(&path).map_err(|e| e.error)?;
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
