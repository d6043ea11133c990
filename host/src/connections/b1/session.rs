//! The session pool: few sessions, kept open, one request at a time each. Logins are slow and cost a licence, so they
//! happen one after the other and never in a rush.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error;
use crate::connections::CallError;
use crate::connections::sign_in::SignIn;
use crate::connections::transport::Wire;

/// A login's answer is small.
const LOGIN_LIMIT: u64 = 64 << 10;

/// Cookies of one session.
#[derive(Clone, Debug)]
struct Cookies(String);

/// See the module's words.
pub struct Sessions {
    wire: Wire,
    base: String,
    company: String,
    user: String,
    sign_in: Arc<SignIn>,
    permits: Semaphore,
    size: u32,
    idle: Mutex<Vec<Cookies>>,
    /// Held during a login.
    login: tokio::sync::Mutex<()>,
}

/// A session in use by one request; goes back to the pool when dropped, unless it was thrown away.
pub struct Session<'a> {
    pool: &'a Sessions,
    cookies: Option<Cookies>,
    _permit: SemaphorePermit<'a>,
}

impl Sessions {
    /// Logs nobody in yet.
    pub fn new(wire: Wire, base: String, company: String, user: String, sign_in: Arc<SignIn>, size: u32) -> Self {
        Self {
            wire,
            base,
            company,
            user,
            sign_in,
            permits: Semaphore::new(size as usize),
            size,
            idle: Mutex::default(),
            login: tokio::sync::Mutex::default(),
        }
    }

    /// Waits for a place, takes an idle session or logs in.
    pub async fn acquire(&self) -> Result<Session<'_>, CallError> {
        // One for each host: what the others have is taken out beforehand.
        let hosts = self.wire.hosts().get().min(self.size);
        let permit = self.permits.acquire_many(hosts).await;
        let permit = permit.map_err(|_| CallError::Unreachable("the connection is closing".into()))?;
        let share = (self.size / hosts.max(1)).max(1) as usize;
        let (idle, beyond) = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = idle.len().min(share);
            let beyond = idle.split_off(kept);
            (idle.pop(), beyond)
        };
        // Another host has come since they were opened, and may need their licences.
        self.end(beyond).await;
        let cookies = match idle {
            Some(cookies) => cookies,
            None => self.log_in().await?,
        };
        Ok(Session { pool: self, cookies: Some(cookies), _permit: permit })
    }

    /// Frees the licences. Best effort: B1 ends idle sessions by itself.
    pub async fn log_out(&self) {
        let idle: Vec<Cookies> = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        self.end(idle).await;
    }

    async fn end(&self, sessions: Vec<Cookies>) {
        for cookies in sessions {
            let request = self.wire.client.post(format!("{}/Logout", self.base)).header("Cookie", &cookies.0);
            let _ = tokio::time::timeout(Duration::from_secs(2), self.wire.fetch(request, LOGIN_LIMIT)).await;
        }
    }

    async fn log_in(&self) -> Result<Cookies, CallError> {
        let _alone = self.login.lock().await;
        // Asked only now: whoever waited behind a refused login does not repeat it.
        let password = self.sign_in.ask()?;
        let body =
            json!({ "CompanyDB": self.company, "UserName": self.user, "Password": password.reveal() }).to_string();
        let request =
            self.wire.client.post(format!("{}/Login", self.base)).header("Content-Type", "application/json").body(body);
        // A login that got lost changed nothing that matters.
        let raw = self.wire.fetch(request, LOGIN_LIMIT).await.map_err(|e| match e {
            CallError::Ambiguous(why) => CallError::Unreachable(why),
            other => other,
        })?;
        metrics::counter!("tandem_b1_logins_total").increment(1);
        if raw.status != 200 {
            let (class, error) = error::read(&raw);
            // Only a decision about who signs in is one: a lock or a limit met on the way passes.
            if class != error::Class::Refused && class != error::Class::Session || raw.status >= 500 {
                return Err(CallError::Unreachable(error.to_string()));
            }
            tracing::error!(company = self.company, user = self.user, %error, "B1 refused the login");
            return Err(self.sign_in.refused(password, &error));
        }
        self.sign_in.accepted();
        let mut cookies: Vec<&str> = raw
            .cookies
            .iter()
            .filter_map(|cookie| cookie.split(';').next())
            .filter(|cookie| cookie.starts_with("B1SESSION=") || cookie.starts_with("ROUTEID="))
            .collect();
        let from_body = serde_json::from_str::<Value>(&raw.body)
            .ok()
            .and_then(|body| body["SessionId"].as_str().map(|id| format!("B1SESSION={id}")));
        if !cookies.iter().any(|cookie| cookie.starts_with("B1SESSION=")) {
            match &from_body {
                Some(cookie) => cookies.push(cookie),
                None => return Err(CallError::Unreachable("the login answered without a session".into())),
            }
        }
        Ok(Cookies(cookies.join("; ")))
    }
}

impl Session<'_> {
    /// The `Cookie` header.
    pub fn cookie(&self) -> &str {
        self.cookies.as_ref().map_or("", |cookies| &cookies.0)
    }

    /// B1 says this session is gone: takes a new one in its place.
    pub async fn renew(&mut self) -> Result<(), CallError> {
        self.cookies = None;
        self.cookies = Some(self.pool.log_in().await?);
        Ok(())
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(cookies) = self.cookies.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(cookies);
        }
    }
}
