//! A plugin's own reading of both systems, to be compared: what it says is compared, and the rows of each side. Nothing is written meanwhile,
//! whatever the plugin was granted.

use std::str::FromStr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rust_decimal::Decimal;
use tracing::Instrument;
use wasmtime::Store;

use super::bindings::v0_2::reconciling::exports::tandem::plugin::reconcile as contract;
use super::bindings::v0_2::reconciling::{NAME, Reconciling, ReconcilingPre};
use super::description::is_name;
use super::journal::{Journal, Unknown};
use super::machine::named;
use super::run::{Bound, RunState};
use super::runtime::{exports, within};
use super::{Plugin, RunError, Runtime};
use crate::plain::is_plain;
use crate::store::{Millis, Side};

/// Comparisons of a plugin at most.
const MOST_COMPARISONS: usize = 50;
/// Rows of a page at most.
const MOST_ROWS: usize = 10_000;
/// Sums and values of a row at most.
const MOST_PARTS: usize = 200;
/// Bytes of a name, an id, a key.
const NAME_BYTES: usize = 500;
/// Bytes of a text for people.
const TEXT_BYTES: usize = 20_000;

/// One kind of thing that both systems have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparable {
    /// Lower case, digits and dashes.
    pub name: String,
    /// For people.
    pub title: String,
    /// Rows belong together that are linked so; else those with the same key.
    pub link_kind: Option<String>,
    /// Whose rows must each have one on the other side.
    pub needs: Needs,
}

/// Whose rows must each have one on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Each row.
    Both,
    /// Each row of B1.
    B1,
    /// Each row of Salesforce.
    Salesforce,
}

impl Needs {
    /// Whether a row of this side must have one on the other.
    pub fn of(self, side: Side) -> bool {
        matches!((self, side), (Self::Both, _) | (Self::B1, Side::B1) | (Self::Salesforce, Side::Salesforce))
    }
}

/// An amount of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// What it is.
    pub what: String,
    /// ISO code; empty for what is no money.
    pub currency: String,
    /// `2026-11`; empty where it has none.
    pub month: String,
    /// So much.
    pub amount: Decimal,
    /// What a pair may differ by.
    pub rounding: Decimal,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its field, as people know it.
    pub field: String,
    /// As it is to be the same on both sides.
    pub text: String,
    /// The same in the other side's words.
    pub other: Option<String>,
    /// Each system keeps as many places of it as it likes.
    pub is_number: bool,
}

/// A record of one side, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRow {
    /// As links and events have it.
    pub id: String,
    /// What tells that rows are one thing; empty for none.
    pub key: String,
    /// Keys of events about it beside these two.
    pub events: Vec<String>,
    /// What a person knows it by.
    pub label: String,
    /// When its system says that it was last changed.
    pub changed: Option<Millis>,
    /// Its amounts.
    pub sums: Vec<Amount>,
    /// Its values.
    pub values: Vec<Compared>,
    /// What people were told on the record itself.
    pub told: String,
    /// Why it needs none on the other side; empty where it may.
    pub alone: String,
    /// Why it cannot be compared; empty where it can.
    pub incomparable: String,
}

/// Rows, and how it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadPage {
    /// In the plugin's own order.
    pub rows: Vec<ReadRow>,
    /// What to ask for the next page with; none when this was the last.
    pub next: Option<String>,
}

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It goes away by itself, perhaps after so many milliseconds.
    #[error("{1}")]
    Passing(u64, String),
    /// It does not.
    #[error("{0}")]
    Failed(String),
    /// More was asked for than an answer may hold.
    #[error("{0}")]
    TooLarge(String),
    /// The call into the plugin ended without an answer.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ReadError {
    /// It may go with fewer rows.
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::Run(RunError::Limit { .. }))
    }
}

impl Plugin {
    /// It says how its records are compared.
    pub fn reconciles(&self) -> bool {
        self.reconciles.is_some()
    }
}

