//! The subscription to B1's webhooks (since 10.0 FP 2602). Source: the Service Layer manual, EventSubscriptions.

use serde_json::{Value, json};

use super::B1;
use crate::connections::{Call, CallError, CallResult, Method};

const LIMIT: u64 = 4 << 20;

/// How the subscription stands after it was looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// Made now.
    Made,
    /// There and active.
    Active,
    /// B1 had given up on it: active again, and what was missed is sent again.
    Revived,
    /// This version of B1 has no webhooks.
    Unsupported,
}

/// Whether B1 signs with the key it is to sign with: it never tells which one it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// The subscription was made with this key.
    WithThisKey,
    /// With another, or nobody knows.
    WithAnother,
}

/// How the host asks to be told.
pub struct Wish<'a> {
    /// The subscription's name.
    pub id: &'a str,
    /// Where B1 calls.
    pub url: &'a str,
    /// What it signs with.
    pub key: &'a str,
    /// What it signed with so far.
    pub signing: Signing,
    /// Of which objects.
    pub objects: &'a [&'a str],
}

impl B1 {
    /// Makes sure that B1 tells the wished address of everything that happens to these objects. B1 calls the address while it makes the
    /// subscription: something must answer there.
    pub async fn subscribe(&self, wish: &Wish<'_>) -> Result<Subscribed, CallError> {
        let Wish { id, url, key, signing, objects } = *wish;
        let path = format!("/EventSubscriptions('{id}')");
        let found = match self.ask(Call::get(&path)).await {
            Ok(found) => Some(found),
            Err(CallError::Remote { code, .. }) if code == "-2028" => None,
            // An entity set that older versions do not know.
            Err(CallError::Remote { .. }) => return Ok(Subscribed::Unsupported),
            Err(error) => return Err(error),
        };
        let wanted = self.events_of(objects).await?;
        let current = found.as_ref().is_some_and(|own| {
            signing == Signing::WithThisKey
                && own["WebhookURL"] == url
                && own["EventCollection"].as_array().map(Vec::len) == Some(wanted.len())
        });
        match found {
            Some(own) if current && own["Status"] == "Active" => return Ok(Subscribed::Active),
            Some(_) if current => {
                self.ask(Call::write(Method::Patch, &path, &json!({ "Status": "Active" }))).await?;
                self.ask(Call::write(Method::Post, format!("{path}/Replay"), &json!({}))).await?;
                return Ok(Subscribed::Revived);
            }
            Some(_) => {
                self.ask(Call { body: None, ..Call::write(Method::Delete, &path, &Value::Null) }).await?;
            }
            None => {}
        }
        let on = json!({ "AdminInfo": { "EnableWebhook": "tYES" } });
        self.ask(Call::write(Method::Post, "/CompanyService_UpdateAdminInfo", &on)).await?;
        let credentials = json!({ "Key": key, "Algorithm": "HMACSha256" }).to_string();
        let body = json!({
            "WebhookID": id, "WebhookURL": url, "AuthenticationType": "HMAC", "AuthenticationCred": credentials,
            // The address must match the certificate in any case; its issuer may be the company's own.
            "VerifyCertificate": "tNO", "Handshake": "tYES", "EventCollection": wanted,
        });
        self.ask(Call::write(Method::Post, "/EventSubscriptions", &body)).await?;
        Ok(Subscribed::Made)
    }

    /// The catalogue's part of these objects.
    async fn events_of(&self, objects: &[&str]) -> Result<Vec<Value>, CallError> {
        let catalogue = self.ask(Call::get("/EventSubscriptionsService_GetEventCatalog")).await?;
        let wanted = |own: &&Value| own["BusinessObject"].as_str().is_some_and(|object| objects.contains(&object));
        let listed = catalogue["value"].as_array().cloned().unwrap_or_default();
        let words = |own: &Value| -> String {
            let types = own["TransactionTypes"].as_array().into_iter().flatten();
            types.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        };
        Ok(listed
            .iter()
            .filter(wanted)
            .map(|own| json!({ "BusinessObject": own["BusinessObject"], "TransactionType": words(own) }))
            .collect())
    }

    async fn ask(&self, call: Call) -> Result<Value, CallError> {
        let answer: CallResult = self.single(&call, LIMIT.into()).await;
        Ok(serde_json::from_str(&answer?.body).unwrap_or_default())
    }
}
