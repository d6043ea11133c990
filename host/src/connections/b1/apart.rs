//! Some versions answer a change set in which a stored procedure refuses a document with the balancer's page, and so keep the
//! procedure's words to themselves. Without a change set they are told: the parts go first, each for itself, and what was put
//! there is taken away again when B1 refuses the call. Source: shared facts, *a stored procedure's refusal*.

use super::B1;
use crate::connections::{Call, CallError, CallResult, Method};

/// B1's word for a record that exists.
const EXISTS: &str = "-2035";
/// Tries to take a part away again.
const TRIES: u32 = 3;

impl B1 {
    /// Sends the parts, then the call. `begun` says that an earlier try of this very call may have put its parts there: then they
    /// may exist; else a part that exists is B1's refusal, as in a change set.
    pub async fn send_apart(&self, call: &Call, begun: bool, limit: u64) -> CallResult {
        let mut put: Vec<String> = Vec::new();
        for part in &call.atomic_with {
            let own = Call {
                method: part.method,
                path: part.path.clone(),
                headers: Vec::new(),
                body: part.body.clone(),
                atomic_with: Vec::new(),
            };
            match self.single(&own, limit).await {
                Ok(answer) => {
                    let made = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
                    put.extend(made.map(|(_, address)| self.below_root(address)));
                }
                Err(CallError::Remote { code, .. }) if begun && code == EXISTS => {}
                Err(error) => return Err(error),
            }
        }
        let alone = Call { atomic_with: Vec::new(), ..call.clone() };
        let result = self.single(&alone, limit).await;
        if matches!(result, Err(CallError::Remote { .. })) {
            for path in put {
                self.take_away(&path, limit).await;
            }
        }
        result
    }

    async fn take_away(&self, path: &str, limit: u64) {
        let call = Call {
            method: Method::Delete,
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            atomic_with: Vec::new(),
        };
        for attempt in 1..=TRIES {
            match self.single(&call, limit).await {
                Err(error) if error.is_passing() && attempt < TRIES => {
                    tokio::time::sleep(crate::connections::pause_before_repeat(attempt)).await;
                }
                Ok(_) | Err(CallError::Remote { status: 404, .. }) => return,
                Err(error) => {
                    tracing::warn!(%error, path, "what belongs to a refused call cannot be taken away again");
                    return;
                }
            }
        }
    }

    fn below_root(&self, address: &str) -> String {
        let path = address.strip_prefix(&self.origin).unwrap_or(address);
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }
}
