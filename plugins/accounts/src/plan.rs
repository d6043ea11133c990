//! What a subject needs to be in step.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tandem_sdk::{Batch, Map, Outcomes, Said, Side, Value, clock, links, salesforce, say, text};

use crate::describe::{Create, Settings};
use crate::gather::Subject;
use crate::gone;
use crate::seen::{KEEP_B1, KEEP_SALESFORCE, Questions};
use crate::write::Work;
use crate::{contacts, fields, person, questions};

/// How the questions about an account's own fields are named.
const ACCOUNT: &str = "account";

/// What the subjects of a run have in common.
pub struct Turn<'a> {
    pub batch: &'a Batch,
    pub settings: &'a Settings,
    pub questions: Questions,
    /// Partners of the run that were linked before.
    codes: BTreeSet<String>,
    /// Accounts of the run that have a partner.
    pub accounts: BTreeSet<String>,
}

impl<'a> Turn<'a> {
    pub fn new(batch: &'a Batch, settings: &'a Settings, subjects: &[Subject]) -> Self {
        let linked = subjects.iter().filter(|own| own.base.is_some());
        let paired = subjects.iter().filter(|own| !own.partner.is_null() && !own.account.is_null());
        Self {
            batch,
            settings,
            questions: Questions::read(),
            codes: linked.map(|own| own.card_code().to_owned()).collect(),
            accounts: paired.map(|own| own.account_id().to_owned()).collect(),
        }
    }

    /// Whether a contact that is linked with an employee of this partner, and with another account now, is let go: by the partner's
    /// own part of this run, or because the partner has no account any more. Else its own event brings both together.
    pub fn lets_go(&self, card_code: &str) -> bool {
        self.codes.contains(card_code) || links::find("account", Side::B1, card_code).is_none()
    }
}

