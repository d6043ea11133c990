//! Which files make a host what it is, beside its database, and which of them a backup leaves out: secrets, and what belongs to the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::archive::Source;
use super::{BackupError, at};
use crate::config::Config;

/// The name of `tandem.toml` in a backup.
pub const CONFIG: &str = "tandem.toml";
/// The plugins folder there.
const PLUGINS: &str = "plugins";
/// Endings of what lies in it: components, and their signatures.
const ENDINGS: [&str; 2] = ["wasm", "minisig"];

/// `tandem.toml`, and what it names: each by its name in a backup. What is not there is left out: the flow goes on with what the database keeps.
pub fn of(config: &Config) -> Result<Vec<(String, Source)>, BackupError> {
    let mut parts = Vec::new();
    for (name, path) in places(config, &plugins(config)?) {
        match std::fs::read(&path) {
            Ok(bytes) => parts.push((name, Source::Bytes(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && name != CONFIG => {}
            Err(error) => return Err(at(&path)(error)),
        }
    }
    Ok(parts)
}

/// Where each part lies for a host of that configuration. `plugins`: names of files in the plugins folder.
pub fn places(config: &Config, plugins: &[String]) -> BTreeMap<String, PathBuf> {
    let mut places = BTreeMap::from([(CONFIG.to_owned(), config.file.clone())]);
    let folder = config.resolve(&config.host.plugins);
    for name in plugins {
        places.insert(format!("{PLUGINS}/{name}"), folder.join(name));
    }
    for (name, flow) in &config.flows {
        if let Some(mapping) = &flow.mapping {
            places.insert(format!("flows/{name}/mapping.toml"), config.resolve(mapping));
        }
        if let Some(mapper) = &flow.mapper {
            let mapper = config.resolve(mapper);
            let mut signature = mapper.as_os_str().to_owned();
            signature.push(".minisig");
            places.insert(format!("flows/{name}/mapper.wasm"), mapper);
            places.insert(format!("flows/{name}/mapper.wasm.minisig"), signature.into());
        }
    }
    places
}

/// The name of a file in the plugins folder that is a part.
pub fn plugin_of(part: &str) -> Option<&str> {
    part.strip_prefix(PLUGINS)?.strip_prefix('/').filter(|name| is_plugin(name))
}

/// What a restore needs beside the backup, and who says so.
pub fn left_out(config: &Config) -> Vec<String> {
    let mut left: Vec<String> =
        config.secrets().into_iter().map(|(place, secret)| format!("{place}: {secret}")).collect();
    if let Some(tls) = &config.host.tls {
        left.push(format!("[host] tls: the file {}", tls.certificate.display()));
        left.push(format!("[host] tls: the file {}", tls.key.display()));
    }
    let trusts = config.b1.iter().map(|(name, b1)| (format!("[b1.{name}]"), &b1.tls));
    let trusts = trusts.chain(config.salesforce.iter().map(|(name, org)| (format!("[salesforce.{name}]"), &org.tls)));
    let trusts = trusts.chain(config.console.oidc.iter().map(|oidc| ("[console.oidc]".to_owned(), &oidc.tls)));
    let trusts = trusts.chain(config.alerts.channels.iter().map(|(name, own)| (format!("[alerts.{name}]"), &own.tls)));
    let trusts = trusts.chain(config.telemetry.iter().map(|own| ("[telemetry]".to_owned(), &own.tls)));
    left.extend(
        trusts.filter_map(|(place, tls)| Some(format!("{place} tls: the file {}", tls.ca_file.as_ref()?.display()))),
    );
    left
}

/// Components and signatures in the plugins folder, by name.
fn plugins(config: &Config) -> Result<Vec<String>, BackupError> {
    let folder = config.resolve(&config.host.plugins);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(&folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(&folder))?;
        names.extend(entry.file_name().into_string().ok().filter(|name| is_plugin(name) && entry.path().is_file()));
    }
    names.sort_unstable();
    Ok(names)
}

fn is_plugin(name: &str) -> bool {
    let path = Path::new(name);
    path.file_name().is_some_and(|own| own == name)
        && path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_is_made_of_is_in_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = "[b1.erp]\nurl = \"https://b1:50000/b1s/v2\"\ncompany = \"X\"\nuser = \"u\"\npassword = { file = \"b1.password\" }\n\
             tls = { ca_file = \"ca.pem\" }\n[flows.orders]\nplugin = \"orders\"\nconnections = {}\nmapping = \"orders.toml\"\n\
             mapper = \"ours.wasm\"\n[alerts.team]\nkind = \"webhook\"\nurl = { env = \"HOOK\" }\nkey = { env = \"KEY\" }\ntls = { ca_file = \"hook.pem\" }\n";
        std::fs::create_dir(path("plugins")).unwrap();
        for (name, text) in [
            ("tandem.toml", text),
            ("b1.password", "geheim"),
            ("orders.toml", "version = 1\n"),
            ("plugins/orders.wasm", "code"),
            ("plugins/orders.wasm.minisig", "signature"),
            ("plugins/notes.txt", "geheim"),
        ] {
            std::fs::write(path(name), text).unwrap();
        }
        let config = Config::load(&path("tandem.toml")).unwrap();
        let names: Vec<String> = of(&config).unwrap().into_iter().map(|(name, _)| name).collect();
        let wanted = ["flows/orders/mapping.toml", "plugins/orders.wasm", "plugins/orders.wasm.minisig", "tandem.toml"];
        assert_eq!(names, wanted, "a mapper that is not there is none");
        let left = left_out(&config).join("\n");
        assert!(left.contains("[b1.erp] password: the file b1.password") && left.contains("ca.pem"), "{left}");
        assert!(left.contains("[alerts.team] tls: the file hook.pem"), "{left}");
        assert_eq!(plugin_of("plugins/orders.wasm"), Some("orders.wasm"));
        for none in ["plugins/../x.wasm", "plugins/notes.txt", "plugins/", "tandem.toml"] {
            assert_eq!(plugin_of(none), None, "{none}");
        }
    }
}
