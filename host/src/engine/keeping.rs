//! How much is kept of what is finished, and how long, as `tandem.toml` says it.

use std::collections::BTreeMap;

use crate::config::{Config, Payloads};
use crate::store::{Kept, Millis, Retention};

const DAY: Millis = 24 * 3_600_000;

/// What is old at that time.
pub fn retention(config: &Config, now: Millis) -> Retention {
    let before = |days: u32| now - Millis::from(days) * DAY;
    let own = config.flows.iter().filter_map(|(name, flow)| Some((name.clone(), before(flow.keep.days?))));
    Retention {
        before: before(config.store.keep_days),
        of_flows: own.collect(),
        max_bytes: config.store.max_megabytes << 20,
    }
}

/// Flows of which not all is kept.
pub fn keeps(config: &Config) -> BTreeMap<String, Kept> {
    let kept = |payloads: Payloads| match payloads {
        Payloads::Whole => Kept::Whole,
        Payloads::Hashed => Kept::Hashed,
        Payloads::None => Kept::Ids,
    };
    let own = config.flows.iter().map(|(name, flow)| (name.clone(), kept(flow.keep.payloads)));
    own.filter(|(_, kept)| !kept.is_whole()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_flow_says_how_much_and_how_long() {
        let text = "[store]\nkeep_days = 30\n[flows.orders]\nplugin = \"orders\"\nconnections = {}\n\
                    [flows.accounts]\nplugin = \"accounts\"\nconnections = {}\nkeep = { payloads = \"hashed\", days = 7 }\n";
        let config = Config::parse(text, Path::new("tandem.toml")).unwrap();
        assert_eq!(keeps(&config), BTreeMap::from([("accounts".to_owned(), Kept::Hashed)]));
        let old = retention(&config, 40 * DAY);
        assert_eq!((old.before, old.of_flows["accounts"], old.of_flows.len()), (10 * DAY, 33 * DAY, 1));
        let short = text.replace("days = 7", "days = 3");
        let error = Config::parse(&short, Path::new("tandem.toml")).unwrap_err().to_string();
        assert!(error.contains("[flows.accounts] keep.days = 3: must be more than 3"), "{error}");
    }
}
