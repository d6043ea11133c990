//! Looking again at records that no event tells of: days of validity that pass, and what somebody deleted in Salesforce. Once a day of the
//! B1 company, page after page with pauses between, and of all records only so many a day.

use crate::b1;
use crate::{
    Batch, Deserialize, Error, Event, Header, JsonSchema, Method, Outcome, Outcomes, Serialize, Timer, Value, clock,
    from_json, http, json, outcome_of, request, schedule, storage,
};

/// Records of one page.
const PAGE: usize = 500;
/// Milliseconds between two pages: the day's work goes on meanwhile.
const PAUSE: u64 = 60_000;
/// Where the setting says nothing: 100,000 items take twenty days, and some 60 calls to Salesforce each night.
const MOST: u32 = 5_000;
const NAME: &str = "look-again";
/// The topic of [`timer`].
pub const TIMER: &str = "timer.look-again";
/// The day of the last look.
const DAY: &str = "again:day";
const DAYS: [&str; 4] = ["ValidFrom", "ValidTo", "FrozenFrom", "FrozenTo"];

/// Records to look at again.
pub struct Walk {
    /// As which topic they are looked at: `b1.Items`.
    pub topic: &'static str,
    /// Entity set.
    pub set: &'static str,
    /// Its key properties.
    pub keys: &'static [&'static str],
    /// Which of them.
    pub which: Which,
    /// Of those only such as fulfil this condition of a `$filter`.
    pub only: Option<&'static str>,
}

/// Orders that came from an opportunity.
pub const ORDERS: Walk = Walk { only: Some("U_SF_Id ne null"), ..Walk::in_turn("b1.Orders", "Orders", &["DocEntry"]) };

impl Walk {
    /// All records of a set in turn, looked at as this topic.
    pub const fn in_turn(topic: &'static str, set: &'static str, keys: &'static [&'static str]) -> Self {
        Self { topic, set, keys, which: Which::InTurn, only: None }
    }
}

/// Which records of a set are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Which {
    /// Those whose period of validity begins or ends between the last look and today, by these of the set's days.
    Due(&'static [&'static str]),
    /// All in turn, so many a day, going on where the last day's stopped.
    InTurn,
}

impl Which {
    /// By [`crate::PERIODS`].
    pub const PERIODS: Self = Self::Due(&DAYS);
}

/// Where a walk stands.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    walk: usize,
    /// Keys of the last record seen, as B1 tells them; empty before the first.
    after: Vec<Value>,
    /// The first day that counts.
    from: String,
    /// Records that a walk of [`Which::InTurn`] may still look at today.
    left: usize,
}

impl Step {
    fn payload(&self) -> Value {
        json!({ "again": { "walk": self.walk, "after": self.after, "from": self.from, "left": self.left } })
    }

    fn of(payload: &Value) -> Option<Self> {
        let own = payload["again"].as_object()?;
        let after = own["after"].as_array()?.clone();
        let number = |name: &str| own[name].as_u64().and_then(|number| usize::try_from(number).ok());
        Some(Self { walk: number("walk")?, after, from: own["from"].as_str()?.to_owned(), left: number("left")? })
    }
}

/// The timer that [`keep`] needs: hourly, so that it finds a new day of whatever time zone within the hour.
pub fn timer() -> Timer {
    Timer { name: NAME.into(), cron: "20 * * * *".into() }
}

/// Records a day that are compared with what Salesforce has although nothing was changed: what was deleted or changed there is
/// made good; 0 for none
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Most(pub u32);

impl Default for Most {
    fn default() -> Self {
        Self(MOST)
    }
}

/// As which topic an event is to be taken: one that was woken to look at a record again as that record's own.
pub fn topic<'a>(event: &'a Event, payload: &'a Value) -> &'a str {
    match event.topic.as_str() {
        "timer.wake" => payload["topic"].as_str().unwrap_or("timer.wake"),
        topic => topic,
    }
}

