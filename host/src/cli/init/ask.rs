//! Who answers: a person at a terminal, or a file of answers. What was answered and does not hold is asked again where there is somebody to ask.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, Result};
use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, Input, MultiSelect, Password, Select};
use toml::{Table, Value};

use super::keys::Keys;
use crate::cli::failure::Failure;
use crate::cli::output::complain;
use crate::config::{Secret, SecretSource};

/// Asks, and takes what was answered beforehand, once each.
pub struct Asker {
    /// By key, such as `b1.url`.
    given: BTreeMap<String, Value>,
    /// All that may be asked for.
    keys: Option<Keys>,
    terminal: bool,
    theme: ColorfulTheme,
}

/// One of several.
pub struct Choice {
    /// As a file of answers says it.
    pub value: String,
    /// For a person.
    pub says: String,
}

impl Choice {
    /// Both.
    pub fn new(value: impl Into<String>, says: impl Into<String>) -> Self {
        Self { value: value.into(), says: says.into() }
    }
}

impl Asker {
    /// With a file of answers nobody is asked, without one whoever sits at the terminal.
    pub fn new(answers: Option<&Path>) -> Result<Self> {
        let mut given = BTreeMap::new();
        if let Some(path) = answers {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read the answers {}", path.display()))?;
            let table: Table =
                text.parse().map_err(|error| Failure::WrongUsage(format!("{}: {error}", path.display())))?;
            flattened("", &table, &mut given);
        }
        let terminal = answers.is_none() && std::io::stdin().is_terminal();
        Ok(Self { given, keys: None, terminal, theme: ColorfulTheme::default() })
    }

    /// An answer that is known beforehand, such as an option of the command.
    pub fn knows(&mut self, key: &str, answer: Option<&str>) {
        self.given.extend(answer.map(|answer| (key.to_owned(), answer.into())));
    }

