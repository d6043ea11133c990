//! What the operator allows: rules of `[agents]`, of which the first that speaks of a call decides.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Local, Timelike};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{AgentsConfig, RuleConfig, Then, a_day};
use crate::mapping::Condition;
use crate::sandbox::{Deed, like};

/// What a condition of a rule may speak of.
const SPEAKS_OF: [&str; 5] = ["input", RESULT, "who", "hour", "weekday"];
/// Known by a rehearsal alone.
const RESULT: &str = "result";
/// Before the name of who answers there.
pub const IN_SALESFORCE: &str = "salesforce ";

/// See the module's words.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    config: RuleConfig,
    /// Why not, where it is none.
    when: Option<Result<Condition, String>>,
}

/// What becomes of a call, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What becomes of it.
    pub then: Then,
    /// Which rule says so, in words.
    pub by: String,
    /// What is taken out of the answer.
    pub hides: BTreeSet<String>,
    /// Which records it tells of: by field, the patterns of which one has to fit; empty: all.
    pub rows: BTreeMap<String, Vec<String>>,
    /// Who approves it, where somebody has to.
    pub approval: Approval,
}

/// Who may approve a call, and how long that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Patterns of names; empty: each person who answers reviews, but nobody in Salesforce.
    pub approvers: Vec<String>,
    /// Who calls, too.
    pub own: bool,
    /// So many hours.
    pub hours: u32,
}

impl Approval {
    /// Why somebody may not approve a call of somebody; none where they may. `owner`: who stands behind who called, such as who made a token.
    pub fn refuses(&self, who: &str, called: &str, owner: Option<&str>) -> Option<String> {
        let same = |own: &str| own.eq_ignore_ascii_case(who.strip_prefix(IN_SALESFORCE).unwrap_or(who));
        if !self.own && (same(called) || owner.is_some_and(same)) {
            return Some(format!(
                "{who} called it: somebody else approves it, unless a rule of [agents] says own = true"
            ));
        }
        let named = self.approvers.iter().any(|own| like(own, who));
        match self.approvers.is_empty() {
            true if who.starts_with(IN_SALESFORCE) => Some(
                "it is approved in the console of the host: no rule of [agents] names who may do it in Salesforce"
                    .into(),
            ),
            false if !named => Some(format!("it is approved by: {}", self.approvers.join(", "))),
            _ => None,
        }
    }
}

impl Ruling {
    /// It is made, at once or later.
    pub fn is_allowed(&self) -> bool {
        self.then != Then::Refuse
    }
}

/// A call that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Who calls, as the audit trail calls them.
    pub who: &'a str,
    /// The tool, by its whole name.
    pub tool: &'a str,
    /// What it may do.
    pub deed: Deed,
}

impl Policy {
    /// As `tandem.toml` has it.
    pub fn of(config: &AgentsConfig) -> Self {
        let rule = |config: &RuleConfig| Rule {
            when: config.when.as_deref().map(|text| Condition::parse(text, &SPEAKS_OF)),
            config: config.clone(),
        };
        Self { rules: config.rules.iter().map(rule).collect() }
    }

    /// What is wrong with its conditions: the place of the rule, and why.
    pub fn problems(&self) -> impl Iterator<Item = (usize, &str)> {
        self.rules
            .iter()
            .enumerate()
            .filter_map(|(place, rule)| Some((place, rule.when.as_ref()?.as_ref().err()?.as_str())))
    }

    /// What may become of a call, whatever it is called with: the last of them has no condition.
    pub fn rulings(&self, call: Judged<'_>) -> Vec<Ruling> {
        let mut rulings = Vec::new();
        for (place, rule) in self.speaking(call) {
            rulings.push(rule.ruling(place, call.deed));
            if rule.when.is_none() {
                return rulings;
            }
        }
        rulings.push(without_rule(call.deed));
        rulings
    }

    /// What is hidden from who calls, whichever of them decides.
    pub fn hides(&self, call: Judged<'_>) -> BTreeSet<String> {
        self.rulings(call).into_iter().flat_map(|ruling| ruling.hides).collect()
    }

