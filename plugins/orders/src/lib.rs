//! A won opportunity becomes one sales order in SAP Business One; a changed one changes it, a re-opened one cancels it,
//! where B1 allows. Never half an order: whatever is missing goes to review.

mod adopt;
mod anew;
mod approval;
mod aside;
mod beside;
mod branch;
mod change;
mod check;
mod complete;
mod credit;
mod describe;
mod facts;
mod ledger;
mod linked;
mod look;
mod own;
mod plan;
mod reconcile;
mod send;
mod told;
mod tools;
mod total;
mod unseen;
mod waiting;
mod write_back;

use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Batch, Description, Error, Event, Map, Outcome, Plugin, Said, Value, again, from_json, outcome_of, text,
};

struct Orders;

impl Plugin for Orders {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let settings = match describe::Settings::of(&batch) {
            Ok(settings) => settings,
            Err(outcomes) => return outcomes,
        };
        let mut work: Vec<Work> = batch.events.into_iter().map(Work::new).collect();
        aside::ignore(&settings, &mut work);
        look_again(&settings, &mut work);
        told::orders(&mut work);
        waiting::tell(&settings, &mut work);
        plan::plan(&settings, &mut work);
        look::look(&batch.flow, &settings, &mut work);
        send::carry_out(&batch.flow, &settings, &mut work);
        write_back::tell(&mut work);
        work.into_iter().map(Work::outcome).collect()
    }
}

