//! Three-way merge of one field: what it was when both sides were last in step (the base), and what it is now on each.

use crate::mapping::{Direction, Policy};
use crate::mirror::same;
use crate::{Side, Value};

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

/// Decides one field. `newest` is the side that was changed later.
pub fn merge(field: &Field<'_>, direction: Direction, policy: Policy, newest: Side) -> Merged {
    if same(field.b1, field.salesforce) {
        return Merged::InStep;
    }
    match direction {
        Direction::ToSalesforce => return Merged::ToSalesforce,
        Direction::ToB1 => return Merged::ToB1,
        Direction::Both => {}
    }
    let Some(base) = field.base else {
        // Never in step: what one side lacks it gets; where both have something, the policy decides.
        return match (is_empty(field.b1), is_empty(field.salesforce)) {
            (true, false) => Merged::ToB1,
            (false, true) => Merged::ToSalesforce,
            _ => by_policy(policy, newest),
        };
    };
    match (same(field.b1, base), same(field.salesforce, base)) {
        (true, _) => Merged::ToB1,
        (false, true) => Merged::ToSalesforce,
        (false, false) => by_policy(policy, newest),
    }
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
    }
}
