//! Days of sellers, clerks and approvers that nobody would think of, generated: whatever they do, and whatever breaks meanwhile, a won opportunity has
//! one order or a question, a clerk's document stays a clerk's, and nothing goes without a word. What is right is reckoned from who made each
//! document and what persons have answered, which the flow cannot see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

use super::orders_and_clerks::sync_now;

/// Opportunities, each with a life of its own, and rounds, in each of which something happens to every one of them.
const SHORT: (usize, usize) = (24, 7);
const LONG: (usize, usize) = (40, 12);
const SEED: u64 = 13;

const MAKE_NEW: &str = "create a new order";
const LEAVE: &str = "leave it cancelled";
const LINK: &str = "link with order ";

/// Who made a document.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Maker {
    /// The flow; an approver's order of the flow's draft is its own, too.
    Flow,
    /// A clerk. `may_be_taken`: there was nothing of the opportunity's own when it was made, so that it counts as made for it by hand.
    Clerk { may_be_taken: bool },
}

/// What a person has decided about an opportunity that asks no more.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Aside {
    /// Nothing.
    No,
    Ignored,
    /// A cancelled order stays so.
    Left,
}

/// One opportunity, and the truth about it.
struct Own {
    id: String,
    won: bool,
    orders: BTreeMap<i64, Maker>,
    drafts: BTreeMap<i64, Maker>,
    /// Orders that a clerk has cancelled.
    cancelled: BTreeSet<i64>,
    /// Numbers of orders that a person has said are the opportunity's.
    linked: BTreeSet<String>,
    /// Numbers of those of which he has said that they are not.
    beside: BTreeSet<String>,
    /// What the flow has made though nothing was to be made.
    unwanted: Vec<String>,
    /// Drafts of the flow that are refused, or gone, since it looked last.
    called_off: bool,
    /// It is asked to cancel all but one of several orders: the one that is left is its own.
    is_one_of_several: bool,
    aside: Aside,
    /// What was put aside before it was lost in this round: the flow need not have seen that.
    before_loss: Aside,
    history: Vec<String>,
}

/// What B1 and Salesforce have.
#[derive(Default)]
struct Seen {
    orders: Vec<Value>,
    drafts: Vec<Value>,
    opportunities: BTreeMap<String, Value>,
    questions: Vec<Value>,
}

impl Seen {
    async fn of(world: &World) -> Result<Self> {
        let mut seen = Self::in_b1(world).await?;
        let all = world.records("Opportunity").await?;
        seen.opportunities = all.into_iter().filter_map(|own| Some((own["Id"].as_str()?.to_owned(), own))).collect();
        let open = world.tandem_json(&["review", "list", "--limit", "1000"]).await?;
        seen.questions = open.as_array().cloned().unwrap_or_default();
        Ok(seen)
    }

    async fn in_b1(world: &World) -> Result<Self> {
        let (orders, drafts) = (world.b1_records("Orders").await?, world.b1_records("Drafts").await?);
        Ok(Self { orders, drafts, ..Self::default() })
    }

    fn orders<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Value> {
        self.orders.iter().filter(move |own| own["U_SF_Id"] == id)
    }

    fn live<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Value> {
        self.orders(id).filter(|own| own["Cancelled"] != "tYES")
    }

    fn drafts<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Value> {
        self.drafts.iter().filter(move |own| own["U_SF_Id"] == id)
    }

    fn question(&self, id: &str) -> Option<&Value> {
        self.questions.iter().find(|own| own["key"] == id)
    }

    fn shows(&self, id: &str, field: &str) -> &str {
        self.opportunities.get(id).and_then(|own| own[field].as_str()).unwrap_or_default()
    }
}

fn entry(document: &Value) -> i64 {
    document["DocEntry"].as_i64().unwrap_or_default()
}

fn number(document: &Value) -> String {
    document["DocNum"].to_string()
}

fn is_closed(document: &Value) -> bool {
    document["DocumentStatus"] == "bost_Close"
}

/// An approver has it, or has approved what is still to be added.
fn is_out(draft: &Value) -> bool {
    !is_closed(draft) && !is_refused(draft)
}

fn is_refused(draft: &Value) -> bool {
    draft["AuthorizationStatus"] == "dasRejected"
}