    /// Which records who calls is told of: as the rule without a condition says, whichever decides.
    pub fn rows(&self, call: Judged<'_>) -> BTreeMap<String, Vec<String>> {
        self.rulings(call).pop().map(|ruling| ruling.rows).unwrap_or_default()
    }

    /// Whether a rehearsal has to be made before it is known what becomes of such a call.
    pub fn asks_for_rehearsal(&self, call: Judged<'_>) -> bool {
        let of_result = |rule: &Rule| matches!(&rule.when, Some(Ok(when)) if when.speaks_of(RESULT));
        call.deed != Deed::Reads && self.speaking(call).any(|(_, rule)| of_result(rule))
    }

    /// What becomes of this call. `result`: what it would answer, where that was rehearsed.
    pub fn on(&self, call: Judged<'_>, input: &Value, result: Option<&Value>) -> Ruling {
        let now = Local::now();
        let (who, hour, weekday) = (json!(call.who), json!(now.hour()), json!(now.weekday().number_from_monday()));
        let mut given = vec![("input", input), ("who", &who), ("hour", &hour), ("weekday", &weekday)];
        given.extend(result.map(|result| (RESULT, result)));
        for (place, rule) in self.speaking(call) {
            let holds = match &rule.when {
                None => Ok(true),
                Some(Ok(when)) => when.holds(&given),
                Some(Err(why)) => Err(why.clone()),
            };
            // What cannot be told is not to anybody's favour.
            if holds.unwrap_or(rule.config.then == Then::Refuse) {
                return rule.ruling(place, call.deed);
            }
        }
        without_rule(call.deed)
    }

    fn speaking<'a>(&'a self, call: Judged<'a>) -> impl Iterator<Item = (usize, &'a Rule)> {
        let speaks = move |(_, rule): &(usize, &Rule)| {
            let (who, tools) = (&rule.config.who, &rule.config.tools);
            who.iter().any(|own| like(own, call.who)) && tools.iter().any(|own| like(own, call.tool))
        };
        self.rules.iter().enumerate().filter(speaks)
    }
}

impl Rule {
    fn ruling(&self, place: usize, deed: Deed) -> Ruling {
        let RuleConfig { then, approvers, own, hours, hide, rows, .. } = &self.config;
        let when = match &self.when {
            Some(Ok(when)) => format!(" (when {})", when.text()),
            _ => String::new(),
        };
        Ruling {
            // There is nothing to approve of what only reads.
            then: if *then == Then::Approve && deed == Deed::Reads { Then::Allow } else { *then },
            by: format!("rule {} of [agents]{when}", place + 1),
            hides: hide.iter().cloned().collect(),
            rows: rows.clone(),
            approval: Approval { approvers: approvers.clone(), own: *own, hours: *hours },
        }
    }
}

