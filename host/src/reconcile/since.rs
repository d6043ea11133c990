//! Since when: a day, and when it begins where the company is.

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::config::Config;
use crate::store::Millis;
use crate::time::{from_local, now};

/// See the module's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The day, `2026-01-31`.
    pub day: String,
    /// When it begins.
    pub at: Millis,
}

impl Since {
    /// A day in the time zone of `[reconcile]`; why there is none of it.
    pub fn of(day: &str, config: &Config) -> Result<Self, String> {
        let since = Self::within(config.reconcile.time_zone.parse().unwrap_or(Tz::UTC), day)?;
        // Nothing was changed since then, and nothing would be compared.
        if since.at > now() { Err(format!("{} is still to come", since.day)) } else { Ok(since) }
    }

    /// Where the clock skips its midnight, it begins with the first time that it has.
    fn within(zone: Tz, day: &str) -> Result<Self, String> {
        let day = day.parse::<NaiveDate>().map_err(|_| "write it like 2026-01-31".to_owned())?.to_string();
        let mut quarters = (0..24 * 4).map(|quarter| format!("{:02}:{:02}:00", quarter / 4, quarter % 4 * 15));
        let at = quarters.find_map(|time| from_local(zone, &day, &time));
        let at = at.ok_or_else(|| format!("there is no such day in the time zone {zone}"))?;
        Ok(Self { day, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_whose_midnight_the_clock_skips_begins_after_it() {
        let santiago: Tz = "America/Santiago".parse().unwrap();
        let at = Since::within(santiago, "2026-09-06").unwrap().at;
        assert_eq!(crate::time::local(santiago, at), "2026-09-06 01:00:00");
        let apia: Tz = "Pacific/Apia".parse().unwrap();
        assert!(Since::within(apia, "2011-12-30").is_err(), "it went without that day");
        let at = Since::within(apia, "2026-01-31").unwrap().at;
        assert_eq!(crate::time::local(apia, at), "2026-01-31 00:00:00");
        assert!(Since::within(apia, "yesterday").unwrap_err().contains("2026-01-31"));
    }
}