impl Own {
    fn new(id: String) -> Self {
        let (orders, drafts, cancelled, linked, beside) = Default::default();
        Self {
            id,
            won: false,
            orders,
            drafts,
            cancelled,
            linked,
            beside,
            unwanted: Vec::new(),
            called_off: false,
            is_one_of_several: false,
            aside: Aside::No,
            before_loss: Aside::No,
            history: vec![],
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.history.push(what.into());
    }

    /// What is there by now and nobody else has made is the flow's.
    fn learn(&mut self, seen: &Seen) {
        let id = self.id.clone();
        for order in seen.orders(&id) {
            if self.orders.insert(entry(order), self.maker(order)).is_none() {
                self.made(format!("order {}", entry(order)));
            }
        }
        for draft in seen.drafts(&id) {
            let maker = self.drafts.get(&entry(draft)).copied().unwrap_or(Maker::Flow);
            if self.drafts.insert(entry(draft), maker).is_none() {
                self.made(format!("draft {}", entry(draft)));
            }
        }
        // An order that is left alone, with nothing of the opportunity's own, counts as made for it by hand.
        let has_own = seen.drafts(&id).any(|draft| self.is_own_draft(draft));
        if !has_own && self.orders.values().all(|maker| *maker != Maker::Flow) {
            self.by_hand();
        }
    }

    fn made(&mut self, what: String) {
        self.history.push(format!("  the flow made {what}"));
        if self.aside != Aside::No && self.before_loss == Aside::No {
            self.unwanted.push(what);
        }
    }

    /// What clerks have made counts as made for the opportunity.
    fn by_hand(&mut self) {
        for maker in self.orders.values_mut().filter(|maker| **maker != Maker::Flow) {
            *maker = Maker::Clerk { may_be_taken: true };
        }
    }

    fn maker(&self, order: &Value) -> Maker {
        self.orders.get(&entry(order)).copied().unwrap_or(Maker::Flow)
    }

    fn is_own_draft(&self, draft: &Value) -> bool {
        self.drafts.get(&entry(draft)) == Some(&Maker::Flow)
    }

    fn clerk(&self, seen: &Seen) -> Maker {
        let had_one = self.orders.values().any(|maker| *maker == Maker::Flow);
        let is_awaited = seen.drafts(&self.id).any(|draft| self.is_own_draft(draft) && is_out(draft));
        Maker::Clerk { may_be_taken: self.called_off || !(had_one || is_awaited) }
    }

    /// The flow cannot tell in which order things happened that it was not there for.
    fn calls_off(&mut self, draft: i64) {
        if self.drafts.get(&draft) == Some(&Maker::Flow) {
            self.called_off = true;
            if self.orders.values().all(|maker| *maker != Maker::Flow) {
                self.by_hand();
            }
        }
    }

    /// Whether the flow may treat it as the opportunity's.
    fn is_its(&self, order: &Value) -> bool {
        match self.maker(order) {
            Maker::Flow => true,
            _ if self.linked.contains(&number(order)) => true,
            Maker::Clerk { may_be_taken } => may_be_taken && !self.beside.contains(&number(order)),
        }
    }

    /// What is wrong with it, now that all is done that there is to do.
    fn faults(&self, seen: &Seen) -> Vec<String> {
        let id = self.id.as_str();
        let mut wrong: Vec<String> =
            self.unwanted.iter().map(|what| format!("{what} was made of what was put aside")).collect();
        for order in seen.orders(id).filter(|own| own["Cancelled"] == "tYES") {
            if !self.cancelled.contains(&entry(order)) && !self.is_its(order) {
                wrong.push(format!("a clerk's order {} was cancelled", entry(order)));
            }
        }
        for (draft, maker) in &self.drafts {
            let is_there = seen.drafts(id).any(|own| entry(own) == *draft);
            if !is_there && matches!(maker, Maker::Clerk { may_be_taken: false }) {
                wrong.push(format!("a clerk's draft {draft} was removed"));
            }
        }
        let shown = seen.shows(id, "Tandem_Order_Number__c");
        for order in seen.orders(id).filter(|own| number(own) == shown && !self.is_its(own)) {
            wrong.push(format!("a clerk's order {} is shown as the opportunity's", entry(order)));
        }
        let live: Vec<&Value> = seen.live(id).collect();
        let own = live.iter().filter(|own| self.maker(own) == Maker::Flow).count();
        let taken = live.iter().filter(|own| self.maker(own) != Maker::Flow && number(own) == shown).count();
        let out = seen.drafts(id).filter(|draft| self.is_own_draft(draft) && is_out(draft)).count();
        if own + taken + out > 1 {
            wrong.push(format!("{own} orders of its own, {taken} of a clerk's that were taken, and {out} drafts"));
        }
        let is_asked = seen.question(id).is_some();
        let state = seen.shows(id, "Tandem_Sync_State__c");
        // What is ignored stays to be read.
        if is_asked != (state == "Review") && (is_asked || self.aside == Aside::No) {
            wrong.push(format!("it shows {state:?}, and is {}asked about", if is_asked { "" } else { "not " }));
        }
        // Whose a draft is that came beside a clerk's order while nobody looked is not to be known: it is waited for.
        let is_with_approver = seen.drafts(id).any(is_out);
        if self.won
            && own + taken == 0
            && !is_with_approver
            && !is_asked
            && self.aside == Aside::No
            && state != "Waiting"
        {
            wrong.push("it is won, and has no order, no draft and no question".into());
        }
        let is_shown = live.iter().any(|own| number(own) == shown);
        if self.won && own + taken == 1 && !is_asked && self.aside == Aside::No && !is_shown {
            wrong.push(format!("it shows order {shown:?}, which is not the one that it has"));
        }
        if !self.won && !is_asked && self.aside == Aside::No {
            let open = live.iter().any(|own| self.maker(own) == Maker::Flow && !is_closed(own));
            if open || out > 0 {
                wrong.push("it is not won, and its order stands without a question".into());
            }
        }
        wrong
    }

    /// What B1 and Salesforce have of it, for who reads what went wrong.
    fn stand(&self, seen: &Seen) -> String {
        let of = |own: &Value| match self.orders.get(&entry(own)) {
            Some(Maker::Flow) | None => "own",
            Some(Maker::Clerk { may_be_taken: true }) => "by hand",
            Some(_) => "clerk's",
        };
        let order = |own: &Value| {
            let state = if own["Cancelled"] == "tYES" { "cancelled" } else { "live" };
            format!("order {} ({}, {state}{})", entry(own), of(own), if is_closed(own) { ", closed" } else { "" })
        };
        let draft = |own: &Value| {
            let whose = if self.is_own_draft(own) { "own" } else { "clerk's" };
            format!("draft {} ({whose}, {})", entry(own), own["AuthorizationStatus"].as_str().unwrap_or_default())
        };
        let documents: Vec<String> = seen.orders(&self.id).map(order).chain(seen.drafts(&self.id).map(draft)).collect();
        let shows = |field: &str| seen.shows(&self.id, field).to_owned();
        format!(
            "  = won {}, {:?}; {}; shows {} {} {:?}",
            self.won,
            self.aside,
            documents.join(", "),
            shows("Tandem_Order_Number__c"),
            shows("Tandem_Sync_State__c"),
            shows("Tandem_Sync_Message__c"),
        )
    }
}

/// How a round goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Round {
    /// One thing for each, and all is done before it is looked at.
    Calm,
    /// The host is killed, and several things happen before it is there again.
    Away,
    /// Several things, one upon the other.
    Busy,
    /// Calls of the host break.
    Struck,
}

