//! A won opportunity becomes one sales order in SAP Business One; a changed one changes it, a re-opened one cancels it,
//! where B1 allows. Never half an order: whatever is missing goes to review.

mod describe;
mod facts;
mod found;
mod plan;
mod send;
mod write_back;

use tandem_sdk::{Batch, Description, Event, Map, Outcome, Plugin, Value};

struct Orders;

impl Plugin for Orders {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let settings = describe::Settings::read(&batch.settings);
        let mut work: Vec<Work> = batch.events.into_iter().map(Work::new).collect();
        plan::look(&settings, &mut work);
        send::carry_out(&batch.flow, &settings, &mut work);
        write_back::tell(&mut work);
        work.into_iter().map(Work::outcome).collect()
    }
}

tandem_sdk::export!(Orders with_types_in tandem_sdk::bindings);

/// One event on its way through a run.
struct Work {
    event: Event,
    /// The opportunity as Salesforce has it now; null when it is gone.
    opportunity: Value,
    /// Rows of the order in B1 as it is now, whoever made them; none where it was not read.
    rows: Vec<Value>,
    /// What is known of its customer, items and order in B1, to decide a question by.
    b1: Map<String, Value>,
    step: Step,
    /// What the opportunity is told.
    news: Option<News>,
}

/// What is left to do for an event.
enum Step {
    /// Not decided.
    Open,
    Create(plan::Order),
    /// The new order and what is linked now.
    Update(plan::Order, plan::Linked),
    Cancel(plan::Linked),
    /// Unlinked, and found in B1: brought in step with what is wanted now.
    Adopt(plan::Order, Value),
    /// A draft waits for approval in B1.
    Await,
    /// One waited, and is there no more.
    Awaited(plan::Order),
    /// No longer won, while a draft waited for approval.
    Withdraw,
    Finished(Outcome),
}

/// What the opportunity shows.
struct News {
    doc_num: String,
    doc_entry: String,
    /// Open, Closed, Cancelled, Awaiting approval; empty leaves it as it is.
    status: &'static str,
    /// Synced, Review, Error.
    state: &'static str,
    message: String,
}

impl News {
    /// Of an order in step with its opportunity.
    fn synced(doc_num: &str, doc_entry: &str, status: &'static str, message: String) -> Self {
        Self { doc_num: doc_num.into(), doc_entry: doc_entry.into(), status, state: "Synced", message }
    }
}

impl Work {
    fn new(event: Event) -> Self {
        let relevant = matches!(event.topic.as_str(), "salesforce.Opportunity" | "timer.wake");
        let step = match event.resolution.as_deref() {
            Some("ignore") => Step::Finished(Outcome::Done("ignored, as decided in review".into())),
            _ if !relevant => {
                Step::Finished(Outcome::Reject(format!("the orders plugin does not take {}", event.topic)))
            }
            _ => Step::Open,
        };
        Self { event, opportunity: Value::Null, rows: Vec::new(), b1: Map::new(), step, news: None }
    }

    fn id(&self) -> &str {
        &self.event.key
    }

    fn is_open(&self) -> bool {
        matches!(self.step, Step::Open)
    }

    /// Ends with a review item that the opportunity shows too, with both sides to decide it by.
    fn hold(&mut self, reason: impl Into<String>, choices: &[&str]) {
        let reason = reason.into();
        self.news = Some(News {
            doc_num: String::new(),
            doc_entry: String::new(),
            status: "",
            state: "Review",
            message: reason.clone(),
        });
        let detail = facts::both(&self.opportunity, &self.b1);
        self.step = Step::Finished(tandem_sdk::review_with(reason, choices, &detail));
    }

    fn finish(&mut self, outcome: Outcome) {
        self.step = Step::Finished(outcome);
    }

    fn outcome(self) -> Outcome {
        match self.step {
            Step::Finished(outcome) => outcome,
            _ => Outcome::Reject("the orders plugin left this event without a decision".into()),
        }
    }
}