    /// It was answered beforehand.
    pub fn has(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Somebody sits there.
    pub fn is_person(&self) -> bool {
        self.terminal
    }

    /// What was answered beforehand, where it was.
    pub fn known(&mut self, key: &str) -> Result<Option<String>> {
        match self.take(key) {
            Some(Value::String(given)) => Ok(Some(given)),
            Some(_) => Err(wrong(key, "is to be a text")),
            None => Ok(None),
        }
    }

    /// What was answered and nothing asked for, since it was there already.
    pub fn unused(&self) -> &BTreeMap<String, Value> {
        &self.given
    }

    /// Nothing but these will be asked for: whoever answers something else is told before anything is done.
    pub fn expects(&mut self, keys: Keys) -> Result<()> {
        let misspelt = keys.misspelt(&self.given);
        self.keys = Some(keys);
        if misspelt.is_empty() { Ok(()) } else { Err(Failure::WrongUsage(misspelt.join("\n")).into()) }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        debug_assert!(
            self.keys.as_ref().is_none_or(|keys| keys.has(key)),
            "{key} is asked for, and keys.rs knows nothing of it"
        );
        self.given.remove(key)
    }

    /// A line. `proposed`: what stands without another answer.
    pub fn text(&mut self, key: &str, question: &str, proposed: Option<&str>) -> Result<String> {
        match self.take(key) {
            Some(Value::String(given)) => return Ok(given),
            Some(Value::Integer(given)) => return Ok(given.to_string()),
            Some(_) => return Err(wrong(key, "is to be a text")),
            None => {}
        }
        if !self.terminal {
            return proposed.map(str::to_owned).ok_or_else(|| missing(key, question));
        }
        let mut input = Input::<String>::with_theme(&self.theme).with_prompt(question);
        if let Some(proposed) = proposed.filter(|text| !text.is_empty()) {
            input = input.default(proposed.to_owned());
        }
        Ok(input.interact_text()?.trim().to_owned())
    }

    /// What nobody may read: typed hidden, or where it lies. `kept`: what an empty answer leaves as it is.
    pub fn secret(&mut self, key: &str, question: &str, kept: Option<&SecretSource>) -> Result<SecretSource> {
        match self.take(key) {
            Some(Value::String(_)) => {
                return Err(wrong(
                    key,
                    "stands in no file: say where it lies, { env = \"NAME\" }, { file = \"path\" }, { credential = \"name\" } or { dpapi = \"path\" }",
                ));
            }
            Some(given) => return given.try_into().map_err(|error: toml::de::Error| wrong(key, error.message())),
            None => {}
        }
        if !self.terminal {
            return kept.cloned().ok_or_else(|| missing(key, question));
        }
        let question = if kept.is_some() { format!("{question} (empty: as it is)") } else { question.to_owned() };
        let typed = Password::with_theme(&self.theme).with_prompt(question).allow_empty_password(kept.is_some());
        match (typed.interact()?, kept) {
            (typed, Some(kept)) if typed.is_empty() => Ok(kept.clone()),
            (typed, _) => Ok(SecretSource::Typed(Secret::from(typed))),
        }
    }

    /// Yes or no. `proposed` stands without another answer.
    pub fn yes(&mut self, key: &str, question: &str, proposed: bool) -> Result<bool> {
        match self.take(key) {
            Some(Value::Boolean(given)) => return Ok(given),
            Some(_) => return Err(wrong(key, "is to be true or false")),
            None if !self.terminal => return Ok(proposed),
            None => {}
        }
        Ok(Confirm::with_theme(&self.theme).with_prompt(question).default(proposed).interact()?)
    }

    /// One of several; without a proposal somebody has to say.
    pub fn one(&mut self, key: &str, question: &str, choices: &[Choice], proposed: Option<usize>) -> Result<String> {
        let given = match self.take(key) {
            Some(Value::String(given)) => Some(given),
            Some(Value::Integer(given)) => Some(given.to_string()),
            Some(_) => return Err(wrong(key, "is to be one of what may be chosen")),
            None => None,
        };
        if let Some(given) = given {
            return among(key, given, choices);
        }
        if !self.terminal {
            let proposed = proposed.and_then(|own| choices.get(own)).map(|own| own.value.clone());
            return proposed.ok_or_else(|| missing(key, question));
        }
        let says: Vec<&str> = choices.iter().map(|own| own.says.as_str()).collect();
        let chosen = Select::with_theme(&self.theme).with_prompt(question).items(&says).default(proposed.unwrap_or(0));
        let chosen = chosen.interact()?;
        choices.get(chosen).map(|own| own.value.clone()).ok_or_else(|| missing(key, question))
    }

    /// Any of several. `proposed` are chosen without another answer.
    pub fn many(&mut self, key: &str, question: &str, choices: &[Choice], proposed: &[&str]) -> Result<Vec<String>> {
        match self.take(key) {
            Some(Value::Array(given)) => {
                let texts = given.into_iter().map(|own| match own {
                    Value::String(own) => among(key, own, choices),
                    Value::Integer(own) => among(key, own.to_string(), choices),
                    _ => Err(wrong(key, "is to be a list of texts")),
                });
                return texts.collect();
            }
            Some(_) => return Err(wrong(key, "is to be a list")),
            None if !self.terminal => return Ok(proposed.iter().map(|own| (*own).to_owned()).collect()),
            None => {}
        }
        let items: Vec<(&str, bool)> =
            choices.iter().map(|own| (own.says.as_str(), proposed.contains(&own.value.as_str()))).collect();
        let question = format!("{question} (space marks, Enter takes)");
        let chosen = MultiSelect::with_theme(&self.theme).with_prompt(question).items_checked(items).interact()?;
        Ok(chosen.into_iter().filter_map(|own| Some(choices.get(own)?.value.clone())).collect())
    }

    /// What was answered does not hold: said with its mend, and asked again; an error where nobody is there.
    pub fn again(&self, key: &str, why: &str, mend: &str) -> Result<()> {
        let mend = if mend.is_empty() { String::new() } else { format!("\n  {mend}") };
        if !self.terminal {
            return Err(Failure::WrongUsage(format!("{key}: {why}{mend}")).into());
        }
        complain(format_args!("{why}{mend}"));
        Ok(())
    }
}

fn among(key: &str, given: String, choices: &[Choice]) -> Result<String> {
    if choices.iter().any(|own| own.value == given) {
        return Ok(given);
    }
    // With its name, where what is said of it begins with what is to be written.
    let shown = |own: &Choice| if own.says.starts_with(&own.value) { own.says.clone() } else { own.value.clone() };
    let all: Vec<String> = choices.iter().filter(|own| !own.value.is_empty()).map(shown).collect();
    Err(wrong(key, &format!("= {given:?} is not there; there are {}", all.join(", "))))
}

fn missing(key: &str, question: &str) -> anyhow::Error {
    Failure::WrongUsage(format!(
        "{key} is missing ({question}), and nobody is here to be asked: give it in the file of --answers"
    ))
    .into()
}

fn wrong(key: &str, why: &str) -> anyhow::Error {
    Failure::WrongUsage(format!("the answer {key} {why}")).into()
}

/// How a secret's source is written.
const SOURCES: [&str; 4] = ["env", "file", "credential", "dpapi"];

/// Tables within tables become keys with dots; where a secret lies, and lists, stay whole.
fn flattened(above: &str, table: &Table, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::Table(own) if !SOURCES.iter().any(|source| own.contains_key(*source)) => flattened(&key, own, into),
            value => {
                into.insert(key, value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(text: &str) -> Asker {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answers.toml");
        std::fs::write(&file, text).unwrap();
        Asker::new(Some(&file)).unwrap()
    }

    #[test]
    fn a_file_answers_each_question_once_and_says_what_it_lacks() {
        let mut asker = asker(
            "[b1]\nurl = \"https://b1\"\npassword = { env = \"X\" }\n[flows]\non = [\"orders\"]\n[flows.orders]\nwarehouse = 1\nx = 2\n",
        );
        assert_eq!(asker.text("b1.url", "Where?", None).unwrap(), "https://b1");
        let said = asker.text("b1.url", "Where?", None).unwrap_err().to_string();
        assert!(said.contains("b1.url is missing (Where?)"), "{said}");
        assert_eq!(asker.text("b1.url", "Where?", Some("https://b2")).unwrap(), "https://b2");
        assert!(
            matches!(asker.secret("b1.password", "its password", None).unwrap(), SecretSource::Env(name) if name == "X")
        );
        let choices = [Choice::new("orders", "Orders"), Choice::new("credit", "Credit")];
        assert_eq!(asker.many("flows.on", "Which?", &choices, &[]).unwrap(), ["orders"]);
        let said = asker.one("flows.orders.warehouse", "Which?", &choices, None).unwrap_err().to_string();
        assert!(said.contains("\"1\" is not there; there are orders, credit"), "{said}");
        assert_eq!(asker.unused().keys().collect::<Vec<_>>(), ["flows.orders.x"]);
    }

    #[test]
    fn a_secret_stands_in_no_file_and_what_does_not_hold_ends_it() {
        let mut asker = asker("[b1]\npassword = \"geheim\"\n");
        let said = asker.secret("b1.password", "its password", None).unwrap_err().to_string();
        assert!(said.contains("stands in no file") && !said.contains("geheim"), "{said}");
        let said = asker.again("b1.url", "nobody answers", "is it up?").unwrap_err().to_string();
        assert!(said.contains("b1.url: nobody answers") && said.contains("is it up?"), "{said}");
    }
}
