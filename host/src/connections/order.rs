//! Same record, same order: of many calls at once, two that write one record are never under way together, nor does a
//! later one overtake an earlier one that is sent again.

use std::collections::HashMap;

use super::Call;

/// A call of a list, in the round in which it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Rounds go out one after the other; calls of one round side by side.
    pub round: usize,
    /// Places of the earlier calls that write the same records, the nearest of each.
    pub after: Vec<usize>,
}

/// When each call goes out. `records` names the records that a call writes, by whatever text is the same for the same record;
/// none for what reads, or makes something new.
pub(super) fn turns(calls: &[Call], records: impl Fn(&Call) -> Vec<String>) -> Vec<Turn> {
    let mut last: HashMap<String, usize> = HashMap::new();
    let mut turns: Vec<Turn> = Vec::with_capacity(calls.len());
    for (place, call) in calls.iter().enumerate() {
        let mut turn = Turn { round: 0, after: Vec::new() };
        for record in records(call) {
            if let Some(before) = last.insert(record, place).filter(|before| *before != place) {
                turn.round = turn.round.max(turns[before].round + 1);
                turn.after.push(before);
            }
        }
        turns.push(turn);
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Method;

    #[test]
    fn writes_of_one_record_follow_each_other_and_all_others_go_at_once() {
        let write = |path: &str| Call::write(Method::Patch, path, &serde_json::json!({}));
        let calls = [write("a"), write("b"), write("a"), Call::get("a"), write("a"), write("b")];
        let records = |call: &Call| if call.reads() { Vec::new() } else { vec![call.path.clone()] };
        let turns: Vec<(usize, Vec<usize>)> =
            turns(&calls, records).into_iter().map(|turn| (turn.round, turn.after)).collect();
        assert_eq!(turns, [(0, vec![]), (0, vec![]), (1, vec![0]), (0, vec![]), (2, vec![2]), (1, vec![1])]);
    }
}