/// True when Salesforce's records are to be compared and not what was written last: in a backfill, when looked at again, and after an
/// answer of a human.
pub fn verifies(event: &Event, payload: &Value) -> bool {
    payload["backfill"] == true || event.resolution.is_some()
}

/// True for a record that is only looked at again: nobody has changed it, or asked for it.
pub fn is_look(event: &Event, payload: &Value) -> bool {
    event.topic == "timer.wake" && payload["backfill"] == true && event.resolution.is_none()
}

/// Does the next step of each walk that is due, of each set at most `most` records in turn a day: wakes the flow for each record it finds, as
/// [`topic`] tells, and for the step after.
pub fn keep(batch: &Batch, walks: &[Walk], most: Most, outcomes: &mut Outcomes) {
    for (place, event, _) in outcomes.open(batch) {
        if let Some(outcome) = step(event, walks, most) {
            outcomes.decide(place, outcome);
        }
    }
}

/// The same for one event; none for one that is not about looking again.
pub fn step(event: &Event, walks: &[Walk], most: Most) -> Option<Outcome> {
    let most = most.0 as usize;
    let told =
        if event.topic == TIMER { begin(walks, most) } else { go(walks, &Step::of(&from_json(&event.payload))?, most) };
    Some(match told {
        Ok(told) => Outcome::Done(told),
        Err(error) => outcome_of(&error, "looking for what is to be looked at again"),
    })
}

/// The first step of a day, unless the day was begun. It is once that step is done: what B1 could not be asked then is asked again.
fn begin(walks: &[Walk], most: usize) -> Result<String, Error> {
    let today = clock::today("b1");
    let last = storage::get(DAY);
    if last.as_ref() == Some(&today) {
        return Ok("looked at today already".into());
    }
    let from = last.unwrap_or_else(|| before(&today));
    let told = go(walks, &Step { walk: 0, after: Vec::new(), from, left: most }, most)?;
    let _ = storage::set(DAY, &today);
    Ok(told)
}

/// Where the first look begins: what ended in the days before may have been shown before it did.
fn before(day: &str) -> String {
    const REACH: chrono::Days = chrono::Days::new(7);
    let day = day.parse::<chrono::NaiveDate>().ok().and_then(|day| day.checked_sub_days(REACH));
    day.map(|day| day.to_string()).unwrap_or_default()
}

fn go(walks: &[Walk], step: &Step, most: usize) -> Result<String, Error> {
    let Some(walk) = walks.get(step.walk) else { return Ok("all is looked at".into()) };
    let place = format!("again:{}", walk.set);
    let mut step = step.clone();
    if walk.which == Which::InTurn && step.after.is_empty() {
        let kept = storage::get(&place).map(|text| from_json(&text)).unwrap_or_default();
        step.after = kept.as_array().cloned().unwrap_or_default();
    }
    let size = if walk.which == Which::InTurn { PAGE.min(step.left) } else { PAGE };
    let rows = if size == 0 { Vec::new() } else { page(walk, &step, size)? };
    for row in &rows {
        let mut payload = json!({ "topic": walk.topic, "backfill": true });
        for name in walk.keys {
            payload[*name] = row[*name].clone();
        }
        step.after = walk.keys.iter().map(|name| row[*name].clone()).collect();
        schedule::wake(clock::now(), &key(walk, &step.after), &payload.to_string());
    }
    let whole = rows.len() < size;
    if walk.which == Which::InTurn {
        step.left -= rows.len();
        let _ = storage::set(&place, &json!(if whole { &[][..] } else { &step.after[..] }).to_string());
    }
    if whole || (walk.which == Which::InTurn && step.left == 0) {
        step = Step { walk: step.walk + 1, after: Vec::new(), left: most, ..step };
    }
    if step.walk < walks.len() {
        // The last page of a walk is followed by the next walk at once.
        let pause = if rows.len() < size { 0 } else { PAUSE };
        schedule::wake(clock::now() + pause, NAME, &step.payload().to_string());
    }
    Ok(format!("{} of {} to be looked at again", rows.len(), walk.set))
}

