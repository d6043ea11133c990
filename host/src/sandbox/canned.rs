//! Answers that a scenario gives in the world's place: to calls by what they ask for, and a clock that says what it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono_tz::Tz;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::grants::like;
use crate::store::{JournalEntry, Millis};

/// See the module's words.
#[derive(Debug, Default)]
pub struct Canned {
    answers: Vec<CannedAnswer>,
    /// What time it is.
    now: Millis,
    /// What the clock says when it is asked again, one after the other.
    later: VecDeque<Millis>,
    /// Time zones of the B1 companies, by slot.
    zones: BTreeMap<String, Tz>,
    /// What chance gives, one after the other.
    random: VecDeque<Vec<u8>>,
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub struct CannedAnswer {
    /// `GET b1 /Items('A1')`: `*` stands for any text.
    pub call: String,
    /// What the body must hold; none takes any.
    pub with: Option<Value>,
    /// The answer as it stands in a journal, JSON text.
    pub came: String,
    given: Arc<AtomicBool>,
}

impl CannedAnswer {
    /// Not given yet.
    pub fn new(call: &str, with: Option<Value>, came: String) -> Self {
        Self { call: readable(call), with, came, given: Arc::default() }
    }

    /// True once it was given; a clone of it says so too.
    pub fn was_given(&self) -> bool {
        self.given.load(Ordering::Relaxed)
    }
}

impl Canned {
    /// Of a scenario.
    pub fn new(
        answers: Vec<CannedAnswer>,
        now: &[Millis],
        zones: BTreeMap<String, Tz>,
        random: impl IntoIterator<Item = Vec<u8>>,
    ) -> Self {
        let first = now.first().copied().unwrap_or_default();
        Self { answers, now: first, later: now.iter().copied().collect(), zones, random: random.into_iter().collect() }
    }

    /// The answer to a question, JSON text. Of several that fit, each is given once, in their order; the last one again.
    pub fn answer(&mut self, kind: &str, request: &str) -> Option<String> {
        let words = || request.splitn(3, ' ');
        match kind {
            "http" => self.give(request, true),
            "clock.now" | "wasi.start" => {
                self.now = self.later.pop_front().unwrap_or(self.now);
                Some(self.now.to_string())
            }
            "clock.today" => {
                let zone = self.zones.get(request).copied().unwrap_or(Tz::UTC);
                let day: String = crate::time::local(zone, self.now).chars().take(10).collect();
                serde_json::to_string(&day).ok()
            }
            "clock.company-time" => {
                let mut words = words();
                let (slot, day, time) = (words.next()?, words.next()?, words.next()?);
                let zone = self.zones.get(slot).copied().unwrap_or(Tz::UTC);
                serde_json::to_string(&crate::time::from_local(zone, day, time)).ok()
            }
            "random.bytes" => {
                let length: usize = request.parse().ok()?;
                let mut bytes = self.random.pop_front().unwrap_or_default();
                bytes.resize(length, 0);
                serde_json::to_string(&bytes).ok()
            }
            _ => None,
        }
    }

    /// The answer to an effect of the same address that writes something else than the scenario foresaw.
    pub fn answer_like(&mut self, effect: &JournalEntry) -> Option<String> {
        self.give(&effect.request, false)
    }