/// What a subject needs; `None` when it is decided.
pub fn planned(turn: &mut Turn<'_>, subject: Subject, outcomes: &mut Outcomes) -> Option<Work> {
    let settings = turn.settings;
    if subject.events.is_empty() || !subject.events.iter().all(|place| outcomes.is_open(*place)) {
        return None;
    }
    let tell = |outcomes: &mut Outcomes, what: &str| outcomes.note_all(&subject.events, what);
    let account_gone = subject.account.is_null() || subject.account["IsDeleted"] == true;
    match (subject.partner.is_null(), account_gone) {
        (true, true) => {
            tell(outcomes, "gone on both sides, or never there");
            return None;
        }
        (true, false) if subject.base.is_some() => return gone::partner(settings, subject, outcomes),
        (true, false) if !settings.only.holds(&subject.account) => {
            tell(outcomes, "an account of another company");
            return None;
        }
        (true, false) => {
            let wanted = subject.choice.as_deref() == Some("create")
                || settings.create_in_b1 == Create::All
                || (settings.create_in_b1 == Create::Wanted && subject.wanted);
            if !wanted && subject.wanted {
                let why = say(
                    "accounts.none_is_made",
                    "no customer of B1 matches, and the accounts flow makes none of an account (create_in_b1)",
                    [],
                );
                questions::never(subject.account_id(), &why);
            }
            if !wanted {
                tell(outcomes, "no partner matches, and none is needed yet");
                return None;
            }
        }
        (false, true) if subject.base.is_some() && !text(&subject.account, "MasterRecordId").is_empty() => {
            // The one that is left has a partner of its own.
            let what = say(
                "accounts.merged",
                "the account of the partner {customer} was merged into {account}, which is linked with another partner; make one partner of the two in B1",
                [
                    ("customer", subject.card_code().into()),
                    ("account", text(&subject.account, "MasterRecordId").into()),
                ],
            );
            outcomes.hold(&subject.events, what);
            return None;
        }
        (false, true) if subject.base.is_some() => {
            gone::account(settings, &subject, outcomes);
            return None;
        }
        (false, true) => {
            if subject.partner["CardType"] == "cSupplier" {
                tell(outcomes, "a supplier: no account");
                return None;
            }
            if !settings.create_in_salesforce {
                tell(outcomes, "no account matches, and none is to be made");
                return None;
            }
        }
        (false, false) => {}
    }
    let base = subject.base.clone().unwrap_or_default();
    let sections = settings.org.sections();
    let of_person = person::is(&subject.account);
    let partner =
        if of_person { Cow::Owned(person::partner(&subject.partner)) } else { Cow::Borrowed(&subject.partner) };
    let plan = match (subject.partner.is_null(), account_gone) {
        (true, _) => fields::for_new(&sections, Side::B1, &subject.account),
        (_, true) => fields::for_new(&sections, Side::Salesforce, &subject.partner),
        _ => {
            let newest = newest_of(&subject.partner, &subject.account);
            let answer = turn.questions.answer(turn.batch, &subject);
            fields::merged(&sections, ACCOUNT, &partner, &subject.account, &base, newest, &answer)
        }
    };
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(why) => {
            let code = if subject.partner.is_null() { subject.account_id() } else { subject.card_code() };
            let names = [text(&subject.partner, "CardName"), text(&subject.account, "Name")];
            let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            let with = [("name", name.into()), ("code", code.into()), ("why", why.into())];
            outcomes.hold(&subject.events, say("accounts.of", "{name} ({code}): {why}", with));
            return None;
        }
    };
    if of_person && !account_gone {
        person::put_names(&mut plan.to_salesforce, &subject.partner, &subject.account);
    }
    if !plan.conflicts.is_empty() {
        turn.questions.show(turn.batch, &subject, ACCOUNT, &plan.conflicts);
        let (reason, detail) = fields::question(text(&subject.partner, "CardName"), &plan.conflicts);
        outcomes.ask(&subject.events, reason, &[KEEP_B1, KEEP_SALESFORCE, "retry", "ignore"], &detail);
        return None;
    }
    if !subject.partner.is_null() {
        shown_of(settings, &subject, &base, &mut plan);
    }
    // What an earlier question left there.
    if subject.account["Tandem_Sync_State__c"] != "Synced" {
        plan.to_salesforce.insert("Tandem_Sync_State__c".into(), "Synced".into());
        plan.to_salesforce.extend(Said::default().shown());
    }
    if subject.wanted && settings.convert_leads && subject.partner["CardType"] == "cLid" {
        plan.to_b1.insert("CardType".into(), "cCustomer".into());
        plan.to_salesforce.insert("Tandem_Partner_Type__c".into(), "customer".into());
        plan.base.insert("Tandem_Partner_Type__c".into(), "customer".into());
        plan.written.insert("Tandem_Partner_Type__c".into(), Side::Salesforce);
        tell(outcomes, "the lead became a customer: an order needs it");
    }
    // A question about one person holds up neither the account nor its other people.
    let persons = contacts::plan(turn, &subject, outcomes);
    Some(Work {
        card_code: subject.card_code().to_owned(),
        account_id: if account_gone { String::new() } else { subject.account_id().to_owned() },
        made_in_b1: subject.partner.is_null(),
        made_in_salesforce: account_gone,
        failed: false,
        in_b1: false,
        in_salesforce: false,
        refused: Vec::new(),
        subject,
        plan,
        persons,
    })
}

/// What the account shows of its partner besides the mapped fields.
fn shown_of(settings: &Settings, subject: &Subject, base: &Map<String, Value>, plan: &mut fields::Plan) {
    let partner = &subject.partner;
    let kind = if partner["CardType"] == "cLid" { "lead" } else { "customer" };
    let own: [(&str, Value); 3] = [
        ("Tandem_Card_Code__c", settings.keys.carried(text(partner, "CardCode")).into()),
        ("Tandem_Partner_Type__c", kind.into()),
        ("Tandem_Blocked__c", subject.blocked.into()),
    ];
    for (name, value) in own {
        if base.get(name) != Some(&value) {
            plan.to_salesforce.insert(name.into(), value.clone());
            plan.written.insert(name.into(), Side::Salesforce);
        }
        plan.base.insert(name.into(), value);
    }
}

/// The side whose record was changed later: the partner's own time, and that of the account or the contact itself. A contact employee
/// has no time in B1 but its partner's.
pub fn newest_of(partner: &Value, record: &Value) -> Side {
    let b1 = clock::company_time("b1", text(partner, "UpdateDate"), text(partner, "UpdateTime")).unwrap_or(0);
    if b1 >= salesforce::moment(&record["LastModifiedDate"]) { Side::B1 } else { Side::Salesforce }
}
