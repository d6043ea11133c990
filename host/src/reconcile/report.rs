//! What a reconciliation states, as it is kept and shown.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::{Millis, Side};

/// Differences of a comparison that the report itself has; all of them stand in the files `differences.csv` and `differences.jsonl`.
pub const SHOWN: usize = 1_000;

/// A reconciliation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconcileReport)]
pub struct Report {
    /// Its name, which is that of its folder: when it was begun, `20260131-033000-000`, UTC.
    pub name: String,
    /// When it was begun, milliseconds since 1970 UTC.
    pub at: Millis,
    /// How long it took.
    pub took_ms: u64,
    /// Only what was changed or dated since this day; none: everything.
    pub since: Option<String>,
    /// Of the program that made it.
    pub tandem: String,
    /// All flows of the host were asked for.
    #[serde(default)]
    pub of_all: bool,
    /// Flow by flow.
    pub flows: Vec<FlowReport>,
}

/// What is stated of a flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconcileFlow)]
pub struct FlowReport {
    /// Its name.
    pub flow: String,
    /// What its plugin does, in a line.
    pub title: String,
    /// Plugin and version.
    pub plugin: String,
    /// The B1 company's connection.
    pub b1: String,
    /// The org's connection.
    pub salesforce: String,
    /// Why nothing is stated of it: its plugin does not say, or it cannot be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaid: Option<String>,
    /// It should have been compared, and could not be.
    #[serde(default)]
    pub failed: bool,
    /// Each kind of thing.
    pub comparisons: Vec<Comparison>,
}

impl FlowReport {
    /// Why not all of it was read that should have been; of a plugin's words those that name nobody.
    pub fn missed(&self) -> Option<String> {
        let unsaid = self.unsaid.as_ref().filter(|_| self.failed);
        let why = unsaid.or_else(|| self.comparisons.iter().find_map(|own| own.not_whole.as_ref()))?;
        Some(crate::bare::words(why).chars().take(300).collect())
    }
}

/// What is stated of one kind of thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconcileComparison)]
pub struct Comparison {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: String,
    /// Why not all could be read; then nothing is said to be missing or to differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_whole: Option<String>,
    /// Records in Salesforce.
    pub salesforce: u64,
    /// Records in B1.
    pub b1: u64,
    /// Pairs that agree.
    pub in_step: u64,
    /// Pairs that do not.
    pub differing: u64,
    /// Records of Salesforce without one in B1.
    pub missing_in_b1: u64,
    /// Records of B1 without one in Salesforce.
    pub missing_in_salesforce: u64,
    /// Records of which there is one more than there may be.
    pub double: u64,
    /// Records that need none on the other side, and have none.
    pub alone: u64,
    /// Of them: why, of those that would need one otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Money and quantities, by currency and month.
    pub sums: Vec<Sum>,
    /// Why there are differences, and how many each time; the most frequent first.
    pub reasons: Vec<Reasons>,
    /// Differences that nothing explains.
    pub unexplained: u64,
    /// Of those that are explained: what is so only for now, such as while a connection is down.
    #[serde(default)]
    pub for_now: u64,
    /// Of them: those that another look decides.
    #[serde(default)]
    pub first_seen: u64,
    /// Differences that were not read once more at the end: too many differ.
    #[serde(default)]
    pub not_again: u64,
    /// The first of them: those that nothing explains before others.
    pub differences: Vec<Difference>,
    /// So many more stand in `differences.csv` and `differences.jsonl`.
    pub more: u64,
    /// Where one record was asked for: what was read for it.
    #[serde(skip)]
    pub records: Vec<Named>,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Where it is.
    pub side: Side,
    /// Its id there.
    pub id: String,
    /// What a person knows it by.
    pub label: String,
}

impl Comparison {
    /// All differences.
    pub fn all(&self) -> u64 {
        self.differing + self.missing_in_b1 + self.missing_in_salesforce + self.double
    }

    /// There are such records, or they could not be read.
    pub fn is_something(&self) -> bool {
        self.salesforce + self.b1 > 0 || self.not_whole.is_some()
    }
}

/// Records that need none on the other side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconcileLeftOut)]
pub struct LeftOut {
    /// Why.
    pub why: String,
    /// So many.
    pub count: u64,
}

/// A reason, and how often it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconcileReasons)]
pub struct Reasons {
    /// Which.
    pub reason: Why,
    /// So often.
    pub count: u64,
}

