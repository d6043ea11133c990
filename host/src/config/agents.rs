//! What people's assistants and programs may do: `[agents]`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{AgentConfig, Config, Section};

/// `[agents]`
#[derive(Clone, Debug, PartialEq)]
pub struct AgentsConfig {
    /// Programs that speak MCP reach the flows' tools at `/mcp`.
    pub mcp: bool,
    /// Programs come with tokens of the company's provider, too: that of `[console.oidc]`.
    pub oauth: Option<OauthConfig>,
    /// Calls of one caller within a minute, at most.
    pub calls_a_minute: u32,
    /// Within a day of UTC, at most.
    pub calls_a_day: u32,
    /// The first of them that speaks of who calls and of the tool decides; where none does, what only reads is allowed, what writes waits for a person who
    /// approves it, and what destroys is refused.
    pub rules: Vec<RuleConfig>,
    /// Agents of one's own, by name: `[agents.<name>]`.
    pub own: BTreeMap<String, AgentConfig>,
}

impl Default for AgentsConfig {
    fn default() -> Self {
        Self {
            mcp: false,
            oauth: None,
            calls_a_minute: 120,
            calls_a_day: 10_000,
            rules: Vec::new(),
            own: BTreeMap::new(),
        }
    }
}

impl AgentsConfig {
    /// Agents that are at work, by name.
    pub fn at_work(&self) -> impl Iterator<Item = (&String, &AgentConfig)> {
        self.own.iter().filter(|(_, own)| own.enabled)
    }
}

impl<'de> Deserialize<'de> for AgentsConfig {
    /// By hand: what is flattened forgets at which line it stood.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = AgentsConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AgentsConfig, A::Error> {
                let mut read = AgentsConfig::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "mcp" => read.mcp = map.next_value()?,
                        "oauth" => read.oauth = Some(map.next_value()?),
                        "calls_a_minute" => read.calls_a_minute = map.next_value()?,
                        "calls_a_day" => read.calls_a_day = map.next_value()?,
                        "rules" => read.rules = map.next_value()?,
                        _ => {
                            read.own.insert(key, map.next_value()?);
                        }
                    }
                }
                Ok(read)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// `[agents.oauth]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OauthConfig {
    /// For whom the provider makes such tokens (`aud`); without it for the address of `/mcp`.
    #[serde(default)]
    pub audience: Option<String>,
    /// What a person must have let a program do, as the provider calls it.
    pub scope: String,
}

/// `[[agents.rules]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Of whom it speaks, as the audit trail calls them: an account, `token <name>`, `agent <name>`; `*` stands for any text. Without it of everybody.
    #[serde(default = "anything")]
    pub who: Vec<String>,
    /// Of which tools: `<flow>_<tool>`, such as `orders_*`. Without it of all.
    #[serde(default = "anything")]
    pub tools: Vec<String>,
    /// Only of calls of which this is so: an expression in the language of mapping rules, over `input` (what the tool is called with), `result` (what it
    /// would answer, by a rehearsal; only of what does not read), `who`, `hour` (0 to 23, of this server's clock) and `weekday` (1 is Monday). Where that
    /// cannot be told a rule that refuses speaks of the call, and one that allows or has it approved does not.
    #[serde(default)]
    pub when: Option<String>,
    /// What becomes of a call.
    pub then: Then,
    /// Who may approve it, as the audit trail calls them; those who answer in Salesforce are `salesforce <username>`. Without it each person who answers
    /// reviews, but nobody in Salesforce.
    #[serde(default)]
    pub approvers: Vec<String>,
    /// Who calls may approve it, too.
    #[serde(default)]
    pub own: bool,
    /// So long an approval is waited for.
    #[serde(default = "a_day")]
    pub hours: u32,
    /// Fields that are taken out of what is answered, wherever they stand in it.
    #[serde(default)]
    pub hide: Vec<String>,
    /// Only records of which these fields, as tools name them, have a value that fits one of the patterns: others are in no answer, and no call is about them.
    #[serde(default)]
    pub rows: BTreeMap<String, Vec<String>>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It is made.
    Allow,
    /// It is rehearsed, and made once a person who has seen what it would write says so.
    Approve,
    /// It is not.
    Refuse,
}

