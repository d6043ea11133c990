//! Tells the opportunity what became of it: order number, status, and messages in words.

use tandem_sdk::{Error, Map, Method, Outcome, Request, Value, outcome_of, refused, request, review, say, text};

use crate::{Step, Work};

/// Writes what changed, all at once. An order that was made but could not be told is told on the next attempt.
pub fn tell(work: &mut [Work]) {
    let mut places = Vec::new();
    let mut requests: Vec<Request> = Vec::new();
    for (place, w) in work.iter().enumerate() {
        if let Some(fields) = changes(w) {
            let path = format!("/sobjects/Opportunity/{}", w.id());
            requests.push(request("salesforce", Method::Patch, path, Some(&Value::Object(fields)), w.id()));
            places.push(place);
        }
    }
    for (place, sent) in places.into_iter().zip(refused::send_all(&requests, |_, _| true)) {
        let w = &mut work[place];
        let Err(error) = sent.answer else {
            // A question or a wait that came first stays what it is.
            if !sent.left_out.is_empty() && matches!(&w.step, Step::Finished(Outcome::Done(_))) {
                let reason = refused::reason(say("orders.the_opportunity", "the opportunity", []), &sent.left_out);
                w.finish(review(reason, &["retry", "ignore"]));
            }
            continue;
        };
        // An opportunity that is gone, or a review or a wait that cannot be shown there, stays what it is.
        let gone =
            matches!(&error, Error::Remote(remote) if remote.status == 404 || remote.code == "ENTITY_IS_DELETED");
        let held = matches!(&w.step, Step::Finished(Outcome::Review(_) | Outcome::Wait(_) | Outcome::Retry(_)));
        if !gone && !held {
            let number = w.news.as_ref().and_then(|news| Some(news.order.as_ref()?.0.clone()));
            let what = match number {
                Some(number) => say(
                    "orders.writing_number",
                    "order {number} is in B1; telling the opportunity so",
                    [("number", number.into())],
                ),
                None => say("orders.writing_back", "telling the opportunity how its order is", []),
            };
            w.finish(outcome_of(&error, what));
        }
    }
}

fn changes(w: &Work) -> Option<Map<String, Value>> {
    let news = w.news.as_ref()?;
    if w.opportunity.is_null() && !w.unread {
        return None;
    }
    let mut fields = news.message.shown();
    let mut set = |name: &str, value: &str| {
        fields.insert(name.to_owned(), if value.is_empty() { Value::Null } else { value.into() });
    };
    set("Tandem_Sync_State__c", news.state);
    if let Some(status) = &news.status {
        set("Tandem_Order_Status__c", status);
    }
    if let Some((doc_num, doc_entry)) = &news.order {
        set("Tandem_Order_Number__c", doc_num);
        set("Tandem_Order_Doc_Entry__c", doc_entry);
    }
    // What is there already is not written again.
    let same = |name: &str| {
        fields.get(name).is_none_or(|value| value.as_str().unwrap_or_default() == text(&w.opportunity, name))
    };
    let told =
        ["Tandem_Sync_State__c", "Tandem_Order_Status__c", "Tandem_Order_Number__c", "Tandem_Order_Doc_Entry__c"];
    let told = told.iter().all(|name| same(name));
    let said = same("Tandem_Sync_Message__c") || (news.state == "Synced" && !news.loud);
    if told && said {
        return None;
    }
    fields.insert("Tandem_Synced_At__c".into(), tandem_sdk::salesforce::now());
    Some(fields)
}