/// An amount on both sides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconcileSum)]
pub struct Sum {
    /// What it is.
    pub what: String,
    /// ISO code; empty for what is no money.
    pub currency: String,
    /// `2026-11`; empty: it has none.
    pub month: String,
    /// In Salesforce.
    #[schema(value_type = String)]
    pub salesforce: Decimal,
    /// In B1.
    #[schema(value_type = String)]
    pub b1: Decimal,
    /// B1's less Salesforce's.
    #[schema(value_type = String)]
    pub difference: Decimal,
    /// Of it: pairs that agree and are dated in another month on the other side.
    #[schema(value_type = String)]
    pub other_month: Decimal,
    /// Of it: cents of pairs that agree, rounded otherwise by each system.
    #[schema(value_type = String)]
    pub rounding: Decimal,
    /// Of it: records that need none on the other side.
    #[schema(value_type = String)]
    pub alone: Decimal,
    /// The rest, which is that of the differences.
    #[schema(value_type = String)]
    pub differences: Decimal,
}

/// What sort of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DifferenceKind)]
pub enum Kind {
    /// Both have it, and not the same of it.
    Differs,
    /// Only Salesforce has it.
    MissingInB1,
    /// Only B1 has it.
    MissingInSalesforce,
    /// B1 has it once more than it may.
    DoubleInB1,
    /// Salesforce has it once more than it may.
    DoubleInSalesforce,
}

impl Kind {
    /// As it is stored.
    pub(super) const ALL: [Self; 5] =
        [Self::Differs, Self::MissingInB1, Self::MissingInSalesforce, Self::DoubleInB1, Self::DoubleInSalesforce];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Differs => "differs",
            Self::MissingInB1 => "missing in B1",
            Self::MissingInSalesforce => "missing in Salesforce",
            Self::DoubleInB1 => "double in B1",
            Self::DoubleInSalesforce => "double in Salesforce",
        }
    }
}

/// Why there is a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DifferenceReason)]
pub enum Why {
    /// A person is asked.
    Review,
    /// A person left it so.
    Ignored,
    /// It waits for another record.
    Waiting,
    /// It failed, and is tried again.
    Retry,
    /// It was told, and its turn has not come.
    UnderWay,
    /// It was refused for good.
    Rejected,
    /// A connection cannot be used.
    Outage,
    /// The flow does not run.
    Held,
    /// It was changed while this was reckoned.
    Meanwhile,
    /// It was changed, and the change is not read yet.
    NotRead,
    /// It is told on the record itself.
    Told,
    /// It was there before the flow, and was never linked.
    NeverLinked,
    /// It cannot be compared.
    Incomparable,
    /// It may be on its way: another look decides.
    FirstSeen,
    /// Nothing explains it.
    Unexplained,
}

impl Why {
    /// For people, as a kind.
    pub fn words(self) -> &'static str {
        match self {
            Self::Review => "held in review",
            Self::Ignored => "left so by a person",
            Self::Waiting => "waits for another record",
            Self::Retry => "failed, and is tried again",
            Self::UnderWay => "under way",
            Self::Rejected => "rejected",
            Self::Outage => "a connection is down",
            Self::Held => "the flow does not run",
            Self::Meanwhile => "changed while this was reckoned",
            Self::NotRead => "changed, not read yet",
            Self::Told => "told on the record",
            Self::NeverLinked => "never linked",
            Self::Incomparable => "cannot be compared",
            Self::FirstSeen => "seen for the first time, looked at again",
            Self::Unexplained => "NOT EXPLAINED",
        }
    }
}

/// A field or sum that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DifferenceField)]
pub struct Field {
    /// As people know it.
    pub field: String,
    /// Salesforce's.
    pub salesforce: String,
    /// B1's.
    pub b1: String,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconcileDifference)]
pub struct Difference {
    /// What sort.
    pub kind: Kind,
    /// What a person knows it by.
    pub label: String,
    /// Salesforce id; empty where there is none.
    pub salesforce: String,
    /// B1's id; empty where there is none.
    pub b1: String,
    /// What differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Why.
    pub why: Why,
    /// Why, in a sentence.
    pub reason: String,
    /// The event that tells it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<i64>,
}

/// A difference, and of what it is one: a line of `differences.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconcileLine)]
pub struct Line {
    /// The flow.
    pub flow: String,
    /// What is compared of it.
    pub comparison: String,
    /// The difference itself.
    #[serde(flatten)]
    pub difference: Difference,
}

/// What comes of it in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ReconcileVerdict)]
pub enum Verdict {
    /// Both sides agree.
    Agree,
    /// There is no difference in what was compared, and not all of it was.
    Partly,
    /// There are differences, all of them explained.
    Explained,
    /// There are some that nothing explains.
    Unexplained,
    /// Nothing was compared.
    Nothing,
}

impl Report {
    /// Of all flows.
    pub fn comparisons(&self) -> impl Iterator<Item = (&FlowReport, &Comparison)> {
        self.flows.iter().flat_map(|flow| flow.comparisons.iter().map(move |own| (flow, own)))
    }

    /// All differences.
    pub fn differences(&self) -> u64 {
        self.comparisons().map(|(_, own)| own.all()).sum()
    }

    /// Differences of which nobody knows yet whether they stay.
    pub fn first_seen(&self) -> u64 {
        self.comparisons().map(|(_, own)| own.first_seen).sum()
    }