/// What a component offers for it; none where it offers nothing.
pub(super) fn offered(
    component: &wasmtime::component::Component,
    pre: &wasmtime::component::InstancePre<RunState>,
) -> wasmtime::Result<Option<ReconcilingPre<RunState>>> {
    exports(component, NAME).then(|| ReconcilingPre::new(pre.clone())).transpose()
}

impl Runtime {
    /// What the plugin says is to be compared; none where it says nothing.
    pub async fn comparables(&self, plugin: &Plugin, bound: Arc<Bound>) -> Result<Vec<Comparable>, ReadError> {
        let flow = flow_of(&bound);
        let (planned, _) = self
            .reading(plugin, bound, move |own, store| {
                Box::pin(async move { own.tandem_plugin_reconcile().call_plan(store, &flow).await })
            })
            .await?;
        let planned = planned.map_err(ReadError::Failed)?;
        if planned.len() > MOST_COMPARISONS {
            return Err(contract_broken(format!("{} comparisons; at most {MOST_COMPARISONS}", planned.len())));
        }
        let mut known: Vec<Comparable> = Vec::new();
        for raw in planned {
            if !is_name(&raw.name) || known.iter().any(|own| own.name == raw.name) {
                let name: String = raw.name.chars().take(80).collect();
                return Err(contract_broken(format!("a comparison called {name:?}: a name of its own is needed")));
            }
            line("the title of a comparison", &raw.title, TEXT_BYTES)?;
            let needs = match raw.needs {
                contract::Needs::Both => Needs::Both,
                contract::Needs::B1 => Needs::B1,
                contract::Needs::Salesforce => Needs::Salesforce,
            };
            known.push(Comparable { name: raw.name, title: raw.title, link_kind: raw.link_kind, needs });
        }
        Ok(known)
    }

    /// The next rows of a side, of `most` records at most.
    pub async fn read_page(
        &self,
        plugin: &Plugin,
        bound: Arc<Bound>,
        (comparison, side): (&str, Side),
        since: Option<Millis>,
        (cursor, most): (Option<String>, u32),
    ) -> Result<ReadPage, ReadError> {
        let (flow, comparison, side) = (flow_of(&bound), comparison.to_owned(), raw_side(side));
        let since = since.map(i64::unsigned_abs);
        let (answer, outage) = self
            .reading(plugin, bound, move |own, store| {
                Box::pin(async move {
                    let guest = own.tandem_plugin_reconcile();
                    guest.call_read_page(store, &flow, &comparison, side, since, cursor.as_deref(), most).await
                })
            })
            .await?;
        let page = answer.map_err(|error| failed(error, outage))?;
        let next = page.next.filter(|next| !next.is_empty());
        if next.as_ref().is_some_and(|next| next.len() > TEXT_BYTES) {
            return Err(contract_broken("a cursor of more than 20,000 bytes".into()));
        }
        Ok(ReadPage { rows: checked(page.rows)?, next })
    }

    /// The rows of a side with one of these ids, or one of these keys, as they are now.
    pub async fn read_rows(
        &self,
        plugin: &Plugin,
        bound: Arc<Bound>,
        (comparison, side): (&str, Side),
        ids: Vec<String>,
        keys: Vec<String>,
    ) -> Result<Vec<ReadRow>, ReadError> {
        let (flow, comparison, side) = (flow_of(&bound), comparison.to_owned(), raw_side(side));
        let (answer, outage) = self
            .reading(plugin, bound, move |own, store| {
                Box::pin(async move {
                    own.tandem_plugin_reconcile().call_read_rows(store, &flow, &comparison, side, &ids, &keys).await
                })
            })
            .await?;
        checked(answer.map_err(|error| failed(error, outage))?)
    }