tandem_sdk::export!(Orders with_types_in tandem_sdk::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_reconciling!(Orders with_types_in tandem_sdk::reconcile::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_tooling!(Orders with_types_in tandem_sdk::tools::bindings);

/// Finds orders that are to be looked at again.
fn look_again(settings: &describe::Settings, work: &mut [Work]) {
    for w in work.iter_mut().filter(|w| w.is_open()) {
        if let Some(outcome) = again::step(&w.event, &[again::ORDERS], settings.look_again) {
            w.finish(outcome);
        }
    }
}

/// One event on its way through a run.
struct Work {
    event: Event,
    /// The opportunity as Salesforce has it now; null when it is not to be seen.
    opportunity: Value,
    /// Nothing of it could be read, and it has an order: what a person must see is shown on it all the same.
    unread: bool,
    /// It is known to be deleted.
    deleted: bool,
    /// Nothing is new about it: what a person ignored is not asked again.
    is_known: bool,
    /// What is known of its customer, items and order in B1, to decide a question by.
    b1: Map<String, Value>,
    /// The order as B1 has it now; null when it was not read.
    document: Value,
    /// How the order was found that is taken over.
    adopted: Option<Said>,
    /// It is another company's: what was asked here is no longer known once this is told.
    left: bool,
    /// It is an opportunity that has no order: what is asked about it holds its order up.
    is_orderless: bool,
    /// A person wants a new order beside one that is over.
    makes_new: bool,
    /// Its draft, in whose place another order is taken over: it is not to become a second one.
    replaced: Option<i64>,
    /// `DocEntry` of orders that carry its id and stay, whatever becomes of its draft.
    others: Vec<i64>,
    /// What B1's order gets.
    change: Option<change::Change>,
    step: Step,
    /// What the opportunity is told.
    news: Option<News>,
}

/// What is left to do for an event.
enum Step {
    /// Not decided.
    Open,
    /// A person has ignored what was asked about it.
    Ignored,
    Create(plan::Order),
    /// The new order and what is linked now.
    Update(plan::Order, Box<linked::Linked>),
    Cancel(Box<linked::Linked>),
    /// Not won, and B1 may have a draft or an order of it.
    Withdraw,
    /// The draft goes.
    Remove(i64),
    Finished(Outcome),
}

/// What the opportunity shows.
struct News {
    /// Number and `DocEntry`; none leaves them as they are.
    order: Option<(String, String)>,
    /// Open, Closed, Cancelled, Awaiting approval, or empty; none leaves it as it is.
    status: Option<String>,
    /// Synced, Waiting, Review, Error.
    state: &'static str,
    message: Said,
    /// Told also where nothing but the message is new.
    loud: bool,
}

impl News {
    /// Of an order in step with its opportunity.
    fn synced(linked: &linked::Linked, message: impl Into<Said>) -> Self {
        let (order, status) = (Some(linked.told()), Some(linked.status.clone()));
        Self { order, status, state: "Synced", message: message.into(), loud: false }
    }

    /// What was asked is over.
    fn nothing() -> Self {
        Self { order: None, status: None, state: "", message: Said::default(), loud: true }
    }

    /// Without an order.
    fn of(status: &str, state: &'static str, message: impl Into<Said>) -> Self {
        Self { order: None, status: Some(status.to_owned()), state, message: message.into(), loud: false }
    }

    /// With a message that a person is to read.
    fn loud(self) -> Self {
        Self { loud: true, ..self }
    }
}

impl Work {
    fn new(event: Event) -> Self {
        let known = ["salesforce.Opportunity", "timer.wake", again::TIMER, told::TOPIC, waiting::TOPIC];
        let relevant = known.iter().chain(&told::DRAWN).any(|topic| *topic == event.topic);
        let step = match event.resolution.as_deref() {
            Some("ignore") => Step::Ignored,
            _ if !relevant => {
                Step::Finished(Outcome::Reject(format!("the orders plugin does not take {}", event.topic)))
            }
            _ => Step::Open,
        };
        Self {
            makes_new: anew::is_wanted(&event),
            event,
            opportunity: Value::Null,
            unread: false,
            deleted: false,
            is_known: false,
            b1: Map::new(),
            document: Value::Null,
            adopted: None,
            left: false,
            is_orderless: false,
            replaced: None,
            others: Vec::new(),
            change: None,
            step,
            news: None,
        }
    }

    fn id(&self) -> &str {
        &self.event.key
    }

    /// What the event is about: see [`again::topic`].
    fn topic(&self) -> String {
        again::topic(&self.event, &from_json(&self.event.payload)).to_owned()
    }

    fn is_open(&self) -> bool {
        matches!(self.step, Step::Open)
    }

    /// What changed in Salesforce may be nothing: the order itself is to be looked at.
    fn looks(&self) -> bool {
        self.event.topic == "timer.wake" || aside::is_wish(&self.event)
    }

    /// Nobody changed the opportunity, or answered: it is looked at for what happened in B1, or in the night.
    fn is_look(&self) -> bool {
        self.event.topic == "timer.wake" && self.event.resolution.is_none()
    }

    /// Ends with a review item that the opportunity shows too, with both sides to decide it by.
    fn hold(&mut self, reason: impl Into<Said>, choices: &[&str]) {
        let detail = facts::both(&self.opportunity, &self.b1);
        self.hold_by(reason, choices, &detail);
    }

    /// The same, with what to decide it by.
    fn hold_by(&mut self, reason: impl Into<Said>, choices: &[&str], detail: &Value) {
        let reason = reason.into();
        let (order, status) = match &self.step {
            Step::Update(_, linked) | Step::Cancel(linked) => (Some(linked.told()), Some(linked.status.clone())),
            _ => (None, None),
        };
        self.news = Some(News { order, status, state: "Review", message: reason.clone(), loud: true });
        self.step = Step::Finished(tandem_sdk::review_with(reason, choices, detail));
    }

    /// Its opportunity shows this order beside the question.
    fn shows(&mut self, linked: &linked::Linked) {
        if let Some(news) = &mut self.news {
            news.order = Some(linked.told());
            news.status = Some(linked.status.clone());
        }
    }

    /// It is another company's. What this one has asked about it is over.
    fn leave(&mut self) {
        let is_ours = tandem_sdk::is_asked_here(self.id(), text(&self.opportunity, "Tandem_Sync_Message__c"));
        self.news = (is_ours && plan::is_asked(self)).then(News::nothing);
        self.left = true;
        self.is_over();
        self.finish(Outcome::Done("an opportunity of another company".into()));
    }

    /// Ends by a failed call; what a human must see the opportunity shows, too.
    fn fail(&mut self, error: &Error, what: impl Into<Said>) {
        match outcome_of(error, what) {
            Outcome::Review(request) => {
                let choices: Vec<&str> = request.choices.iter().map(String::as_str).collect();
                self.hold(Said::asked(&request), &choices);
            }
            other => self.finish(other),
        }
    }

    /// It has its order: what was asked before is over.
    fn has_order(&mut self) {
        self.is_orderless = false;
        self.is_over();
    }

    /// What was asked about it, ignored or decided holds no more.
    fn is_over(&self) {
        aside::over(self.id());
        anew::forget(self.id());
    }

    /// Ends well, and says how.
    fn done(&mut self, message: impl Into<Said>) {
        self.finish(Outcome::Done(message.into().into()));
    }

    fn finish(&mut self, outcome: Outcome) {
        self.step = Step::Finished(outcome);
    }

    fn outcome(self) -> Outcome {
        if self.left && matches!(self.step, Step::Finished(Outcome::Done(_))) {
            tandem_sdk::forget_asked(self.id());
        }
        let outcome = match self.step {
            Step::Finished(outcome) => tandem_sdk::keep_asked(outcome, &self.event.key, self.is_known),
            _ => return Outcome::Reject("the orders plugin left this event without a decision".into()),
        };
        match &outcome {
            Outcome::Review(request) if self.is_orderless => {
                aside::remember(&self.event, &self.opportunity, request);
            }
            Outcome::Done(_) if self.is_orderless => aside::end(&self.event.key),
            Outcome::Wait(_) | Outcome::Retry(_) if self.is_orderless => aside::waits(&self.event),
            _ => {}
        }
        outcome
    }
}
