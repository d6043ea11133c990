//! Some versions answer a change set in which a stored procedure refuses a document with the balancer's page, and so keep the
//! procedure's words to themselves. Without a change set they are told: the parts go first, each for itself, and what was put
//! there is taken away again unless the call may have been carried out. Source: shared facts, *a stored procedure's refusal*.

use serde_json::Value;

use super::B1;
use crate::connections::{Call, CallResult, Limit, Method, Part};

/// Tries to take a part away again.
const TRIES: u32 = 3;

impl B1 {
    /// Sends the parts, then the call. A part that exists already is B1's refusal, as it is in a change set; where the call's own
    /// answer is lost the parts stay, so that nobody sends it a second time.
    pub async fn send_apart(&self, call: &Call, limit: Limit<'_>) -> CallResult {
        let mut put: Vec<&Part> = Vec::new();
        let mut result = Ok(());
        for part in &call.atomic_with {
            let own = Call {
                method: part.method,
                path: part.path.clone(),
                headers: Vec::new(),
                body: part.body.clone(),
                atomic_with: Vec::new(),
            };
            match self.single(&own, limit).await {
                Ok(_) => put.push(part),
                Err(error) => {
                    // Perhaps it is there: the call it belongs to was not sent.
                    put.extend(error.is_lost().then_some(part));
                    result = Err(error);
                    break;
                }
            }
        }
        let result = match result {
            Ok(()) => {
                self.single(&Call { atomic_with: Vec::new(), ..call.clone() }, limit).await.inspect_err(|error| {
                    if error.is_lost() {
                        put.clear();
                    }
                })
            }
            Err(error) => Err(error),
        };
        if result.is_err() {
            for part in put {
                self.take_away(part, limit).await;
            }
        }
        result
    }

    async fn take_away(&self, part: &Part, limit: Limit<'_>) {
        let Some(path) = record_of(part) else { return };
        let call = Call { method: Method::Delete, path, headers: Vec::new(), body: None, atomic_with: Vec::new() };
        for attempt in 1..=TRIES {
            match self.single(&call, limit).await {
                Err(error) if error.is_passing() && attempt < TRIES => {
                    tokio::time::sleep(crate::connections::pause_before_repeat(attempt)).await;
                }
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, path = call.path, "what belongs to a call that was not carried out stays in B1");
                    return;
                }
                // Gone, or never there.
                _ => return,
            }
        }
    }
}

/// The record that a part makes: of a user table, whose rows name their own key.
fn record_of(part: &Part) -> Option<String> {
    let body: Value = serde_json::from_str(part.body.as_deref()?).ok()?;
    let code = body["Code"].as_str().filter(|_| part.method == Method::Post)?;
    let quoted = code.replace('\'', "\'\'");
    let escaped = percent_encoding::utf8_percent_encode(&quoted, percent_encoding::NON_ALPHANUMERIC);
    Some(format!("{}('{escaped}')", part.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_user_table_is_found_by_its_code() {
        let part = Part {
            method: Method::Post,
            path: "/U_TANDEM".into(),
            body: Some("{\"Code\":\"orders:006:order-1\"}".into()),
        };
        assert_eq!(record_of(&part).as_deref(), Some("/U_TANDEM('orders%3A006%3Aorder%2D1')"));
        assert_eq!(record_of(&Part { body: None, ..part }), None);
    }
}
