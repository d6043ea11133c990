//! People in SQL: accounts, sessions, tokens, and the audit trail.

use async_trait::async_trait;

use super::statement::{Connection, NONE, Row, params};
use super::{Base, SqlStore, trail};
use crate::store::trail::{Found, Head, Page};
use crate::store::*;

/// A session that nobody used for so long is over.
const IDLE: Millis = 12 * 3_600_000;

fn unknown(what: &'static str, word: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} {word:?}"))
}

fn role(row: &Row<'_>, place: &str) -> Result<Role> {
    let word: String = row.get(place)?;
    word.parse().map_err(|_| unknown("role", &word))
}

fn flows(row: &Row<'_>) -> Result<Option<Vec<String>>> {
    let text: Option<String> = row.get("flows")?;
    // What cannot be read allows nothing.
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or_default()))
}

fn flows_text(flows: &Option<Vec<String>>) -> Option<String> {
    flows.as_ref().map(|flows| serde_json::to_string(flows).unwrap_or_default())
}

fn account(row: &Row<'_>) -> Result<Account> {
    let (issuer, subject): (Option<String>, Option<String>) = (row.get("issuer")?, row.get("subject")?);
    Ok(Account {
        name: row.get("name")?,
        role: role(row, "role")?,
        flows: flows(row)?,
        password: row.get("password")?,
        outside: issuer.zip(subject).map(|(issuer, subject)| Outside { issuer, subject }),
        made_at: row.get("made_at")?,
        last_seen: row.get("last_seen")?,
    })
}

fn session(row: &Row<'_>) -> Result<Session> {
    Ok(Session {
        id: row.get("id")?,
        account: row.get("account")?,
        csrf: row.get("csrf")?,
        since: row.get("since")?,
        last_seen: row.get("last_seen")?,
        ends_at: row.get("ends_at")?,
        address: row.get("address")?,
        agent: row.get("agent")?,
    })
}

fn purpose(row: &Row<'_>) -> Result<Purpose> {
    let word: String = row.get("purpose")?;
    Purpose::from_stored(&word).ok_or_else(|| unknown("the purpose", &word))
}

fn token(row: &Row<'_>) -> Result<Token> {
    Ok(Token {
        id: row.get("id")?,
        name: row.get("name")?,
        purpose: purpose(row)?,
        digest: row.get("digest")?,
        role: role(row, "role")?,
        flows: flows(row)?,
        by: row.get("by")?,
        made_at: row.get("made_at")?,
        expires_at: row.get("expires_at")?,
        last_used: row.get("last_used")?,
    })
}

fn act(row: &Row<'_>) -> Result<Act> {
    let (via, outcome): (String, String) = (row.get("via")?, row.get("outcome")?);
    Ok(Act {
        id: row.get("id")?,
        at: row.get("at")?,
        who: row.get("who")?,
        via: Via::ALL.into_iter().find(|own| own.word() == via).ok_or_else(|| unknown("way", &via))?,
        act: row.get("act")?,
        what: row.get("what")?,
        why: row.get("why")?,
        address: row.get("address")?,
        outcome: Fate::ALL.into_iter().find(|own| own.word() == outcome).ok_or_else(|| unknown("fate", &outcome))?,
        client: row.get("client")?,
    })
}

fn one_account(db: &Connection, name: &str) -> Result<Option<Account>> {
    db.prepare("SELECT * FROM accounts WHERE name = ?1").first([name], account)
}

#[async_trait]
impl<B: Base> People for SqlStore<B> {
    async fn accounts(&self) -> Result<Vec<Account>> {
        self.read(|db| db.prepare("SELECT * FROM accounts ORDER BY name").all(NONE, account)).await
    }

    async fn account(&self, name: &str) -> Result<Option<Account>> {
        let name = name.to_owned();
        self.read(move |db| one_account(db, &name)).await
    }

    async fn account_put(&self, account: Account, kept: Option<String>) -> Result<bool> {
        let put = move |db: &Connection| {
            let before = one_account(db, &account.name)?;
            if before.as_ref().is_some_and(|before| before.outside != account.outside) {
                return Ok(false);
            }
            let (issuer, subject) = account.outside.as_ref().map(|own| (&own.issuer, &own.subject)).unzip();
            let may = |account: &Account| (account.role, account.flows.clone(), account.password.clone());
            if before.is_some_and(|before| may(&before) != may(&account)) {
                db.prepare("DELETE FROM sessions WHERE account = ?1 AND id IS DISTINCT FROM ?2")
                    .execute(params![account.name, kept])?;
            }
            db.prepare(
                "INSERT INTO accounts (name, role, flows, password, made_at, last_seen, issuer, subject) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                 ON CONFLICT (name) DO UPDATE SET role = ?2, flows = ?3, password = ?4",
            )
            .execute(params![
                account.name,
                account.role.word(),
                flows_text(&account.flows),
                account.password,
                account.made_at,
                account.last_seen,
                issuer,
                subject
            ])?;
            Ok(true)
        };
        self.write(put).await
    }

