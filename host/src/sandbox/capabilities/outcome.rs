//! Capabilities whose effect is committed with the run's outcomes: schedule, events, review. They need no journal: the
//! same run over the same journal asks for the same again.

use crate::sandbox::RunError;
use crate::sandbox::bindings::v0_1::flow::tandem::plugin as contract;
use crate::sandbox::run::{RunState, length_of_question};
use crate::sandbox::said::question;
use crate::sandbox::trace;
use crate::store::{Haste, NewEvent, Wake};

/// Letters of a kind of record, such as `b1.Items`.
const MOST_KIND: usize = 100;

impl contract::schedule::Host for RunState {
    async fn wake(&mut self, at: u64, key: String, payload: String) -> wasmtime::Result<()> {
        self.count_calls(1)?;
        self.may_write("schedule.wake")?;
        self.count_emitted()?;
        self.names("the key of a wake-up", &[&key])?;
        self.count_planned().await?;
        self.keep(key.len() + payload.len())?;
        self.wakes.push(Wake { at: i64::try_from(at).unwrap_or(i64::MAX), key, payload });
        Ok(())
    }
}

impl contract::events::Host for RunState {
    async fn emit(
        &mut self,
        emission: contract::events::Emission,
    ) -> wasmtime::Result<Result<(), contract::events::Error>> {
        self.count_calls(1)?;
        self.may_write("events.emit")?;
        let bound = self.bound()?;
        bound.grants.check_emission(&emission.topic).map_err(RunError::from)?;
        self.names("topic, key or dedup id of an emitted event", &[&emission.topic, &emission.key, &emission.dedup])?;
        let Some(flows) = bound.topics.get(&emission.topic).filter(|flows| !flows.is_empty()) else {
            return Ok(Err(contract::events::Error::NoFlow(emission.topic)));
        };
        self.count_emitted()?;
        self.count_brought_about(flows.len())?;
        let trace = trace::next(&self.trace, self.limits().emission_chain).map_err(|most| RunError::Limit {
            limit: "emission_chain",
            detail: format!(
                "an event of `{}` would be number {} of a chain in which one makes the next, and {most} are allowed",
                emission.topic,
                most + 1
            ),
        })?;
        // Two flows that give the same dedup id mean two things: none can keep another's event from being taken.
        let dedup = format!("{}:{}", bound.flow, emission.dedup);
        let kind = record_of(&emission.payload);
        for taker in flows {
            self.keep(emission.topic.len() + emission.key.len() + dedup.len() + emission.payload.len())?;
            self.emitted.push(NewEvent {
                kind: kind.clone(),
                flow: taker.flow.clone(),
                topic: emission.topic.clone(),
                key: emission.key.clone(),
                dedup: dedup.clone(),
                payload: emission.payload.clone(),
                trace: trace.clone(),
                haste: taker.haste,
                held: None,
            });
        }
        Ok(Ok(()))
    }
}

impl contract::review::Host for RunState {
    async fn raise(&mut self, subject: String, request: contract::types::ReviewRequest) -> wasmtime::Result<()> {
        self.count_calls(1)?;
        self.may_write("review.raise")?;
        self.count_emitted()?;
        self.names("the subject of a review", &[&subject])?;
        self.keep(2 * subject.len() + length_of_question(&request))?;
        let held = Some(question(&request)?);
        let flow = self.bound()?.flow.clone();
        let dedup = format!("{subject}:{}:{}", self.trace, self.emitted.len());
        self.emitted.push(NewEvent {
            kind: String::new(),
            flow,
            topic: "review.raised".into(),
            key: subject,
            dedup,
            payload: "{}".into(),
            trace: self.trace.clone(),
            haste: Haste::AtOnce,
            held,
        });
        Ok(())
    }
}

/// What kind of record an emitted event's key names, where its payload says so: see [`NewEvent::kind`]. The item `100001` is not the partner.
fn record_of(payload: &str) -> String {
    #[derive(serde::Deserialize)]
    struct About {
        record: String,
    }
    let about = serde_json::from_str::<About>(payload).map(|about| about.record).unwrap_or_default();
    let is_kind = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    if about.len() <= MOST_KIND && about.chars().all(is_kind) { about } else { String::new() }
}

impl RunState {
    /// What one event brings about in all, however many events lie between.
    fn count_brought_about(&self, more: usize) -> Result<(), RunError> {
        let emitted = self.emitted.iter().filter(|event| event.held.is_none()).count() + more;
        if emitted as u64 <= self.may_emit {
            return Ok(());
        }
        let most = self.limits().brought_about;
        let detail =
            format!("one event would bring about more than {most} others, those that they bring about counted in");
        Err(RunError::Limit { limit: "brought_about", detail })
    }

    /// Wake-ups of the flow that wait, those of this run counted in.
    async fn count_planned(&mut self) -> Result<(), RunError> {
        let bound = self.bound()?;
        let planned = match self.planned {
            Some(planned) => planned,
            None => bound.store.wakes_planned(&bound.flow).await.map_err(RunError::Store)?,
        };
        self.planned = Some(planned);
        let most = bound.limits.wakes;
        if planned + self.wakes.len() as u64 >= most {
            return Err(RunError::Limit {
                limit: "wakes",
                detail: format!("more than {most} wake-ups of the flow are planned"),
            });
        }
        Ok(())
    }

    fn count_emitted(&self) -> Result<(), RunError> {
        let most = self.limits().emitted_events;
        if self.emitted.len() + self.wakes.len() >= most as usize {
            let detail = format!("more than {most} events, wake-ups and review items from one run");
            return Err(RunError::Limit { limit: "emitted_events", detail });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emitted_event_is_about_the_kind_of_record_that_it_says() {
        assert_eq!(record_of("{\"record\":\"b1.BusinessPartners\",\"CardCode\":\"C1\"}"), "b1.BusinessPartners");
        for none in [
            "{}",
            "",
            "[]",
            "{\"record\":7}",
            "{\"record\":\"a b\"}",
            &format!("{{\"record\":\"{}\"}}", "x".repeat(101)),
        ] {
            assert_eq!(record_of(none), "", "{none}");
        }
    }
}
