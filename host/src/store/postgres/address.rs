//! How the database is reached.

use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};
use rustls::ClientConfig;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failed;
use crate::store::{Result, StoreError};

/// So long a server may take to answer a call.
const CONNECTING: Duration = Duration::from_secs(5);
/// So long a line may be silent until it is looked whether somebody is there.
const SILENT: Duration = Duration::from_secs(10);
/// What each session begins with. A transaction that does nothing is ended by the server: who is frozen holds up nobody. What must last
/// lasts, whatever the server is set to; who asks for more, such as a standby's word, has it.
/// A plan goes by what is asked for: one for all, which the server would make at the sixth time, reads a whole table where a word is rare.
const SET: &str = "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '30s'; SET client_min_messages = warning; \
    SET timezone = 'UTC'; SET default_transaction_isolation = 'read committed'; SET plan_cache_mode = force_custom_plan; \
    DO $$ BEGIN IF current_setting('synchronous_commit') = 'off' THEN SET synchronous_commit = on; END IF; END $$";

/// A server, a database on it, and who signs in.
#[derive(Clone)]
pub struct Address {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Of `postgres://user@host:port/database`, as `[store] url` has it: with `sslmode=disable` or `verify-full`; where neither is said, a server on
    /// this machine is reached as it is, and any other by TLS. The password comes from where secrets are kept. `tls` says whose
    /// certificates are trusted. An error in words, without the password.
    pub fn of(
        url: &str,
        password: Option<String>,
        tls: impl FnOnce() -> std::result::Result<ClientConfig, String>,
    ) -> std::result::Result<Self, String> {
        let (url, mode) = without_mode(url);
        // An error of the library may show what stands there.
        let mut config: Config = url.parse().map_err(|_| {
            "it is no address such as postgres://tandem@db.example:5432/tandem?sslmode=verify-full".to_owned()
        })?;
        if config.get_password().is_some() {
            return Err("a password stands in it: say where it is kept by `[store] password` instead".into());
        }
        if config.get_dbname().is_none() || config.get_user().is_none() || config.get_hosts().is_empty() {
            return Err("it must name user, host and database".into());
        }
        if let Some(password) = password {
            config.password(password);
        }
        let is_here = config.get_hosts().iter().all(is_here);
        let plain = match mode.as_deref() {
            None => is_here,
            Some("disable") if is_here => true,
            Some("verify-full") => false,
            Some("disable") => return Err("sslmode=disable is for a server on this machine alone".into()),
            Some(other) => {
                return Err(format!("sslmode={other}: say verify-full, which trusts nobody but the server itself"));
            }
        };
        config.ssl_mode(if plain { SslMode::Disable } else { SslMode::Require });
        let tls = if plain { None } else { Some(MakeRustlsConnect::new(tls()?)) };
        // What matters comes as an error, too.
        config.notice_callback(|notice| tracing::trace!(notice = notice.message(), "the database's server says"));
        config.application_name("tandem").connect_timeout(CONNECTING).keepalives_idle(SILENT);
        config.keepalives_interval(CONNECTING).keepalives_retries(3).tcp_user_timeout(SILENT * 3);
        // Of several servers the one that takes writes.
        config.target_session_attrs(postgres::config::TargetSessionAttrs::ReadWrite);
        Ok(Self { config, tls })
    }

    /// Without the password.
    pub fn words(&self) -> String {
        let hosts = self.config.get_hosts().iter().zip(self.config.get_ports().iter().chain(std::iter::repeat(&5432)));
        let hosts: Vec<String> = hosts
            .map(|(host, port)| match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        format!("postgres://{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }

    /// A session. Waits for the server: not for who must answer at once.
    pub fn open(&self) -> Result<Client> {
        let client = match &self.tls {
            Some(tls) => self.config.connect(tls.clone()),
            None => self.config.connect(NoTls),
        };
        let mut client = client.map_err(|error| {
            // Of who signs in, and of what there is; all else passes.
            let code = error.code().map_or("", |code| code.code());
            let refuses = code.starts_with("28") || code == "3D000";
            match failed(error) {
                StoreError::Database(why) if refuses => StoreError::Refused(why),
                StoreError::Database(why) => StoreError::Unreached(why),
                other => other,
            }
        })?;
        client.batch_execute(SET).map_err(failed)?;
        Ok(client)
    }
}

/// On this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// The address without its `sslmode`, and that: the library knows no `verify-full`.
fn without_mode(url: &str) -> (String, Option<String>) {
    let Some((address, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let (modes, others): (Vec<&str>, Vec<&str>) = query.split('&').partition(|part| part.starts_with("sslmode="));
    let mode = modes.last().and_then(|part| part.strip_prefix("sslmode=")).map(str::to_owned);
    let url = if others.is_empty() { address.to_owned() } else { format!("{address}?{}", others.join("&")) };
    (url, mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> std::result::Result<Address, String> {
        Address::of(url, None, || Err("asks for TLS".into()))
    }

    #[test]
    fn nothing_but_this_machine_is_reached_without_tls() {
        assert!(address("postgres://tandem@127.0.0.1/tandem").is_ok());
        assert!(address("postgres://tandem@localhost:5433/tandem?sslmode=disable").is_ok());
        for url in ["postgres://tandem@db.example/tandem", "postgres://tandem@localhost/tandem?sslmode=verify-full"] {
            assert!(address(url).err().unwrap().contains("asks for TLS"), "{url}");
        }
        for mode in ["disable", "prefer", "require", "verify-ca"] {
            let error = address(&format!("postgres://tandem@db.example/tandem?sslmode={mode}")).err().unwrap();
            assert!(error.contains("sslmode"), "{error}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_told() {
        for url in
            ["postgres://tandem:hunter2@127.0.0.1/tandem", "postgres://tandem:hunter2@/", "postgres://hunter2:x:y@z@"]
        {
            let error = address(url).err().unwrap();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let words = address("postgres://tandem@127.0.0.1,localhost:5433/orders").unwrap().words();
        assert!(words.ends_with("/orders") && words.contains("127.0.0.1"), "{words}");
    }
}