fn without_rule(deed: Deed) -> Ruling {
    let (then, what) = match deed {
        Deed::Reads => (Then::Allow, "what reads is allowed"),
        Deed::Writes => (Then::Approve, "what writes waits for a person who approves it"),
        Deed::Destroys => (Then::Refuse, "what destroys is refused"),
    };
    Ruling {
        then,
        by: format!("no rule of [agents] speaks of it, and then {what}"),
        hides: BTreeSet::new(),
        rows: BTreeMap::new(),
        approval: Approval { approvers: Vec::new(), own: false, hours: a_day() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(who: &str, tools: &str, then: Then) -> RuleConfig {
        RuleConfig {
            who: vec![who.into()],
            tools: vec![tools.into()],
            when: None,
            then,
            approvers: Vec::new(),
            own: false,
            hours: a_day(),
            hide: Vec::new(),
            rows: BTreeMap::new(),
        }
    }

    fn policy(rules: Vec<RuleConfig>) -> Policy {
        Policy::of(&AgentsConfig { rules, ..AgentsConfig::default() })
    }

    fn on(policy: &Policy, who: &str, tool: &str, deed: Deed, input: Value, result: Option<Value>) -> Ruling {
        policy.on(Judged { who, tool, deed }, &input, result.as_ref())
    }

    #[test]
    fn the_first_rule_that_speaks_of_a_call_decides_and_without_one_its_deed_does() {
        let mut first = rule("token desk", "orders_*", Then::Allow);
        first.hide.push("phone".into());
        let policy = policy(vec![first, rule("token *", "*", Then::Refuse)]);
        let then = |who: &str, tool: &str, deed| on(&policy, who, tool, deed, json!({}), None).then;
        assert_eq!(then("token desk", "orders_orders-of", Deed::Reads), Then::Allow);
        assert_eq!(then("token desk", "credit_credit-of", Deed::Reads), Then::Refuse, "the second one speaks of it");
        assert_eq!(then("token other", "orders_orders-of", Deed::Reads), Then::Refuse);
        assert_eq!(then("anna", "orders_orders-of", Deed::Reads), Then::Allow, "none speaks of her");
        assert_eq!(then("anna", "orders_make-order", Deed::Writes), Then::Approve);
        assert_eq!(then("anna", "orders_cancel-order", Deed::Destroys), Then::Refuse);
        let ruling = on(&policy, "token desk", "orders_x", Deed::Reads, json!({}), None);
        assert_eq!((ruling.by.as_str(), ruling.hides.contains("phone")), ("rule 1 of [agents]", true));
    }

    #[test]
    fn what_cannot_be_told_is_to_nobodys_favour() {
        let up_to = |then, when: &str| RuleConfig { when: Some(when.into()), ..rule("*", "orders_*", then) };
        let own = policy(vec![up_to(Then::Allow, "result.total <= 5000"), rule("*", "*", Then::Approve)]);
        let then = |result: Option<Value>| on(&own, "a", "orders_x", Deed::Writes, json!({}), result).then;
        assert_eq!(on(&own, "a", "orders_x", Deed::Reads, json!({}), None).then, Then::Allow, "nothing to approve");
        assert_eq!(then(Some(json!({ "total": 4000 }))), Then::Allow);
        for not in [Some(json!({ "total": 6000 })), Some(json!({})), Some(json!({ "total": "4000" })), None] {
            assert_eq!(then(not.clone()), Then::Approve, "{not:?}");
        }
        let call = Judged { who: "a", tool: "orders_x", deed: Deed::Writes };
        assert!(own.asks_for_rehearsal(call) && own.rulings(call).len() == 2);
        let own = policy(vec![up_to(Then::Refuse, "input.total > 5000")]);
        let then = |input: Value| on(&own, "a", "orders_x", Deed::Reads, input, None).then;
        assert_eq!(then(json!({ "total": 1 })), Then::Allow);
        assert_eq!([then(json!({ "total": 6000 })), then(json!({}))], [Then::Refuse; 2]);
        // One that cannot be read refuses, or speaks of nothing.
        let own = policy(vec![up_to(Then::Allow, "nonsense("), up_to(Then::Refuse, "elsewhere == 1")]);
        assert_eq!(
            (own.problems().count(), on(&own, "a", "orders_x", Deed::Reads, json!({}), None).then),
            (2, Then::Refuse)
        );
    }

    #[test]
    fn nobody_approves_their_own_call_and_in_salesforce_only_who_is_named() {
        let approval = |approvers: &[&str], own| Approval {
            approvers: approvers.iter().map(|own| (*own).to_owned()).collect(),
            own,
            hours: 1,
        };
        let any = approval(&[], false);
        assert_eq!(any.refuses("berta", "anna", None), None);
        assert!(
            any.refuses("anna", "anna", None).is_some() && any.refuses("Anna", "token desk", Some("anna")).is_some()
        );
        assert!(any.refuses("salesforce berta@x.example", "anna", None).is_some());
        assert_eq!(approval(&[], true).refuses("anna", "anna", None), None);
        let named = approval(&["carl", "salesforce *"], false);
        assert!(named.refuses("berta", "anna", None).is_some_and(|why| why.contains("carl")));
        assert_eq!(named.refuses("carl", "anna", None), None);
        assert_eq!(named.refuses("salesforce berta@x.example", "anna", None), None);
        assert!(named.refuses("salesforce anna@x.example", "anna@x.example", None).is_some());
    }
}