/// What somebody may do.
#[derive(Clone, Copy)]
enum Thing<'a> {
    Touch,
    Change,
    SyncNow,
    /// Won, or won no more.
    Turn,
    Answer,
    Duplicate(&'a Value),
    Cancel(&'a Value),
    Deliver(&'a Value),
    Copy(&'a Value),
    Approve(&'a Value),
    ApproveOnly(&'a Value),
    Refuse(&'a Value),
    Remove(&'a Value),
}

struct Days {
    world: World,
    chance: Rng,
    all: Vec<Own>,
}

impl Days {
    async fn new(seed: u64, opportunities: usize) -> Result<Self> {
        let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
        let flow = "settings = { approval_poll_minutes = 0 }".into();
        let mut world = World::with(Setup { flow, b1, seed, ..Setup::default() }).await?;
        world.up().await?;
        let all = world.opportunities(opportunities).await?.into_iter().map(Own::new).collect();
        Ok(Self { world, chance: Rng::with_seed(seed), all })
    }

    /// All that happened is seen, and done.
    async fn quiet(&self) -> Result<Seen> {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(1_300)).await;
            self.world.settled().await?;
        }
        // What is shown follows what is done.
        tokio::time::sleep(Duration::from_millis(300)).await;
        Seen::of(&self.world).await
    }

    async fn round(&mut self, number: usize) -> Result<()> {
        let kinds = [Round::Calm, Round::Calm, Round::Away, Round::Busy, Round::Struck];
        let kind = if number == 0 { Round::Calm } else { kinds[self.chance.usize(..kinds.len())] };
        let approvals = self.chance.u8(..5) < 3;
        let settings = if approvals { json!({ "approval_over": 0.01 }) } else { json!({}) };
        self.world.b1_settings(settings).await?;
        for own in &mut self.all {
            (own.called_off, own.before_loss) = (false, Aside::No);
            own.note(format!("round {number}: {kind:?}{}", if approvals { ", with approvals" } else { "" }));
        }
        let questions = Seen::of(&self.world).await?.questions;
        match kind {
            Round::Away => self.world.kill().await?,
            Round::Struck => self.world.strike(0.05).await?,
            _ => {}
        }
        let things = if matches!(kind, Round::Away | Round::Busy) { 1 + self.chance.usize(..3) } else { 1 };
        for thing in 0..things {
            for place in 0..self.all.len() {
                let mut seen = Seen::in_b1(&self.world).await?;
                // One who answers does so first.
                seen.questions = if thing == 0 && kind != Round::Away { questions.clone() } else { Vec::new() };
                self.thing(place, &seen, kind).await?;
            }
        }
        match kind {
            Round::Away => self.world.up().await?,
            Round::Struck => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                self.world.b1_faults(json!([])).await?;
                self.world.salesforce_faults(json!([])).await?;
            }
            _ => {}
        }
        self.judge().await
    }

    /// Somebody does something about an opportunity.
    async fn thing(&mut self, place: usize, seen: &Seen, kind: Round) -> Result<()> {
        let (world, own, chance) = (&self.world, &mut self.all[place], &mut self.chance);
        let id = own.id.clone();
        own.learn(seen);
        if own.history.len() == 1 {
            return own.win(world).await;
        }
        let mut things = vec![Thing::Touch, Thing::Change, Thing::SyncNow, Thing::Turn, Thing::Turn];
        if seen.question(&id).is_some() {
            things.extend([Thing::Answer; 4]);
        }
        for order in seen.live(&id) {
            things.push(Thing::Duplicate(order));
            if !is_closed(order) {
                things.extend([Thing::Cancel(order), Thing::Deliver(order)]);
            }
        }
        for draft in seen.drafts(&id).filter(|own| !is_closed(own)) {
            things.extend([Thing::Approve(draft), Thing::Approve(draft), Thing::ApproveOnly(draft)]);
            things.extend([Thing::Refuse(draft), Thing::Refuse(draft), Thing::Remove(draft)]);
            // While the host is at it, whose a draft is could not be told.
            if kind == Round::Away {
                things.extend([Thing::Copy(draft), Thing::Copy(draft)]);
            }
        }
        match things.swap_remove(chance.usize(..things.len())) {
            Thing::Touch => own.touch(world, chance).await,
            Thing::Change => own.change(world, chance).await,
            Thing::SyncNow => own.sync_now(world).await,
            Thing::Turn if own.won => own.lose(world).await,
            Thing::Turn => own.win(world).await,
            Thing::Answer => own.answered(world, seen, chance).await,
            Thing::Duplicate(order) => own.duplicate(world, seen, order).await,
            Thing::Cancel(order) => own.cancel(world, order).await,
            Thing::Deliver(order) => own.deliver(world, order).await,
            Thing::Copy(draft) => own.copy(world, seen, draft).await,
            Thing::Approve(draft) => own.approve(world, draft, false).await,
            Thing::ApproveOnly(draft) => own.approve(world, draft, true).await,
            Thing::Refuse(draft) => own.refuse(world, draft).await,
            Thing::Remove(draft) => own.remove_draft(world, draft).await,
        }
    }

    /// Nothing is left to do: is all as it should be?
    async fn judge(&mut self) -> Result<()> {
        let seen = self.quiet().await?;
        let mut wrong = Vec::new();
        for own in &mut self.all {
            own.learn(&seen);
            let several = |question: &Value| question["reason"].to_string().contains("has several orders");
            own.is_one_of_several = seen.question(&own.id).is_some_and(several);
            let stand = own.stand(&seen);
            own.note(stand);
            let faults = own.faults(&seen);
            if !faults.is_empty() {
                wrong.push(format!("{}: {}\n{}", own.id, faults.join("; "), own.history.join("\n")));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        bail!("{} of {} are wrong:\n{}", wrong.len(), self.all.len(), wrong.join("\n\n"))
    }

    /// Whoever wants a right end answers what he is asked, and has it.
    async fn end(&mut self) -> Result<()> {
        self.world.b1_settings(json!({})).await?;
        for turn in 0..8 {
            let mut seen = Seen::of(&self.world).await?;
            let mut is_done = true;
            for own in &mut self.all {
                (own.called_off, own.before_loss) = (false, Aside::No);
                own.note(format!("end {turn}"));
                is_done &= own.ends(&self.world, &seen).await?;
            }
            if is_done {
                // A look changes nothing.
                let before: Vec<String> = self.all.iter().map(|own| own.documents(&seen)).collect();
                for own in &mut self.all {
                    own.touch(&self.world, &mut self.chance).await?;
                }
                self.judge().await?;
                seen = Seen::of(&self.world).await?;
                for (own, before) in self.all.iter().zip(before) {
                    if own.documents(&seen) != before {
                        bail!("{}: a look has changed what there was: {}", own.id, own.history.join("\n"));
                    }
                }
                return Ok(());
            }
            self.judge().await?;
        }
        let seen = Seen::of(&self.world).await?;
        let left: Vec<String> = self
            .all
            .iter()
            .filter(|own| seen.question(&own.id).is_some())
            .map(|own| format!("{}\n{}", own.id, own.history.join("\n")))
            .collect();
        bail!("{} are asked about without end:\n{}", left.len(), left.join("\n\n"))
    }
}

impl Own {
    /// What was put aside is not any more.
    fn goes_on(&mut self) {
        if self.aside == Aside::Ignored {
            self.aside = Aside::No;
        }
    }

    async fn win(&mut self, world: &World) -> Result<()> {
        self.note("won");
        (self.won, self.aside) = (true, self.before_loss);
        world.win(&self.id).await
    }

    async fn lose(&mut self, world: &World) -> Result<()> {
        self.note("lost");
        (self.won, self.before_loss, self.aside) = (false, self.aside, Aside::No);
        world.change("Opportunity", &self.id, json!({ "StageName": "Prospecting" })).await
    }

    async fn change(&mut self, world: &World, chance: &mut Rng) -> Result<()> {
        self.note("changed");
        self.goes_on();
        world.change("Opportunity", &self.id, json!({ "Tandem_PO_Number__c": format!("PO-{}", chance.u32(..)) })).await
    }

    async fn sync_now(&mut self, world: &World) -> Result<()> {
        self.note("sync now");
        self.goes_on();
        sync_now(world, &self.id).await
    }

    async fn touch(&mut self, world: &World, chance: &mut Rng) -> Result<()> {
        self.note("touched");
        world.change("Opportunity", &self.id, json!({ "Amount": 1_000 + chance.u32(..9_000) })).await
    }

    /// Somebody works in B1; what he is not let do is not done.
    async fn desk(&mut self, world: &World, what: &str) -> Result<Option<Value>> {
        let (status, body) = world.send("POST", &format!("{}/admin/{what}", world.b1), &json!({})).await?;
        self.note(format!("{what}: {status}"));
        Ok((status < 300).then_some(body))
    }

    async fn duplicate(&mut self, world: &World, seen: &Seen, order: &Value) -> Result<()> {
        let maker = self.clerk(seen);
        match self.desk(world, &format!("duplicate/Orders/{}", entry(order))).await? {
            Some(made) => {
                let made = made["duplicate"].as_str().and_then(|key| key.parse().ok()).context("its DocEntry")?;
                self.note(format!("  a clerk made order {made}"));
                self.orders.insert(made, maker);
            }
            // It is for an approver to see.
            None => self.copy(world, seen, order).await?,
        }
        Ok(())
    }

    /// What a clerk makes may be with an approver, too.
    async fn drafted(&mut self, world: &World, before: &[i64]) -> Result<()> {
        let seen = Seen::in_b1(world).await?;
        let new: Vec<i64> = seen.drafts(&self.id).map(entry).filter(|own| !before.contains(own)).collect();
        for draft in new {
            self.note(format!("  a clerk made draft {draft}"));
            self.drafts.insert(draft, self.clerk(&seen));
        }
        Ok(())
    }

    async fn copy(&mut self, world: &World, seen: &Seen, document: &Value) -> Result<()> {
        let maker = self.clerk(seen);
        let before: Vec<i64> = self.drafts.keys().copied().collect();
        self.note(format!("a clerk copies document {}", entry(document)));
        let rows = document["DocumentLines"].as_array().cloned().unwrap_or_default();
        let row =
            |row: &Value| json!({ "ItemCode": row["ItemCode"], "Quantity": 77, "U_SF_LineId": row["U_SF_LineId"] });
        let rows: Vec<Value> = rows.iter().map(row).collect();
        let body = json!({ "CardCode": document["CardCode"], "DocDueDate": document["DocDueDate"], "U_SF_Id": self.id, "DocumentLines": rows });
        match world.b1_post("/Orders", body).await {
            Ok(made) => {
                self.note(format!("  a clerk made order {}", entry(&made)));
                self.orders.insert(entry(&made), maker);
            }
            // B1 answers that it keeps it.
            Err(_) => self.drafted(world, &before).await?,
        }
        Ok(())
    }

    async fn cancel(&mut self, world: &World, order: &Value) -> Result<()> {
        let done = world.b1_call("POST", &format!("/Orders({})/Cancel", entry(order)), Value::Null).await;
        self.note(format!("a clerk cancels order {}: {}", entry(order), done.is_ok()));
        if done.is_ok() {
            self.cancelled.insert(entry(order));
            if self.is_its(order) {
                self.goes_on();
            }
            if self.is_one_of_several {
                self.by_hand();
            }
        }
        Ok(())
    }

    async fn deliver(&mut self, world: &World, order: &Value) -> Result<()> {
        self.desk(world, &format!("deliver/{}", entry(order))).await.map(|_| ())
    }

    async fn approve(&mut self, world: &World, draft: &Value, only: bool) -> Result<()> {
        let what = format!("approve/{}{}", entry(draft), if only { "?only" } else { "" });
        let done = self.desk(world, &what).await?;
        if let Some(order) = done.and_then(|done| done["order"].as_str()?.parse().ok()).filter(|_| !only) {
            let maker = match self.drafts.get(&entry(draft)).copied().unwrap_or(Maker::Flow) {
                // Where its own is gone meanwhile, it is not to be known of which the order was made.
                Maker::Clerk { may_be_taken } => Maker::Clerk { may_be_taken: may_be_taken || self.called_off },
                maker => maker,
            };
            self.note(format!("  order {order} was made of it"));
            self.orders.insert(order, maker);
        }
        Ok(())
    }

    async fn refuse(&mut self, world: &World, draft: &Value) -> Result<()> {
        if self.desk(world, &format!("reject/{}", entry(draft))).await?.is_some() {
            self.calls_off(entry(draft));
        }
        Ok(())
    }

    async fn remove_draft(&mut self, world: &World, draft: &Value) -> Result<()> {
        let done = world.b1_call("DELETE", &format!("/Drafts({})", entry(draft)), Value::Null).await;
        self.note(format!("a clerk removes draft {}: {}", entry(draft), done.is_ok()));
        if done.is_ok() {
            self.calls_off(entry(draft));
            self.drafts.remove(&entry(draft));
        }
        Ok(())
    }

    /// A person answers as he likes.
    async fn answered(&mut self, world: &World, seen: &Seen, chance: &mut Rng) -> Result<()> {
        let Some(question) = seen.question(&self.id) else { return Ok(()) };
        let choices = question["choices"].as_array().cloned().unwrap_or_default();
        let choice = choices[chance.usize(..choices.len().max(1))].as_str().unwrap_or_default().to_owned();
        self.answer(world, seen, question, &choice).await
    }

    async fn answer(&mut self, world: &World, seen: &Seen, question: &Value, choice: &str) -> Result<()> {
        let review = question["id"].to_string();
        let arguments = ["review", "resolve", "--choose", choice, &review];
        let (code, _, error) = world.tandem_raw(&arguments).await?;
        self.note(format!("answered {choice:?} to {}: {code} {error}", question["reason"]));
        if code != 0 {
            return Ok(());
        }
        if [MAKE_NEW, LEAVE].contains(&choice) {
            let asked = question["reason"].as_str().unwrap_or_default().to_owned();
            let is_named = |own: &&Value| asked.contains(&number(own)) && self.maker(own) != Maker::Flow;
            let named: Vec<String> = seen.live(&self.id).filter(is_named).map(number).collect();
            self.linked.retain(|own| !named.contains(own));
            self.beside.extend(named);
        }
        self.aside = match choice {
            "ignore" => Aside::Ignored,
            LEAVE => Aside::Left,
            _ => Aside::No,
        };
        if let Some(number) = choice.strip_prefix(LINK) {
            self.linked.insert(number.to_owned());
            self.beside.remove(number);
        }
        Ok(())
    }

    fn documents(&self, seen: &Seen) -> String {
        let orders = seen.orders(&self.id).map(|own| format!("{} {}", entry(own), own["Cancelled"]));
        orders.chain(seen.drafts(&self.id).map(|own| format!("draft {}", entry(own)))).collect::<Vec<_>>().join(", ")
    }

    /// One step to a right end; true where it is there.
    async fn ends(&mut self, world: &World, seen: &Seen) -> Result<bool> {
        let id = self.id.clone();
        if let Some(draft) = seen.drafts(&id).find(|draft| is_out(draft)) {
            self.approve(world, draft, false).await?;
            return Ok(false);
        }
        let Some(question) = seen.question(&id) else {
            return Ok(seen.shows(&id, "Tandem_Sync_State__c") != "Waiting");
        };
        let choices: Vec<&str> =
            question["choices"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if choices.contains(&MAKE_NEW) {
            self.answer(world, seen, question, MAKE_NEW).await?;
            return Ok(false);
        }
        // Cancel there what is not wanted, as is said.
        let clerks: Vec<&Value> = seen.live(&id).filter(|own| !is_closed(own)).collect();
        let keep = usize::from(self.won);
        for order in clerks.iter().rev().take(clerks.len().saturating_sub(keep)) {
            self.cancel(world, order).await?;
        }
        let is_closed = seen.live(&id).any(is_closed);
        self.answer(world, seen, question, if is_closed && choices.contains(&"ignore") { "ignore" } else { "retry" })
            .await?;
        Ok(false)
    }
}

async fn days(seed: u64, (opportunities, rounds): (usize, usize)) -> Result<()> {
    let mut days = Days::new(seed, opportunities).await?;
    for number in 0..rounds {
        days.round(number).await.with_context(|| format!("seed {seed}, round {number}"))?;
    }
    days.end().await.with_context(|| format!("seed {seed}, the end"))
}

/// `TANDEM_DAYS` tries so many seeds at length, from `TANDEM_DAYS_SEED` on: `make soak`.
#[tokio::test]
async fn whatever_sellers_clerks_and_approvers_do_each_opportunity_has_its_own_order_or_a_question() -> Result<()> {
    let given = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = given("TANDEM_DAYS_SEED").unwrap_or(SEED);
    match given("TANDEM_DAYS") {
        None => days(first, SHORT).await?,
        Some(count) => {
            for seed in first..first + count {
                days(seed, LONG).await?;
            }
        }
    }
    Ok(())
}
