//! A system, company or org: asked for until the host is signed in, and kept.

use anyhow::Result;
use serde_json::{Map, Value};

use super::ask::Asker;
use super::draft::{Draft, Section, Tried};
use crate::checks::Finding;
use crate::cli::output::Output;
use crate::config::{Config, SecretSource, connection_name};
use crate::connections::Connection;

/// All that is asked of a system.
pub(super) trait Answers: Sized {
    /// `b1` or `salesforce`.
    const KIND: &'static str;
    /// What it is called where nobody says.
    const NAME: &'static str;
    /// How it is asked what it is called.
    const CALLED: &'static str;

    /// The name of the one that is there, and what was answered for it where that can be told.
    fn known(config: &Config) -> Option<(String, Option<Self>)>;

    /// Asks. `was`: what Enter keeps.
    async fn asked(was: Option<&Self>, draft: &Draft, asker: &mut Asker, output: &Output) -> Result<Self>;

    /// The keys of its section but the secret.
    fn keys(&self) -> Map<String, Value>;

    /// The key of its secret, and where that lies.
    fn secret(&self) -> (&'static str, &SecretSource);
}

/// A system that the host is signed in to.
pub(super) struct SignedIn {
    /// Its section.
    pub section: Section,
    /// Ready for calls.
    pub connection: Connection,
    /// What was found there.
    pub findings: Vec<Finding>,
}

/// Asks until the host is signed in, and keeps what was answered. A system that is there and well is not asked for.
pub(super) async fn signed_in<A: Answers>(draft: &mut Draft, asker: &mut Asker, output: &Output) -> Result<SignedIn> {
    let (name, mut was) = match A::known(&draft.config) {
        Some(known) => known,
        None => (called::<A>(draft, asker)?, None),
    };
    // What stands in the file is tried as it stands.
    let mut section = was.as_ref().map(|own| section(&name, own, Map::new()));
    let mut is_new = false;
    loop {
        if let Some(section) = section {
            match draft.tried(&section).await? {
                Tried::SignedIn(connection, findings) => {
                    if is_new {
                        draft.keep(&section)?;
                    }
                    output.say(format!("[{}.{name}] is {}", A::KIND, if is_new { "written" } else { "there" }));
                    return Ok(SignedIn { section, connection: *connection, findings });
                }
                Tried::Not { keys, why, mend } => {
                    asker.again(&any_of(A::KIND, &keys), &why, &mend)?;
                    output.say("what follows is asked again; Enter keeps an answer");
                }
            }
        }
        let answers = A::asked(was.as_ref(), draft, asker, output).await?;
        section = Some(self::section(&name, &answers, answers.keys()));
        (was, is_new) = (Some(answers), true);
    }
}

/// What the connection is called.
fn called<A: Answers>(draft: &Draft, asker: &mut Asker) -> Result<String> {
    let key = format!("{}.name", A::KIND);
    loop {
        let name = asker.text(&key, A::CALLED, Some(A::NAME))?;
        let is_taken = draft.config.b1.contains_key(&name) || draft.config.salesforce.contains_key(&name);
        match connection_name(&name) {
            Ok(()) if is_taken => {
                asker.again(&key, &format!("the other system is called {name}"), "give it another name")?
            }
            Ok(()) => return Ok(name),
            Err(why) => asker.again(&key, &why, "")?,
        }
    }
}

/// `b1.company, b1.user or b1.password`.
fn any_of(kind: &str, keys: &[String]) -> String {
    let named: Vec<String> = keys.iter().map(|key| format!("{kind}.{key}")).collect();
    match named.split_last() {
        None => kind.to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
    }
}

fn section<A: Answers>(name: &str, answers: &A, keys: Map<String, Value>) -> Section {
    let (way, secret) = answers.secret();
    Section { kind: A::KIND, name: name.to_owned(), keys, way, secret: secret.clone() }
}