    /// Those that nothing explains.
    pub fn unexplained(&self) -> u64 {
        self.comparisons().map(|(_, own)| own.unexplained).sum()
    }

    /// All that should have been read was.
    pub fn is_whole(&self) -> bool {
        self.flows.iter().all(|flow| flow.missed().is_none())
    }

    /// Something was compared.
    pub fn is_something(&self) -> bool {
        self.comparisons().any(|(_, own)| own.not_whole.is_none())
    }

    /// Flows of which not all was read that should have been.
    pub fn missed(&self) -> Vec<&str> {
        self.flows.iter().filter(|flow| flow.missed().is_some()).map(|flow| flow.flow.as_str()).collect()
    }

    /// Flows of which nothing is said, since their plugins say nothing.
    pub fn unsaid(&self) -> Vec<&str> {
        self.flows.iter().filter(|flow| flow.unsaid.is_some() && !flow.failed).map(|flow| flow.flow.as_str()).collect()
    }

    /// Everything was asked for: what is a part says nothing of the rest.
    pub fn is_of_everything(&self) -> bool {
        self.of_all && self.since.is_none()
    }

    /// In a word.
    pub fn verdict(&self) -> Verdict {
        let is_all = self.is_of_everything() && self.missed().is_empty() && self.unsaid().is_empty();
        match (self.differences(), self.unexplained()) {
            _ if !self.is_something() => Verdict::Nothing,
            (0, _) if is_all => Verdict::Agree,
            (0, _) => Verdict::Partly,
            (_, 0) => Verdict::Explained,
            _ => Verdict::Unexplained,
        }
    }

    /// In a sentence.
    pub fn words(&self) -> String {
        let (missed, unsaid) = (self.missed().join(", "), self.unsaid().join(", "));
        let mut rest = String::new();
        if !self.of_all && self.is_something() {
            let flows: Vec<&str> = self.flows.iter().map(|flow| flow.flow.as_str()).collect();
            rest.push_str(&format!("; only of {}", flows.join(", ")));
        }
        if let Some(day) = &self.since {
            rest.push_str(&format!("; only what was changed or dated since {day}"));
        }
        if !missed.is_empty() {
            rest.push_str(&format!("; not all could be read of {missed}, and of that nothing is said"));
        }
        if !unsaid.is_empty() {
            rest.push_str(&format!("; not compared, since the plugin says nothing of it: {unsaid}"));
        }
        let again: u64 = self.comparisons().map(|(_, own)| own.not_again).sum();
        if again > 0 {
            rest.push_str(&format!("; too many differ to look again, {again} were read once"));
        }
        let (all, open) = (self.differences(), self.unexplained());
        let words = match self.verdict() {
            Verdict::Nothing => "nothing was compared".to_owned(),
            Verdict::Agree => "both sides agree".to_owned(),
            Verdict::Partly => "no difference in what was compared".to_owned(),
            Verdict::Explained if all == 1 => "1 difference, which is explained".to_owned(),
            Verdict::Explained => format!("{all} differences, all of them explained"),
            Verdict::Unexplained if all == 1 => "1 difference, which is not explained".to_owned(),
            Verdict::Unexplained => format!("{all} differences, {open} of them not explained"),
        };
        words + &rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_both_sides_agree_is_said_only_of_what_was_compared() {
        let flow = |name: &str, comparisons: Vec<Comparison>, unsaid: Option<&str>| FlowReport {
            flow: name.into(),
            unsaid: unsaid.map(str::to_owned),
            comparisons,
            ..FlowReport::default()
        };
        let compared = || flow("orders", vec![Comparison::default()], None);
        let old = || flow("old", Vec::new(), Some("it does not say"));
        let words = |flows: Vec<FlowReport>| Report { of_all: true, flows, ..Report::default() }.words();
        assert_eq!(words(vec![compared()]), "both sides agree");
        assert_eq!(words(Vec::new()), "nothing was compared");
        let none = words(vec![old()]);
        assert!(none.starts_with("nothing was compared") && none.ends_with(": old"), "{none}");
        let some = words(vec![compared(), old()]);
        assert!(some.starts_with("no difference in what was compared") && some.ends_with(": old"), "{some}");
        let cut = Comparison { not_whole: Some("B1 is away".into()), ..Comparison::default() };
        let cut = words(vec![compared(), flow("stock", vec![cut], None)]);
        assert!(cut.contains("not all could be read of stock"), "{cut}");
        let since = Report { of_all: true, since: Some("2026-01-31".into()), ..Report::default() };
        for (part, told) in [(Report::default(), "only of orders"), (since, "since 2026-01-31")] {
            let part = Report { flows: vec![compared()], ..part };
            assert_eq!(part.verdict(), Verdict::Partly, "of the rest nothing is known");
            assert!(part.words().contains(told) && !part.words().contains("agree"), "{}", part.words());
        }
    }
}
