//! Three-way merge of one field: what it was when both sides were last in step (the base), and what it is now on each.

use std::collections::BTreeMap;

use crate::mapping::{Direction, Policy};
use crate::mirror::same;
use crate::{Map, Side, Value};

/// What to do about a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Merged {
    /// Both have the same.
    InStep,
    /// Salesforce gets B1's value.
    ToSalesforce,
    /// B1 gets Salesforce's value.
    ToB1,
    /// Both changed to different values, and the policy is to ask.
    Conflict,
}

/// A field of both sides in one representation; `base` is `None` when they were never in step.
pub struct Field<'a> {
    /// The value of the base.
    pub base: Option<&'a Value>,
    /// B1's value now.
    pub b1: &'a Value,
    /// Salesforce's value now.
    pub salesforce: &'a Value,
}

impl Field<'_> {
    /// What was never in step counts as changed on each side that has something.
    fn changed(&self, value: &Value) -> bool {
        self.base.map_or_else(|| !is_empty(value), |base| !same(value, base))
    }
}

/// Decides one field. `newest` is the side that was changed later.
pub fn merge(field: &Field<'_>, direction: Direction, policy: Policy, newest: Side) -> Merged {
    if same(field.b1, field.salesforce) {
        return Merged::InStep;
    }
    match direction {
        Direction::ToSalesforce => Merged::ToSalesforce,
        Direction::ToB1 => Merged::ToB1,
        Direction::Both => merge_whole(std::slice::from_ref(field), policy, newest),
    }
}

