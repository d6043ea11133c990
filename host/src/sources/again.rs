//! What a source does that is taken back to a position it had before, as after a restore: told by the position alone, without asking a system.

use serde::Serialize;

use super::b1::poll;
use super::pubsub;
use crate::store::Millis;

/// How a source goes on from an earlier position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Again {
    /// What is read, in words.
    pub source: String,
    /// Where it goes on, and what comes of that.
    pub says: String,
}

/// Of a position as it is kept; none of what tells nothing again. `seen`: records the source knew; `at`: when it was kept.
pub fn again(source: &str, position: &str, seen: u64, at: Millis, now: Millis) -> Option<Again> {
    let mut parts = source.splitn(4, ':');
    let (kind, name, rest, way) = (parts.next()?, parts.next()?, parts.next(), parts.next());
    let (source, says) = match (kind, rest, way) {
        ("pubsub", Some(topic), _) => (format!("{name}: events of {topic}"), pubsub::again(position, now)?),
        ("b1", Some(topic), Some(way)) => (format!("{name}: changes of {topic}"), poll::again(way, position, seen)?),
        ("sweep", ..) => (
            format!("{name}: what fired no trigger"),
            format!("looked for from where it stood on {}", crate::time::iso(at)),
        ),
        ("since", ..) if position != "{}" => {
            (format!("{name}: what the org asked to be looked at"), "looked at again".to_owned())
        }
        ("timer", Some(timer), _) => (
            format!("timer {timer} of {name}"),
            format!("fires once for all times since {}", crate::time::iso(position.parse().ok()?)),
        ),
        ("load", ..) if position.contains("\"goes-on\"") => {
            (format!("first load of {name}"), "goes on from where it stood".to_owned())
        }
        _ => return None,
    };
    Some(Again { source, says })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_says_from_where_it_reads_again() {
        let hour = 3_600_000;
        let now = 1_767_225_600_000;
        let of = |source: &str, position: &str| again(source, position, 7, now - hour, now).map(|again| again.says);
        let stream = |ago: Millis, replay: &str| {
            let position = format!("{{\"replay_id\":{replay},\"at\":{}}}", now - ago);
            of("pubsub:crm:/event/Tandem_Change__e", &position).unwrap()
        };
        assert!(stream(hour, "\"AAAB\"").contains("told again"));
        assert!(stream(80 * hour, "\"AAAB\"").contains("SystemModstamp"));
        assert!(stream(hour, "null").contains("SystemModstamp"));
        let mark = "{\"stamp\":\"2026-01-31 14:05:59\",\"at\":1,\"since\":1,\"sights\":{}}";
        assert!(of("b1:erp:Orders:stamp", mark).unwrap().contains("2026-01-31 14:05:59"));
        assert!(of("b1:erp:IncomingPayments:append", "41").unwrap().contains("41"));
        assert!(of("b1:erp:ItemPrices:scan", "true").unwrap().contains("7 records"));
        assert!(of("timer:credit:daily", &now.to_string()).unwrap().contains("once"));
        for nothing in [("health", ""), ("b1-webhook-key:erp", "x"), ("since:crm", "{}"), ("backup", "{}")] {
            assert_eq!(of(nothing.0, nothing.1), None, "{}", nothing.0);
        }
    }
}