    /// Calls into a fresh instance that can only read. With the answer: whether a connection was down meanwhile.
    async fn reading<T, A>(&self, plugin: &Plugin, bound: Arc<Bound>, ask: A) -> Result<(T, bool), RunError>
    where
        T: Send + 'static,
        A: for<'a> FnOnce(Arc<Reconciling>, &'a mut Store<RunState>) -> BoxFuture<'a, wasmtime::Result<T>>
            + Send
            + 'static,
    {
        let Some(pre) = plugin.reconciles.clone() else {
            return Err(RunError::Contract("it does not say how its records are compared".into()));
        };
        let place = self.machine().place(&bound.flow).await?;
        let (machine, limits) = (self.machine().clone(), bound.limits.clone());
        let mut state = RunState::new(Some(bound), Journal::dry(&[], Unknown::Ask), &limits);
        state.only_reads = true;
        state.now = crate::time::now();
        let seconds = limits.run_seconds;
        let work = async move {
            let _place = place;
            let mut store = machine.store(state, &limits)?;
            let own = pre.instantiate_async(&mut store).await.map_err(|e| named(e, &limits))?;
            let answer = ask(Arc::new(own), &mut store).await;
            let answer = answer.map_err(|e| named(e, &limits).saying(&store.data().last_words))?;
            Ok((answer, store.data().trouble.outage))
        };
        within(seconds, self.machine().run(work.instrument(tracing::Span::current()))).await
    }
}

fn flow_of(bound: &Bound) -> contract::Flow {
    let binding = |(slot, connection): (&String, &String)| contract::Binding {
        slot: slot.clone(),
        connection: connection.clone(),
    };
    contract::Flow {
        name: bound.flow.clone(),
        connections: bound.named.iter().map(binding).collect(),
        settings: bound.settings.clone(),
    }
}

fn raw_side(side: Side) -> contract::Side {
    match side {
        Side::B1 => contract::Side::B1,
        Side::Salesforce => contract::Side::Salesforce,
    }
}

/// What a plugin takes for decided while a connection is down is not decided.
fn failed(error: contract::Error, outage: bool) -> ReadError {
    let short = |why: String| why.chars().take(2_000).collect::<String>();
    match error {
        contract::Error::Passing(passing) => ReadError::Passing(passing.after_ms, short(passing.why)),
        contract::Error::Failed(why) if outage => ReadError::Passing(0, short(why)),
        contract::Error::Failed(why) => ReadError::Failed(short(why)),
        contract::Error::TooLarge(why) => ReadError::TooLarge(short(why)),
    }
}

fn contract_broken(why: String) -> ReadError {
    ReadError::Run(RunError::Contract(why))
}

fn line(what: &str, text: &str, most: usize) -> Result<(), ReadError> {
    if text.len() <= most && text.chars().all(is_plain) {
        return Ok(());
    }
    Err(contract_broken(format!("{what}: a line of at most {most} bytes without control characters")))
}

/// Parses at the border: ids go into queries, amounts are added up.
fn checked(raw: Vec<contract::Row>) -> Result<Vec<ReadRow>, ReadError> {
    if raw.len() > MOST_ROWS {
        return Err(contract_broken(format!("{} rows in one page; at most {MOST_ROWS}", raw.len())));
    }
    raw.into_iter().map(row).collect()
}

