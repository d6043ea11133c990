//! A system's address: asked for, reached, and its certificate looked at by a person before anything is sent to it.

use std::path::Path;

use anyhow::Result;
use reqwest::Url;

use super::ask::{Asker, Choice};
use crate::checks::UNREACHED;
use crate::cli::output::Output;
use crate::config::TlsConfig;
use crate::connections::certificate::{Shown, shown};
use crate::connections::proxy::Proxies;
use crate::time::iso;

/// Where a system is, and how it is known.
pub struct Server {
    /// As it was answered.
    pub url: String,
    /// By what its certificate is trusted.
    pub tls: TlsConfig,
}

/// How it is asked for.
pub struct Asked<'a> {
    /// `b1` or `salesforce`.
    pub kind: &'a str,
    /// The key of its address in `tandem.toml`.
    pub key: &'a str,
    /// In words.
    pub question: &'a str,
    /// As it was.
    pub was: Option<Server>,
    /// Files are named from here.
    pub base: &'a Path,
    /// The environment's proxy lies before it.
    pub by_environment: bool,
}

/// Asks until there is a server that answers, and is trusted.
pub async fn server(asked: Asked<'_>, asker: &mut Asker, output: &Output) -> Result<Server> {
    let Asked { kind, key, question, mut was, base, by_environment } = asked;
    let key = format!("{kind}.{key}");
    loop {
        let text = asker.text(&key, question, was.as_ref().map(|own| own.url.as_str()))?;
        let url = match text.parse::<Url>() {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.host_str().is_some() => url,
            _ => {
                asker.again(&key, &format!("{text:?} is no address"), "write it with https:// in front")?;
                continue;
            }
        };
        let tls = was.take().map(|own| own.tls).unwrap_or_default();
        // Behind a proxy the sign-in tells of it.
        if url.scheme() == "http" || (by_environment && Proxies::from_environment().hop(&url).is_some()) {
            return Ok(Server { url: text, tls });
        }
        match trusted((kind, &key), &url, tls, base, asker, output).await? {
            Some(tls) => return Ok(Server { url: text, tls }),
            None => was = Some(Server { url: text, tls: TlsConfig::default() }),
        }
    }
}

/// By what this server is trusted; none where another address is to be asked for.
async fn trusted(
    (kind, key): (&str, &str),
    url: &Url,
    mut tls: TlsConfig,
    base: &Path,
    asker: &mut Asker,
    output: &Output,
) -> Result<Option<TlsConfig>> {
    let (pin, file) = (format!("{kind}.pin_sha256"), format!("{kind}.ca_file"));
    if let Some(given) = asker.known(&pin)? {
        tls = TlsConfig { pin_sha256: Some(given), ca_file: None };
    } else if let Some(given) = asker.known(&file)? {
        tls = TlsConfig { pin_sha256: None, ca_file: Some(given.into()) };
    }
    loop {
        let own = match shown(url, &tls, base).await {
            Ok(own) => own,
            Err(why) => {
                asker.again(key, &format!("{url}: {why}"), UNREACHED)?;
                return Ok(None);
            }
        };
        let Some(why) = &own.distrust else {
            output.say("it answers, and its certificate is trusted");
            return Ok(Some(tls));
        };
        tell(&own, output);
        let seen = format!("its certificate is not trusted: {why}");
        if !asker.is_person() {
            let mend = format!(
                "compare {} with the fingerprint on the server itself, and give it as {pin}, or your authority's file as {file}",
                own.sha256
            );
            asker.again(&pin, &seen, &mend)?;
        }
        output.say(seen);
        let choices = [
            Choice::new("pin", "trust it: I have compared the fingerprint with that on the server itself"),
            Choice::new("ca", "trust what our own authority has signed: give its file"),
            Choice::new("other", "no: give another address"),
        ];
        tls = match asker.one(&format!("{kind}.trust"), "what now?", &choices, Some(2))?.as_str() {
            "pin" => TlsConfig { pin_sha256: Some(own.sha256), ca_file: None },
            "ca" => {
                let path = asker.text(&file, "its PEM file", None)?;
                if let Err(error) = std::fs::metadata(base.join(&path)) {
                    asker.again(&file, &format!("{path}: {error}"), "give the path of a file that is there")?;
                    continue;
                }
                TlsConfig { pin_sha256: None, ca_file: Some(path.into()) }
            }
            _ => return Ok(None),
        };
    }
}

/// What a person compares.
fn tell(own: &Shown, output: &Output) {
    let date = |seconds: i64| iso(seconds.saturating_mul(1_000));
    let issuer = if own.is_self_signed() { "itself".to_owned() } else { own.issuer.clone() };
    let rows = [
        ("of", own.subject.clone()),
        ("for", own.names.join(", ")),
        ("signed by", issuer),
        ("from", date(own.from)),
        ("until", date(own.until)),
        ("SHA-256", own.sha256.clone()),
    ];
    let rows = rows.into_iter().map(|(name, says)| vec![name.to_owned(), says]).collect();
    output.facts(&["certificate", ""], rows);
}