fn anything() -> Vec<String> {
    vec!["*".into()]
}

/// Hours that an approval is waited for where no rule says.
pub fn a_day() -> u32 {
    24
}

/// Hours that an approval may be waited for: what was rehearsed longer ago says little.
const MOST_HOURS: u32 = 24 * 30;

impl Config {
    pub(super) fn check_agents(&self, section: &mut Section) {
        let own = &self.agents;
        section.positive(&[("calls_a_minute", own.calls_a_minute.into()), ("calls_a_day", own.calls_a_day.into())]);
        if let Some(oauth) = &own.oauth {
            match &self.console.oidc {
                None => section.tell("oauth", ": whose tokens are meant is said by [console.oidc]: give it, or remove this"),
                Some(oidc) if oauth.audience.as_ref() == Some(&oidc.client_id) => section.tell(
                    "oauth.audience",
                    " is the client_id of [console.oidc]: what people sign in with here would open the tools; give those an audience of their own",
                ),
                Some(_) => {}
            }
            section.filled(&[("oauth.audience", oauth.audience.as_ref()), ("oauth.scope", Some(&oauth.scope))]);
            if oauth.scope.chars().any(|c| c.is_whitespace() || c == '"' || c == '\\' || !c.is_ascii_graphic()) {
                section.tell("oauth.scope", ": one scope, without blanks and quotation marks");
            }
        }
        for (place, rule) in own.rules.iter().enumerate() {
            let which = place + 1;
            for (key, patterns) in [("who", &rule.who), ("tools", &rule.tools)] {
                if patterns.is_empty() || patterns.iter().any(|pattern| pattern.trim().is_empty()) {
                    section
                        .tell("rules", format!(": number {which} speaks of nothing: give `{key}`, or remove the line"));
                }
            }
            for tool in &rule.tools {
                let flow = tool.split('_').next().unwrap_or_default();
                if !flow.contains('*') && flow != "tandem" && !self.flows.contains_key(flow) {
                    let known: Vec<&str> = self.flows.keys().map(String::as_str).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    section.tell(
                        "rules",
                        format!(": number {which} speaks of the tools \"{tool}\" of a flow that is none; write <flow>_<tool>; flows are: {known}"),
                    );
                }
            }
            if let Some(field) = rule.hide.iter().find(|field| field.trim().is_empty() || field.contains('*')) {
                section.tell(
                    "rules",
                    format!(": number {which} hides \"{field}\": name each field, as `tandem tool show` does"),
                );
            }
            if let Some((field, _)) = rule.rows.iter().find(|(field, patterns)| {
                field.trim().is_empty() || patterns.is_empty() || patterns.iter().any(|own| own.trim().is_empty())
            }) {
                section.tell(
                    "rules",
                    format!(": number {which} lets nobody see a record: give `rows.{field}` its patterns"),
                );
            }
            if rule.when.is_some() && !(rule.hide.is_empty() && rule.rows.is_empty()) {
                section.tell(
                    "rules",
                    format!(": number {which} hides fields or records `when` something is so: what is hidden is known before anybody calls; make it two rules"),
                );
            }
            if rule.then != Then::Approve && (!rule.approvers.is_empty() || rule.own || rule.hours != a_day()) {
                section.tell(
                    "rules",
                    format!(": number {which} has nothing approved: remove `approvers`, `own` and `hours`, or write then = \"approve\""),
                );
            }
            if rule.hours == 0 || rule.hours > MOST_HOURS {
                section.tell(
                    "rules",
                    format!(": number {which} waits {} hours; 1 to {MOST_HOURS} are possible", rule.hours),
                );
            }
            if rule.approvers.iter().any(|own| own.trim().is_empty()) {
                section.tell("rules", format!(": number {which} has an approver without a name"));
            }
            if rule.then == Then::Refuse && !(rule.hide.is_empty() && rule.rows.is_empty()) {
                section.tell(
                    "rules",
                    format!(": number {which} hides fields or records of what it refuses: remove `hide` and `rows`"),
                );
            }
        }
    }
}
