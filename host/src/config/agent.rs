//! Agents of one's own: `[agents.<name>]`.

use std::str::FromStr;

use croner::Cron;
use serde::Deserialize;

use super::{Config, ProxyConfig, SecretSource, Section, TlsConfig};

/// `[agents.<name>]`: a goal in words, a model that pursues it, and what holds it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an agent ([agents.<name>] with api, url and model); beside the agents [agents] has mcp, oauth, calls_a_minute, calls_a_day and rules"
)]
pub struct AgentConfig {
    /// It is at work.
    #[serde(default)]
    pub enabled: bool,
    /// One that comes along with its goal and its tools, or one's own.
    #[serde(default)]
    pub kind: AgentKind,
    /// What it is to do, in words; without it that of its kind.
    #[serde(default)]
    pub goal: Option<String>,
    /// How its model is spoken with.
    pub api: ModelApi,
    /// Where its model is, up to the version: `https://api.anthropic.com/v1`.
    pub url: String,
    /// What its model is called there.
    pub model: String,
    /// Where the key for it is kept; a model server on this machine may want none.
    #[serde(default)]
    pub key: Option<SecretSource>,
    /// Patterns of the tools that it may call, where the rules allow them, too; without it those of its kind.
    #[serde(default)]
    pub tools: Option<Vec<String>>,
    /// Only with these flows.
    #[serde(default)]
    pub flows: Option<Vec<String>>,
    /// It proposes an answer to each question that waits for a person; without it as its kind does.
    #[serde(default)]
    pub reviews: Option<bool>,
    /// When it is started, as cron; without it never by the clock.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Of `schedule`, as in the IANA database.
    #[serde(default = "super::defaults::zone")]
    pub time_zone: String,
    /// What it is asked then.
    #[serde(default)]
    pub question: Option<String>,
    /// Answers of its model for one question, at most.
    #[serde(default = "steps")]
    pub steps: u32,
    /// Tokens of one answer of its model, at most.
    #[serde(default = "answer_tokens")]
    pub answer_tokens: u32,
    /// Calls to its model within a day of UTC, at most.
    #[serde(default = "calls_a_day")]
    pub calls_a_day: u64,
    /// Tokens within a day, read and written ones together, at most.
    #[serde(default = "tokens_a_day")]
    pub tokens_a_day: u64,
    /// Money within a day, at most, in whatever currency the prices are.
    #[serde(default)]
    pub money_a_day: Option<f64>,
    /// What a million tokens cost that the model reads.
    #[serde(default)]
    pub price_in: f64,
    /// What a million tokens cost that it writes.
    #[serde(default)]
    pub price_out: f64,
    /// Seconds until an answer counts as lost.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
    /// Certificate trust.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Proxy; without it the one that the environment names.
    #[serde(default)]
    pub proxy: Option<ProxyConfig>,
}

/// Agents that come along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentKind {
    /// None of them.
    #[default]
    Own,
    /// Proposes an answer to each question that waits for a person.
    ReviewAssistant,
    /// Says where an order is.
    OrderDesk,
    /// Drafts reminders of what is overdue.
    DunningDraft,
}

/// How a model is spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelApi {
    /// As OpenAI's chat completions are, which most servers speak, those on one's own machines too.
    Openai,
    /// Anthropic's messages.
    Anthropic,
}

fn steps() -> u32 {
    12
}

fn answer_tokens() -> u32 {
    4_096
}

fn calls_a_day() -> u64 {
    500
}

fn tokens_a_day() -> u64 {
    1_000_000
}

fn timeout() -> u64 {
    120
}

/// Answers of a model for one question, whatever the file says: what has not come to an end by then goes in circles.
const MOST_STEPS: u32 = 50;
/// Letters of a goal, and of a question.
const MOST_WORDS: usize = 20_000;

impl AgentConfig {
    /// What it is to do.
    pub fn goal(&self) -> &str {
        self.goal.as_deref().unwrap_or(match self.kind {
            AgentKind::Own => "",
            AgentKind::ReviewAssistant => {
                "Tandem holds a record for a person, with a reason and the answers that it offers. Find out what an experienced clerk would answer, and \
                 propose that: look at the records on both sides, at what happened to them, and at who else it may be. Propose what undoes nothing that \
                 a person did, and where two answers are as good, the one that can be taken back. Give your reasons in two or three sentences, with the \
                 values that decided."
            }
            AgentKind::OrderDesk => {
                "Somebody at the company's sales desk asks where an order is. Find the customer and the order, and say where it stands: whether it was \
                 received, held and why, confirmed, delivered, invoiced, with numbers and days. Where several orders may be meant, name them and ask which."
            }
            AgentKind::DunningDraft => {
                "Draft reminders of what the customers whom you are asked about have not paid in time, for a person who reads each, changes it, and sends \
                 it. One for each customer, friendly and short, with \
                 the numbers of the invoices, their days, what is open and in which currency, from what the tools say alone. Where a payment or a complaint \
                 may explain it, say so to the person instead of drafting. You send nothing."
            }
        })
    }

