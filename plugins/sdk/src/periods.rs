//! Until when, and from when, a partner or an item may be used: `Valid` with its days, `Frozen` with its own.

use crate::{Value, b1};

/// What [`in_use`] looks at, for a `$select`.
pub const PERIODS: &str = "Valid,ValidFrom,ValidTo,Frozen,FrozenFrom,FrozenTo";

/// True when B1 takes documents of that day (`2026-01-31`, company-local) that name the partner or item. `Frozen` holds within
/// `FrozenFrom` and `FrozenTo`, and for good where it has no days; `Valid` lasts from `ValidFrom` to `ValidTo`. Assumed: a
/// hold that is over or to come says nothing, whatever `Valid` says beside it.
pub fn in_use(record: &Value, day: &str) -> bool {
    let within = |from: &str, to: &str| is_within(record, from, to, day);
    let valid = crate::text(record, "Valid");
    if b1::yes(record, "Frozen") {
        return !within("FrozenFrom", "FrozenTo") && (valid != "tYES" || within("ValidFrom", "ValidTo"));
    }
    if valid == "tNO" {
        let dated = ["ValidFrom", "ValidTo"].iter().any(|name| b1::day(&record[*name]).is_string());
        return dated && !within("ValidFrom", "ValidTo");
    }
    within("ValidFrom", "ValidTo")
}

/// True for a day from one of the record's days to another; a missing one has no end.
pub fn is_within(record: &Value, from: &str, to: &str, day: &str) -> bool {
    let (from, to) = (b1::day(&record[from]), b1::day(&record[to]));
    from.as_str().is_none_or(|from| from <= day) && to.as_str().is_none_or(|to| day <= to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_json;

    #[test]
    fn flags_count_within_their_days() {
        let day = "2026-05-01";
        for (record, expected) in [
            (r#"{"Valid":"tYES","Frozen":"tNO"}"#, true),
            (r#"{"Valid":"tYES","ValidTo":"2026-04-30T00:00:00Z"}"#, false),
            (r#"{"Valid":"tYES","ValidFrom":"2026-05-01T00:00:00Z"}"#, true),
            (r#"{"Valid":"tNO"}"#, false),
            (r#"{"Valid":"tNO","ValidFrom":"2026-06-01T00:00:00Z"}"#, true),
            (r#"{"Valid":"tYES","Frozen":"tYES"}"#, false),
            (r#"{"Valid":"tNO","Frozen":"tYES"}"#, false),
            (r#"{"Frozen":"tYES","FrozenFrom":"2026-06-01T00:00:00Z"}"#, true),
            (r#"{"Valid":"tNO","Frozen":"tYES","FrozenFrom":"2031-01-01T00:00:00Z"}"#, true),
            (r#"{"Valid":"tYES","Frozen":"tYES","FrozenTo":"2026-04-30T00:00:00Z"}"#, true),
            (r#"{"Valid":"tYES","Frozen":"tYES","FrozenTo":"2026-05-01T00:00:00Z"}"#, false),
            ("{}", true),
        ] {
            assert_eq!(in_use(&from_json(record), day), expected, "{record}");
        }
    }
}
