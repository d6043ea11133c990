//! What an agent may use in a day: calls to its model, tokens, money. Each call is counted before it is made, as if it used all that it may, and put right
//! when its answer is there: a host that is killed in between has counted too much, never too little.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::AgentConfig;
use crate::store::{AGENT, Intake, Millis, Result, Store};

/// Bytes of a request for each token that it is at least taken for: a word of English has five, a word of JSON fewer.
const BYTES_A_TOKEN: u64 = 3;

/// Days that are kept.
const DAYS: usize = 4;

/// What was used on a day of UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Such as `2026-01-31`.
    pub day: String,
    /// Calls to the model.
    pub calls: u64,
    /// Tokens that it read.
    pub read: u64,
    /// Tokens that it wrote.
    pub written: u64,
}

impl Spent {
    /// Of an agent, today.
    pub async fn of(store: &dyn Store, agent: &str, now: Millis) -> Result<Self> {
        let kept = Self::kept(store, agent).await?;
        let day = DateTime::<Utc>::from_timestamp_millis(now).map(|at| at.format("%Y-%m-%d").to_string());
        let day = day.unwrap_or_default();
        Ok(kept.into_iter().find(|kept| kept.day == day).unwrap_or(Self { day, ..Self::default() }))
    }

    /// Of the last days that it was at work on: a clock that is set there and back loses nothing.
    async fn kept(store: &dyn Store, agent: &str) -> Result<Vec<Self>> {
        let kept = store.position(&source(agent)).await?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Keeps it.
    pub async fn keep(&self, store: &dyn Store, agent: &str) -> Result<()> {
        let mut days = Self::kept(store, agent).await?;
        days.retain(|own| own.day != self.day);
        days.insert(0, self.clone());
        days.truncate(DAYS);
        let text = serde_json::to_string(&days).unwrap_or_default();
        store.append(Intake { position: Some((source(agent), text)), ..Intake::default() }).await?;
        Ok(())
    }

    /// What it costs.
    pub fn money(&self, agent: &AgentConfig) -> f64 {
        (self.read as f64 * agent.price_in + self.written as f64 * agent.price_out) / 1e6
    }

    /// With one more call that sends so many bytes, whatever its answer uses.
    pub fn with(&self, agent: &AgentConfig, bytes: usize) -> Self {
        Self {
            day: self.day.clone(),
            calls: self.calls.saturating_add(1),
            read: self.read.saturating_add((bytes as u64).div_ceil(BYTES_A_TOKEN)),
            written: self.written.saturating_add(agent.answer_tokens.into()),
        }
    }

    /// With one more call that used so many tokens.
    pub fn and(&self, read: u64, written: u64) -> Self {
        Self {
            day: self.day.clone(),
            calls: self.calls.saturating_add(1),
            read: self.read.saturating_add(read),
            written: self.written.saturating_add(written),
        }
    }

    /// What of the budget it goes beyond, in words; none where it does not.
    pub fn beyond(&self, agent: &AgentConfig) -> Option<String> {
        let again = "the next day (UTC) has its own";
        if self.calls > agent.calls_a_day {
            return Some(format!("the agent's calls_a_day = {} are used up; {again}", agent.calls_a_day));
        }
        if self.read.saturating_add(self.written) > agent.tokens_a_day {
            return Some(format!(
                "with what this answer may take the agent's tokens_a_day = {} would be used up; {again}",
                agent.tokens_a_day
            ));
        }
        let most = agent.money_a_day.filter(|most| self.money(agent) > *most)?;
        Some(format!("with what this answer may cost the agent's money_a_day = {most} would be used up; {again}"))
    }
}

fn source(agent: &str) -> String {
    format!("{AGENT}{agent} spent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(more: &str) -> AgentConfig {
        let text =
            format!("api = \"openai\"\nurl = \"http://127.0.0.1/v1\"\nmodel = \"m\"\nanswer_tokens = 100\n{more}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn no_call_begins_that_could_go_beyond_the_budget() {
        let spent = Spent::default().with(&agent(""), 300);
        assert_eq!((spent.calls, spent.read, spent.written), (1, 100, 100));
        assert_eq!(spent.beyond(&agent("calls_a_day = 1\ntokens_a_day = 200")), None);
        assert!(spent.beyond(&agent("tokens_a_day = 199")).is_some_and(|why| why.contains("tokens_a_day")));
        let money = agent("price_in = 1000\nprice_out = 9000\nmoney_a_day = 0.5");
        assert!((spent.money(&money) - 1.0).abs() < 1e-9);
        assert!(spent.beyond(&money).is_some_and(|why| why.contains("money_a_day = 0.5")));
        let huge = spent.and(u64::MAX, u64::MAX).and(1, 1);
        assert!(huge.beyond(&agent("")).is_some_and(|why| why.contains("tokens_a_day")), "it does not begin anew");
        assert!(spent.and(0, 0).beyond(&agent("calls_a_day = 1")).is_some_and(|why| why.contains("calls_a_day")));
    }
}