    /// Patterns of the tools that it may call.
    pub fn tools(&self) -> Vec<String> {
        let own: &[&str] = match self.kind {
            AgentKind::Own => &[],
            AgentKind::ReviewAssistant => &[
                "tandem_why",
                "tandem_reviews",
                "tandem_flows",
                "tandem_reconcile",
                "*_find-customer",
                "*_orders-of",
                "*_credit-of",
                "*_open-invoices",
                "*_stock-of",
            ],
            AgentKind::OrderDesk => &[
                "tandem_why",
                "tandem_reconcile",
                "*_find-customer",
                "*_orders-of",
                "*_deliveries-of",
                "*_open-invoices",
                "*_stock-of",
            ],
            AgentKind::DunningDraft => &["tandem_why", "*_find-customer", "*_open-invoices", "*_credit-of"],
        };
        self.tools.clone().unwrap_or_else(|| own.iter().map(|own| (*own).to_owned()).collect())
    }

    /// Whether it proposes answers to what waits for a person.
    pub fn reviews(&self) -> bool {
        self.reviews.unwrap_or(self.kind == AgentKind::ReviewAssistant)
    }

    /// What it is asked by the clock.
    pub fn question(&self) -> &str {
        self.question.as_deref().unwrap_or_default()
    }
}

impl Config {
    pub(super) fn check_agent(&self, section: &mut Section, name: &str, own: &AgentConfig) {
        let fits = (1..=30).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fits {
            section.tell("", ": an agent's name has lower case letters, digits and dashes, 1 to 30");
        }
        section.url("url", &own.url);
        section.filled(&[
            ("model", Some(&own.model)),
            ("goal", own.goal.as_ref()),
            ("question", own.question.as_ref()),
        ]);
        if own.goal().is_empty() {
            section.tell("goal", " is missing: say in words what it is to do, or give `kind`");
        }
        if own.tools().is_empty() && own.kind == AgentKind::Own {
            section.tell("tools", " is missing: name the tools that it may call, such as [\"*_find-customer\"]");
        }
        for (key, text) in [("goal", own.goal()), ("question", own.question())] {
            if text.chars().count() > MOST_WORDS {
                section.tell(key, format!(" has more than {MOST_WORDS} letters"));
            }
        }
        for flow in own.flows.iter().flatten().filter(|flow| !self.flows.contains_key(*flow)) {
            let known: Vec<&str> = self.flows.keys().map(String::as_str).collect();
            section.tell("flows", format!(": \"{flow}\" is none; flows are: {}", known.join(", ")));
        }
        if let Some(cron) = &own.schedule {
            if Cron::from_str(cron).is_err() {
                section.tell("schedule", format!(" = \"{cron}\": cron such as \"0 7 * * 1-5\""));
            }
            if own.question().is_empty() {
                section.tell("question", " is missing: what it is asked when `schedule` starts it");
            }
        }
        section.zone("time_zone", &own.time_zone);
        section.positive(&[
            ("answer_tokens", own.answer_tokens.into()),
            ("calls_a_day", own.calls_a_day),
            ("tokens_a_day", own.tokens_a_day),
            ("timeout_seconds", own.timeout_seconds),
        ]);
        if !(1..=MOST_STEPS).contains(&own.steps) {
            section.tell("steps", format!(" = {}: 1 to {MOST_STEPS} are possible", own.steps));
        }
        let is_amount = |number: f64| number.is_finite() && number >= 0.0;
        for (key, number) in [("price_in", own.price_in), ("price_out", own.price_out)] {
            if !is_amount(number) {
                section.tell(key, format!(" = {number}: what a million tokens cost"));
            }
        }
        match own.money_a_day {
            Some(most) if !is_amount(most) || most == 0.0 => {
                section.tell("money_a_day", format!(" = {most}: must be more than 0"));
            }
            Some(_) if own.price_in + own.price_out <= 0.0 => {
                section.tell(
                    "money_a_day",
                    ": nobody knows what a token costs: give price_in and price_out, for a million of them",
                );
            }
            _ => {}
        }
        section.tls(&own.tls);
        section.proxy(own.proxy.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("tandem.toml")).map_err(|e| e.to_string())
    }

    const DESK: &str = "[agents.order-desk]\nkind = \"order-desk\"\napi = \"anthropic\"\nurl = \"https://api.anthropic.com/v1\"\nmodel = \"m\"\n";

    #[test]
    fn an_agent_stands_beside_the_rules_and_is_off_until_it_is_wanted() {
        let config = load(&format!("[agents]\nmcp = true\n{DESK}")).unwrap();
        let own = &config.agents.own["order-desk"];
        assert!(!own.enabled && config.agents.mcp && !own.reviews() && !own.goal().is_empty());
        for (wrong, word) in [
            ("key = \"sk-secret\"", "a secret never stands here"),
            ("money_a_day = 5.0", "price_in"),
            ("steps = 0", "1 to 50"),
            ("schedule = \"each day\"", "cron such as"),
            ("flows = [\"ordres\"]", "\"ordres\" is none"),
            ("stepz = 1", "line 6"),
        ] {
            let told = load(&format!("{DESK}{wrong}\n")).unwrap_err();
            assert!(told.contains(word) && !told.contains("sk-secret"), "{wrong}: {told}");
        }
        let told = load("[agents]\nmpc = true\n").unwrap_err();
        assert!(told.contains("line 2") && told.contains("an agent"), "{told}");
        let own = DESK.replace("kind = \"order-desk\"\n", "");
        let told = load(&own).unwrap_err();
        assert!(told.contains("goal is missing") && told.contains("tools is missing"), "{told}");
    }
}