    fn give(&mut self, request: &str, with_its_body: bool) -> Option<String> {
        let request: Value = serde_json::from_str(request).ok()?;
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let call = readable(&format!("{} {} {}", text("method"), text("slot"), text("path")));
        let body: Value = serde_json::from_str(text("body")).unwrap_or_default();
        let fits = |answer: &CannedAnswer| {
            let asked = !with_its_body || answer.with.as_ref().is_none_or(|with| holds(&body, with));
            asked && like(&answer.call, &call)
        };
        let fitting: Vec<usize> = (0..self.answers.len()).filter(|place| fits(&self.answers[*place])).collect();
        // One that names the whole call comes before one with a `*`.
        let exact = |place: &usize| self.answers[*place].call == call;
        let named: Vec<usize> = fitting.iter().copied().filter(exact).collect();
        let fitting = if named.is_empty() { fitting } else { named };
        let fresh = fitting.iter().find(|place| !self.answers[**place].was_given());
        let place = *fresh.or(fitting.last())?;
        self.answers[place].given.store(true, Ordering::Relaxed);
        Some(self.answers[place].came.clone())
    }
}

/// A call as a person writes it: its address decoded, but for the two letters that would not be read back.
pub fn readable(call: &str) -> String {
    let spaced = call.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8_lossy();
    decoded.replace('%', "%25").replace('+', "%2B")
}

/// Every field that is named has that value; of lists each place.
fn holds(body: &Value, with: &Value) -> bool {
    match (body, with) {
        (Value::Object(body), Value::Object(with)) => {
            with.iter().all(|(name, value)| body.get(name).is_some_and(|own| holds(own, value)))
        }
        (Value::Array(body), Value::Array(with)) => {
            body.len() == with.len() && body.iter().zip(with).all(|(own, value)| holds(own, value))
        }
        _ => body == with,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(method: &str, path: &str, body: Option<Value>) -> String {
        json!({ "slot": "b1", "method": method, "path": path, "body": body.map(|body| body.to_string()) }).to_string()
    }

    fn canned(answers: &[(&str, Option<Value>)]) -> Canned {
        let answers =
            answers.iter().enumerate().map(|(n, (call, with))| CannedAnswer::new(call, with.clone(), n.to_string()));
        Canned::new(answers.collect(), &[], BTreeMap::new(), [])
    }

    #[test]
    fn an_answer_is_found_by_its_call_and_given_in_order_the_last_one_again() {
        let mut canned = canned(&[("GET b1 /Items*", None), ("GET b1 /Items('A B')", None), ("GET b1 /Items*", None)]);
        let mut get = |path: &str| canned.answer("http", &ask("GET", path, None));
        assert_eq!(get("/Items('A%20B')").as_deref(), Some("1"), "the exact one first, however it is encoded");
        assert_eq!(get("/Items('C')").as_deref(), Some("0"));
        assert_eq!(get("/Items('C')").as_deref(), Some("2"));
        assert_eq!(get("/Items('C')").as_deref(), Some("2"));
        assert_eq!(get("/Orders"), None);
    }

    #[test]
    fn of_two_writes_to_one_address_the_body_tells_which_is_answered_and_another_one_is_answered_too() {
        let mut canned =
            canned(&[("POST b1 /Orders", Some(json!({ "A": 1 }))), ("POST b1 /Orders", Some(json!({ "A": 2 })))]);
        let post = |a: u32| ask("POST", "/Orders", Some(json!({ "A": a, "B": 3 })));
        assert_eq!(canned.answer("http", &post(2)).as_deref(), Some("1"));
        assert_eq!(canned.answer("http", &post(9)), None);
        let mut entry = crate::store::JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: String::new(),
            request: post(9),
            response: String::new(),
            state: crate::store::CallState::Intended,
            at: 0,
            took: None,
        };
        assert_eq!(canned.answer_like(&entry).as_deref(), Some("0"));
        entry.request = ask("POST", "/Invoices", None);
        assert_eq!(canned.answer_like(&entry), None);
    }

    #[test]
    fn what_is_readable_is_read_back() {
        let call = "GET s /query?q=SELECT+Id+FROM+Account+WHERE+Name+LIKE+'%25ab%25'+AND+X%3D'a%2Bb'";
        let told = readable(call);
        assert_eq!(told, "GET s /query?q=SELECT Id FROM Account WHERE Name LIKE '%25ab%25' AND X='a%2Bb'");
        assert_eq!(readable(&told), told);
    }

    #[test]
    fn the_clock_says_what_it_is_told_to_and_stands_still_then() {
        let berlin = [("b1".to_owned(), "Europe/Berlin".parse().unwrap())].into();
        let mut canned = Canned::new(Vec::new(), &[1, 1_767_222_000_000], berlin, []);
        let mut now = || canned.answer("clock.now", "").unwrap_or_default();
        assert_eq!([now(), now(), now()], ["1", "1767222000000", "1767222000000"]);
        assert_eq!(canned.answer("clock.today", "b1").as_deref(), Some("\"2026-01-01\""));
        assert_eq!(canned.answer("random.bytes", "3").as_deref(), Some("[0,0,0]"));
    }
}