/// The key under which B1's own events tell of the record, so that both come one after the other and ask one question: master data by its
/// code, documents as `Orders(12)`.
fn key(walk: &Walk, keys: &[Value]) -> String {
    let keys: Vec<String> = keys.iter().map(b1::key_text).collect();
    if walk.keys == ["DocEntry"] { format!("{}({})", walk.set, keys.join(",")) } else { keys.join(",") }
}

/// The records behind the step's place, in the order of their keys.
fn page(walk: &Walk, step: &Step, size: usize) -> Result<Vec<Value>, Error> {
    let mut conditions: Vec<String> = walk.only.map(str::to_owned).into_iter().collect();
    if let Which::Due(days) = walk.which {
        conditions.push(due(days, &step.from, &clock::today("b1")));
    }
    if !step.after.is_empty() {
        conditions.push(beyond(walk.keys, &step.after));
    }
    let filter = match conditions.is_empty() {
        true => String::new(),
        false => format!("$filter={}&", b1::encode(&conditions.join(" and "))),
    };
    let keys = walk.keys.join(",");
    let path = format!("/{}?{filter}$select={keys}&$orderby={keys}&$top={size}", walk.set);
    let mut request = request("b1", Method::Get, path, None, "");
    request.headers.push(Header { name: "Prefer".into(), value: format!("odata.maxpagesize={size}") });
    b1::rows(http::send(&request))
}

/// `((ValidFrom ge '…' and ValidFrom le '…') or …)`
fn due(days: &[&str], from: &str, to: &str) -> String {
    let within: Vec<String> = days.iter().map(|day| format!("({day} ge '{from}' and {day} le '{to}')")).collect();
    format!("({})", within.join(" or "))
}

/// `(CardCode gt 'C1' or (CardCode eq 'C1' and ItemCode gt 'A1'))`
pub(crate) fn beyond(names: &[&str], after: &[Value]) -> String {
    let steps: Vec<String> = (0..names.len().min(after.len()))
        .map(|place| {
            let mut terms: Vec<String> =
                (0..place).map(|at| format!("{} eq {}", names[at], literal(&after[at]))).collect();
            terms.push(format!("{} gt {}", names[place], literal(&after[place])));
            format!("({})", terms.join(" and "))
        })
        .collect();
    format!("({})", steps.join(" or "))
}

/// A key as a `$filter` has it: `42`, `'A1'`.
fn literal(key: &Value) -> String {
    if key.is_number() { key.to_string() } else { b1::quote(&b1::key_text(key)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_travels_in_the_event_that_wakes_it() {
        let step = Step { walk: 1, after: vec!["C1".into(), 42.into()], from: "2026-11-25".into(), left: 40 };
        assert_eq!(Step::of(&step.payload()), Some(step));
        assert_eq!(Step::of(&json!({ "ItemCode": "A1" })), None);
    }

    #[test]
    fn a_record_is_looked_at_again_under_the_key_of_its_own_events() {
        let prices = Walk::in_turn("b1.SpecialPrices", "SpecialPrices", &["CardCode", "ItemCode"]);
        assert_eq!(key(&ORDERS, &[json!(12)]), "Orders(12)");
        assert_eq!(key(&prices, &[json!("C1"), json!("A1")]), "C1,A1");
    }

    #[test]
    fn pages_go_on_behind_the_last_key_and_days_count_on_both_ends() {
        let after = [json!("C1"), json!("A'1")];
        assert_eq!(
            beyond(&["CardCode", "ItemCode"], &after),
            "((CardCode gt 'C1') or (CardCode eq 'C1' and ItemCode gt 'A''1'))"
        );
        assert_eq!(beyond(&["DocEntry"], &[json!(42)]), "((DocEntry gt 42))");
        assert_eq!(
            due(&["ValidTo"], "2026-11-25", "2026-11-26"),
            "((ValidTo ge '2026-11-25' and ValidTo le '2026-11-26'))"
        );
        assert_eq!(before("2026-03-01"), "2026-02-22");
    }
}