/// Decides fields that are one value together, such as the lines of an address: all of them go one way, or none. A street of one
/// side and a city of the other would be an address that does not exist.
pub fn merge_whole(fields: &[Field<'_>], policy: Policy, newest: Side) -> Merged {
    let differ = || fields.iter().filter(|field| !same(field.b1, field.salesforce));
    let b1 = differ().any(|field| field.changed(field.b1));
    let salesforce = differ().any(|field| field.changed(field.salesforce));
    match (b1, salesforce) {
        _ if differ().next().is_none() => Merged::InStep,
        (true, false) => Merged::ToSalesforce,
        (false, true) => Merged::ToB1,
        _ => by_policy(policy, newest),
    }
}

/// The base after writes of which only some were taken. `new` is the base when all are, `written` says which of its fields had to
/// be written, and where; every other was in step before. What was not taken stays as it was: else a person who takes his own
/// change back, which one side has and the other has not, would be overruled by it.
pub fn kept(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    written: &BTreeMap<String, Side>,
    taken: impl Fn(Side) -> bool,
) -> Map<String, Value> {
    let mut base = old.clone();
    let stands = |name: &String| written.get(name).is_none_or(|side| taken(*side));
    base.extend(new.iter().filter(|(name, _)| stands(name)).map(|(name, value)| (name.clone(), value.clone())));
    base
}

fn by_policy(policy: Policy, newest: Side) -> Merged {
    match (policy, newest) {
        (Policy::B1, _) | (Policy::Newest, Side::B1) => Merged::ToSalesforce,
        (Policy::Salesforce, _) | (Policy::Newest, Side::Salesforce) => Merged::ToB1,
        (Policy::Review, _) => Merged::Conflict,
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::json;

    fn policies() -> impl Strategy<Value = Policy> {
        prop_oneof![Just(Policy::B1), Just(Policy::Salesforce), Just(Policy::Newest), Just(Policy::Review)]
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![Just(Value::Null), (0..4_u8).prop_map(|n| json!(n.to_string()))]
    }

    fn sides() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::B1), Just(Side::Salesforce)]
    }

    /// Both sides after what was decided.
    fn carried_out(b1: &Value, salesforce: &Value, merged: &Merged) -> (Value, Value) {
        match merged {
            Merged::InStep | Merged::Conflict => (b1.clone(), salesforce.clone()),
            Merged::ToSalesforce => (b1.clone(), b1.clone()),
            Merged::ToB1 => (salesforce.clone(), salesforce.clone()),
        }
    }

    const FIELDS: usize = 3;

    #[derive(Clone, Debug)]
    enum Step {
        /// Side (0 for B1), field, value.
        Put(usize, usize, u8),
        /// Whether B1 and Salesforce take what is written to them.
        Sync(bool, bool),
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..2_usize, 0..FIELDS, 0..4_u8).prop_map(|(side, field, value)| Step::Put(side, field, value)),
            (any::<bool>(), any::<bool>()).prop_map(|(b1, salesforce)| Step::Sync(b1, salesforce)),
        ]
    }

    proptest! {
        #[test]
        fn a_merge_ends_in_step_or_asks(base in proptest::option::of(values()), b1 in values(), sf in values(), policy in policies(), newest in sides()) {
            let field = Field { base: base.as_ref(), b1: &b1, salesforce: &sf };
            let merged = merge(&field, Direction::Both, policy, newest);
            let (b1_after, sf_after) = carried_out(&b1, &sf, &merged);
            prop_assert!(merged == Merged::Conflict || same(&b1_after, &sf_after));
            prop_assert!(merged != Merged::Conflict || policy == Policy::Review);
            // Echo: with the new base there is nothing left to do.
            if merged != Merged::Conflict {
                let field = Field { base: Some(&sf_after), b1: &b1_after, salesforce: &sf_after };
                prop_assert_eq!(merge(&field, Direction::Both, policy, newest), Merged::InStep);
            }
        }

        #[test]
        fn a_change_on_one_side_is_never_lost_to_a_policy(base in values(), changed in values(), policy in policies(), newest in sides()) {
            prop_assume!(!same(&base, &changed));
            let there = Field { base: Some(&base), b1: &changed, salesforce: &base };
            prop_assert_eq!(merge(&there, Direction::Both, policy, newest), Merged::ToSalesforce);
            let here = Field { base: Some(&base), b1: &base, salesforce: &changed };
            prop_assert_eq!(merge(&here, Direction::Both, policy, newest), Merged::ToB1);
        }

        #[test]
        fn an_address_is_taken_whole(lines in proptest::collection::vec((proptest::option::of(values()), values(), values()), 1..5), policy in policies(), newest in sides()) {
            let fields: Vec<Field> =
                lines.iter().map(|(base, b1, sf)| Field { base: base.as_ref(), b1, salesforce: sf }).collect();
            let merged = merge_whole(&fields, policy, newest);
            let differ = lines.iter().any(|(_, b1, sf)| !same(b1, sf));
            prop_assert_eq!(merged == Merged::InStep, !differ);
            if let [one] = fields.as_slice() {
                prop_assert_eq!(&merged, &merge(one, Direction::Both, policy, newest));
            }
            // Only one side moved: it goes, whatever the policy.
            let moved = |value: fn(&(Option<Value>, Value, Value)) -> &Value| {
                lines.iter().any(|line| !same(line.0.as_ref().unwrap_or(&Value::Null), value(line)))
            };
            match (moved(|line| &line.1), moved(|line| &line.2)) {
                (true, false) => prop_assert!(matches!(merged, Merged::ToSalesforce | Merged::InStep)),
                (false, true) => prop_assert!(matches!(merged, Merged::ToB1 | Merged::InStep)),
                _ => {}
            }
        }

        /// People change fields on either side, and writes of either side fail now and then. What a person put last, while nobody
        /// touched the other side's field since both were in step, is what both have in the end.
        #[test]
        fn what_a_person_put_last_stays_whatever_write_failed(steps in proptest::collection::vec(steps(), 1..24), policy in policies(), newest in sides()) {
            let mut sides = [vec![json!("0"); FIELDS], vec![json!("0"); FIELDS]];
            let mut base: Map<String, Value> = (0..FIELDS).map(|n| (n.to_string(), json!("0"))).collect();
            // Where each field was touched since it was in step on both sides, and what was put last.
            let mut touched: Vec<(BTreeSet<usize>, Value)> = vec![(BTreeSet::new(), json!("0")); FIELDS];
            for step in steps.into_iter().chain([Step::Sync(true, true)]) {
                match step {
                    Step::Put(side, field, value) => {
                        sides[side][field] = json!(value.to_string());
                        touched[field].0.insert(side);
                        touched[field].1 = sides[side][field].clone();
                    }
                    Step::Sync(b1_takes, salesforce_takes) => {
                        let takes = |side: Side| if side == Side::B1 { b1_takes } else { salesforce_takes };
                        let (mut new, mut written) = (Map::new(), BTreeMap::new());
                        let now: Vec<_> = sides[0].iter().cloned().zip(sides[1].iter().cloned()).collect();
                        for (n, (b1, sf)) in now.into_iter().enumerate() {
                            let name = n.to_string();
                            let merged = merge(&Field { base: base.get(&name), b1: &b1, salesforce: &sf }, Direction::Both, policy, newest);
                            let (to, value) = match merged {
                                Merged::InStep => { new.insert(name, b1); continue }
                                Merged::Conflict => continue,
                                Merged::ToSalesforce => (Side::Salesforce, b1),
                                Merged::ToB1 => (Side::B1, sf),
                            };
                            if takes(to) {
                                sides[if to == Side::B1 { 0 } else { 1 }][n] = value.clone();
                            }
                            written.insert(name.clone(), to);
                            new.insert(name, value);
                        }
                        base = kept(&base, &new, &written, takes);
                        for (n, (by, last)) in touched.iter_mut().enumerate() {
                            let (b1, sf) = (&sides[0][n], &sides[1][n]);
                            if by.len() == 1 && takes(if by.contains(&0) { Side::Salesforce } else { Side::B1 }) {
                                prop_assert!(same(b1, last) && same(sf, last), "field {n}: {b1}, {sf}; put last {last}");
                            }
                            if same(b1, sf) {
                                prop_assert!(same(&base[&n.to_string()], b1), "what is in step is the base");
                                (*by, *last) = (BTreeSet::new(), b1.clone());
                            }
                        }
                    }
                }
            }
        }
    }
}