    async fn account_remove(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        let remove = move |db: &Connection| {
            db.prepare("DELETE FROM sessions WHERE account = ?1").execute([&name])?;
            db.prepare("DELETE FROM tokens WHERE by = ?1").execute([&name])?;
            Ok(db.prepare("DELETE FROM accounts WHERE name = ?1").execute([&name])? == 1)
        };
        self.write(remove).await
    }

    async fn session_begin(&self, session: Session) -> Result<()> {
        let begin = move |db: &Connection| {
            db.prepare("DELETE FROM sessions WHERE ends_at <= ?1 OR last_seen <= ?1 - ?2")
                .execute(params![session.since, IDLE])?;
            db.prepare("UPDATE accounts SET last_seen = ?2 WHERE name = ?1")
                .execute(params![session.account, session.since])?;
            db.prepare(
                "INSERT INTO sessions (id, account, csrf, since, last_seen, ends_at, address, agent) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .execute(params![
                session.id,
                session.account,
                session.csrf,
                session.since,
                session.last_seen,
                session.ends_at,
                session.address,
                session.agent
            ])?;
            Ok(())
        };
        self.write(begin).await
    }

    async fn session(&self, id: &str, now: Millis) -> Result<Option<Session>> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare("SELECT * FROM sessions WHERE id = ?1 AND ends_at > ?2 AND last_seen > ?2 - ?3")
                .first(params![id, now, IDLE], session)
        })
        .await
    }

    async fn session_seen(&self, id: &str, now: Millis) -> Result<()> {
        let id = id.to_owned();
        let seen = move |db: &Connection| {
            db.prepare("UPDATE sessions SET last_seen = ?2 WHERE id = ?1").execute(params![id, now])?;
            db.prepare("UPDATE accounts SET last_seen = ?2 WHERE name = (SELECT account FROM sessions WHERE id = ?1)")
                .execute(params![id, now])?;
            Ok(())
        };
        self.write_with(Durability::WithNextCommit, seen).await
    }

    async fn sessions(&self, now: Millis) -> Result<Vec<Session>> {
        self.read(move |db| {
            db.prepare("SELECT * FROM sessions WHERE ends_at > ?1 AND last_seen > ?1 - ?2 ORDER BY since DESC")
                .all(params![now, IDLE], session)
        })
        .await
    }

    async fn session_end(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.write(move |db| Ok(db.prepare("DELETE FROM sessions WHERE id = ?1").execute([id])? == 1)).await
    }

    async fn tokens(&self) -> Result<Vec<Token>> {
        self.read(|db| db.prepare("SELECT * FROM tokens ORDER BY made_at DESC").all(NONE, token)).await
    }

    async fn token(&self, digest: &str, now: Millis) -> Result<Option<Token>> {
        let digest = digest.to_owned();
        self.read(move |db| {
            db.prepare("SELECT * FROM tokens WHERE digest = ?1 AND expires_at > ?2").first(params![digest, now], token)
        })
        .await
    }

    async fn token_put(&self, token: Token) -> Result<()> {
        let put = move |db: &Connection| {
            db.prepare(
                "INSERT INTO tokens (id, name, digest, role, flows, by, made_at, expires_at, purpose) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .execute(params![
                token.id,
                token.name,
                token.digest,
                token.role.word(),
                flows_text(&token.flows),
                token.by,
                token.made_at,
                token.expires_at,
                token.purpose.word()
            ])?;
            Ok(())
        };
        self.write(put).await
    }

    async fn token_used(&self, id: &str, now: Millis) -> Result<()> {
        let id = id.to_owned();
        let used = move |db: &Connection| {
            db.prepare("UPDATE tokens SET last_used = ?2 WHERE id = ?1").execute(params![id, now])?;
            Ok(())
        };
        self.write_with(Durability::WithNextCommit, used).await
    }

    async fn token_remove(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.write(move |db| Ok(db.prepare("DELETE FROM tokens WHERE id = ?1").execute([id])? == 1)).await
    }

    async fn act(&self, act: Act) -> Result<()> {
        self.write(move |db| trail::add(db, &act)).await
    }

    async fn acts(&self, filter: ActFilter) -> Result<Vec<Act>> {
        self.read(move |db| {
            db.prepare(
                "SELECT * FROM acts WHERE id < ?1 AND (CAST(?2 AS TEXT) IS NULL OR who = ?2) \
                     AND (CAST(?3 AS TEXT) IS NULL OR instr(lower(act || ' ' || what || ' ' || coalesce(why, '')), lower(?3)) > 0) \
                     ORDER BY id DESC LIMIT ?4",
            )
            .all(params![filter.before.unwrap_or(i64::MAX), filter.who, filter.q, filter.limit.max(1)], act)
        })
        .await
    }
    async fn trail(&self, after: i64, limit: u32) -> Result<Page> {
        self.read(move |db| trail::page(db, after, limit)).await
    }

    async fn trail_before(&self, line: i64) -> Result<Option<Found>> {
        self.read(move |db| trail::before(db, line)).await
    }

    async fn trail_between(&self, since: Millis, until: Millis) -> Result<Option<(i64, i64)>> {
        self.read(move |db| trail::between(db, since, until)).await
    }

    async fn trail_head(&self) -> Result<Option<Head>> {
        self.read(trail::head).await
    }
}
