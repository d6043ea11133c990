//! `tandem account list|add|password|remove`: who may sign in to the console. What the console cannot do: the first one, and the last.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::json;

use super::audit::note;
use super::failure::Failure;
use super::output::Output;
use super::service::Parts;
use crate::console::Passwords;
use crate::store::Access;
use crate::store::{Account, Role, Store};
use crate::time::{iso, now};

/// Letters of a password that is made here, of which there are 32: 100 bits.
const LETTERS: usize = 20;

#[derive(Subcommand)]
pub enum Command {
    /// Who may sign in, and what they may.
    List,
    /// Make an account; without --password-stdin its password is made, and shown once.
    Add {
        /// By which they sign in.
        name: String,
        /// What they may do.
        #[arg(long, value_enum)]
        role: Role,
        /// Only with these flows.
        #[arg(long, value_delimiter = ',')]
        flows: Option<Vec<String>>,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give an account another password; its sessions end.
    Password {
        /// Whose.
        name: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove an account with its sessions and tokens.
    Remove {
        /// Whose.
        name: String,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Maker).await?;
    let store = parts.store.as_ref();
    match command {
        Command::List => {
            let accounts = store.accounts().await?;
            let all = |account: &Account| account.flows.as_ref().map_or_else(|| "all".into(), |flows| flows.join(", "));
            let rows = accounts
                .iter()
                .map(|own| {
                    let seen = own.last_seen.map_or_else(|| "never".into(), iso);
                    vec![own.name.clone(), own.role.to_string(), all(own), from(own).into(), iso(own.made_at), seen]
                })
                .collect();
            let values: Vec<_> = accounts
                .iter()
                .map(|own| json!({ "name": own.name, "role": own.role, "flows": own.flows, "from": from(own), "last_seen": own.last_seen.map(iso) }))
                .collect();
            output.rows(
                &values,
                &["name", "role", "flows", "signs in", "made", "seen last"],
                rows,
                "nobody can sign in to the console yet: tandem account add NAME --role admin",
            );
        }
        Command::Add { name, role, flows, password_stdin } => {
            for flow in flows.iter().flatten() {
                parts.known_flow(Some(flow)).await?;
            }
            if store.account(&name).await?.is_some() {
                let there = format!(
                    "there is an account {name:?} already; `tandem account password {name}` gives it another password"
                );
                return Err(Failure::WrongUsage(there).into());
            }
            let password = password(password_stdin)?;
            make(store, &name, role, flows, &password).await?;
            tell(output, &name, &password, password_stdin);
            say_if_closed(&parts, output);
        }
        Command::Password { name, password_stdin } => {
            let account = known(store, &name).await?;
            if account.outside.is_some() {
                let elsewhere = format!(
                    "{name} signs in at the company's provider and has no password here; `tandem account add` makes an account that has one"
                );
                return Err(Failure::WrongUsage(elsewhere).into());
            }
            let password = password(password_stdin)?;
            let kept = Passwords::default().hash(&name, &password).await?;
            if !store.account_put(Account { password: Some(kept), ..account }, None).await? {
                return Err(taken(&name).into());
            }
            note(store, "account.change", format!("account {name}"), "a new password").await?;
            tell(output, &name, &password, password_stdin);
            say_if_closed(&parts, output);
        }
        Command::Remove { name } => {
            known(store, &name).await?;
            store.account_remove(&name).await?;
            note(store, "account.remove", format!("account {name}"), "").await?;
            output.say(format!("{name} cannot sign in any more"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn known(store: &dyn Store, name: &str) -> Result<Account> {
    let accounts = store.accounts().await?;
    let found = accounts.iter().find(|account| account.name == name).cloned();
    found.ok_or_else(|| Failure::unknown("account", name, accounts.iter().map(|own| own.name.as_str())).into())
}

/// As the API calls it.
fn from(account: &Account) -> &'static str {
    if account.outside.is_some() { "oidc" } else { "local" }
}

/// Where the provider is gone, this is how somebody gets in.
fn say_if_closed(parts: &Parts, output: &Output) {
    if !parts.config.console.password {
        output.say("passwords are closed ([console] password = false): take the line out of tandem.toml, and a running host lets the account in, without a restart");
    }
}

/// The first account, where there is none yet; its password.
pub async fn first(store: &dyn Store) -> Result<Option<String>> {
    if !store.accounts().await?.is_empty() {
        return Ok(None);
    }
    let password = fresh()?;
    make(store, "admin", Role::Admin, None, &password).await?;
    Ok(Some(password))
}

async fn make(store: &dyn Store, name: &str, role: Role, flows: Option<Vec<String>>, password: &str) -> Result<()> {
    crate::console::checked_name(name)?;
    let kept = Passwords::default().hash(name, password).await?;
    let account = Account {
        name: name.to_owned(),
        role,
        flows,
        password: Some(kept),
        outside: None,
        made_at: now(),
        last_seen: None,
    };
    if !store.account_put(account, None).await? {
        return Err(taken(name).into());
    }
    note(store, "account.make", format!("account {name}"), role.word()).await
}

/// They were faster.
fn taken(name: &str) -> Failure {
    Failure::WrongUsage(format!("somebody who signs in at the company's provider has the name {name} since"))
}

fn password(from_input: bool) -> Result<String> {
    if !from_input {
        return fresh();
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the password cannot be read from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// No letters that look alike.
fn fresh() -> Result<String> {
    const OF: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567895";
    let mut bytes = [0; LETTERS];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut bytes)
        .map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(OF[usize::from(*byte) % OF.len()])).collect();
    Ok(letters.chunks(5).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

fn tell(output: &Output, name: &str, password: &str, given: bool) {
    if output.is_json() {
        let password = (!given).then_some(password);
        output.value(&json!({ "name": name, "password": password }));
    } else if given {
        output.say(format!("{name} signs in with that password"));
    } else {
        output.say(format!("{name} signs in with the password {password} (shown once; to be changed in the console)"));
    }
}