fn row(raw: contract::Row) -> Result<ReadRow, ReadError> {
    if raw.id.is_empty() {
        return Err(contract_broken("a row without an id".into()));
    }
    line("the id of a row", &raw.id, NAME_BYTES)?;
    line("the key of a row", &raw.key, NAME_BYTES)?;
    raw.events.iter().try_for_each(|key| line("the key of events about a row", key, NAME_BYTES))?;
    if raw.sums.len() + raw.values.len() + raw.events.len() > MOST_PARTS {
        return Err(contract_broken(format!("row {}: more than {MOST_PARTS} sums, values and keys", raw.id)));
    }
    let id = raw.id;
    let sums = raw.sums.into_iter().map(|sum| amount(&id, sum)).collect::<Result<_, _>>()?;
    let values = raw.values.into_iter().map(|value| {
        line("the field of a value", &value.field, NAME_BYTES)?;
        let (text, other) = (shortened(value.text), value.other.map(shortened));
        Ok(Compared { field: value.field, text, other, is_number: value.is_number })
    });
    Ok(ReadRow {
        key: raw.key,
        events: raw.events,
        label: one_line(&raw.label),
        changed: raw.changed.and_then(|at| Millis::try_from(at).ok()),
        sums,
        values: values.collect::<Result<_, ReadError>>()?,
        told: one_line(&raw.told),
        alone: one_line(&raw.alone),
        incomparable: one_line(&raw.incomparable),
        id,
    })
}

fn amount(row: &str, raw: contract::Sum) -> Result<Amount, ReadError> {
    line("what a sum is", &raw.what, NAME_BYTES)?;
    line("the currency of a sum", &raw.currency, 20)?;
    let bytes = raw.month.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    let is_month = raw.month.is_empty() || bytes.len() == 7 && digits(0..4) && bytes[4] == b'-' && digits(5..7);
    if !is_month {
        return Err(contract_broken(format!("row {row}: a month such as 2026-11 is needed")));
    }
    let number = |text: &str| {
        let text = if text.is_empty() { "0" } else { text };
        let parsed = Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text));
        parsed.map_err(|_| contract_broken(format!("row {row}: an amount such as 1234.50 is needed")))
    };
    let (amount, rounding) = (number(&raw.amount)?, number(&raw.rounding)?.abs());
    Ok(Amount { what: raw.what, currency: raw.currency, month: raw.month, amount, rounding })
}

fn one_line(text: &str) -> String {
    shortened(crate::plain::one_line(text).into_owned())
}

/// A difference is seen in the beginning of a text, too; what is longer counts by its length.
fn shortened(text: String) -> String {
    if text.len() <= TEXT_BYTES {
        return text;
    }
    let begin: String = text.chars().take(1_000).collect();
    format!("{begin}… ({} bytes, {})", text.len(), super::digest_of(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> contract::Row {
        contract::Row {
            id: "0065g".into(),
            key: "0065g".into(),
            events: vec!["Orders(7)".into()],
            label: "Pumps\nfor Miller".into(),
            changed: Some(1_700_000_000_000),
            sums: vec![contract::Sum {
                what: "net total".into(),
                currency: "EUR".into(),
                month: "2026-11".into(),
                amount: "1234.50".into(),
                rounding: String::new(),
            }],
            values: Vec::new(),
            told: String::new(),
            alone: String::new(),
            incomparable: String::new(),
        }
    }

    #[test]
    fn amounts_are_exact_and_what_is_no_amount_or_month_is_refused() {
        let read = row(raw()).unwrap();
        assert_eq!((read.sums[0].amount, read.sums[0].rounding), (Decimal::new(123_450, 2), Decimal::ZERO));
        assert!(!read.label.contains('\n'), "{}", read.label);
        let changed = |change: fn(&mut contract::Row)| {
            let mut own = raw();
            change(&mut own);
            row(own)
        };
        let bad: [fn(&mut contract::Row); 5] = [
            |own| own.id = String::new(),
            |own| own.key = "a\u{1b}[2J".into(),
            |own| own.sums[0].amount = "much".into(),
            |own| own.sums[0].month = "November".into(),
            |own| own.sums = vec![own.sums[0].clone(); MOST_PARTS + 1],
        ];
        for change in bad {
            assert!(changed(change).is_err());
        }
    }

    #[test]
    fn what_is_decided_while_a_connection_is_down_is_asked_again() {
        let error = || contract::Error::Failed("no answer".into());
        assert!(matches!(failed(error(), true), ReadError::Passing(0, _)));
        assert!(matches!(failed(error(), false), ReadError::Failed(_)));
    }
}
