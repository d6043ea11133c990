//! A flow's own storage, and links. Writes stay with the run until its outcomes are committed; reads see them first.

use std::sync::Arc;

use crate::sandbox::bindings::v0_1::flow::tandem::plugin as contract;
use crate::sandbox::run::RunState;
use crate::sandbox::{Bound, RunError};
use crate::store::{Link, LinkWrite, Side};

impl contract::storage::Host for RunState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.names("a key of storage", &[&key])?;
        if let Some(own) = self.storage.get(&key) {
            return Ok(own.clone());
        }
        let wanted = key.clone();
        let read = |bound: Arc<Bound>| async move {
            bound.store.storage_get(&bound.flow, &wanted).await.map_err(RunError::Store)
        };
        Ok(self.journaled("storage.get", key, read).await?)
    }

    async fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), contract::storage::Error>> {
        self.count_calls(1)?;
        self.names("a key of storage", &[&key])?;
        // What is only read keeps nothing: a plugin does without.
        if self.only_reads {
            return Ok(Err(contract::storage::Error::Full(0)));
        }
        let limit = self.limits().storage_bytes;
        let used = match self.storage_bytes {
            Some(used) => used,
            None => {
                let read = |bound: Arc<Bound>| async move {
                    bound.store.storage_size(&bound.flow).await.map_err(RunError::Store)
                };
                self.journaled("storage.size", String::new(), read).await?
            }
        };
        // What is replaced is not subtracted: near the limit the answer errs on the safe side.
        let after = used + (key.len() + value.len()) as u64;
        if after > limit {
            return Ok(Err(contract::storage::Error::Full(limit)));
        }
        self.keep(key.len() + value.len())?;
        self.storage_bytes = Some(after);
        self.storage.insert(key, Some(value));
        Ok(Ok(()))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.count_calls(1)?;
        self.may_write("storage.delete")?;
        self.names("a key of storage", &[&key])?;
        self.keep(key.len())?;
        self.storage.insert(key, None);
        Ok(())
    }

    async fn scan(&mut self, prefix: String, limit: u32) -> wasmtime::Result<Vec<contract::storage::Entry>> {
        let limit = limit.min(10_000);
        // Room for entries this run deleted.
        let hidden = self.storage.values().filter(|value| value.is_none()).count() as u32;
        self.names("a prefix of keys", &[&prefix])?;
        let wanted = prefix.clone();
        let (most, too_much) = (self.left(), self.too_much());
        let read = |bound: Arc<Bound>| async move {
            let found = bound.store.storage_scan(&bound.flow, &wanted, limit + hidden, most).await;
            found.map_err(RunError::Store)?.ok_or(too_much)
        };
        let stored: Vec<(String, String)> =
            self.journaled("storage.scan", format!("{limit}+{hidden} {prefix}"), read).await?;
        let mut entries: std::collections::BTreeMap<String, String> = stored.into_iter().collect();
        for (key, value) in self.storage.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            match value {
                Some(value) => entries.insert(key.clone(), value.clone()),
                None => entries.remove(key),
            };
        }
        let entries = entries.into_iter().take(limit as usize);
        Ok(entries.map(|(key, value)| contract::storage::Entry { key, value }).collect())
    }
}

impl contract::links::Host for RunState {
    async fn find(
        &mut self,
        kind: String,
        side: contract::types::Side,
        id: String,
    ) -> wasmtime::Result<Option<contract::links::Link>> {
        let mut found = self.find_all(kind, side, vec![id]).await?;
        Ok(found.pop().flatten())
    }

    async fn find_all(
        &mut self,
        kind: String,
        side: contract::types::Side,
        ids: Vec<String>,
    ) -> wasmtime::Result<Vec<Option<contract::links::Link>>> {
        self.bound()?.grants.check_links_read(&kind).map_err(RunError::from)?;
        let side = Side::from(side);
        // One is counted with the call itself.
        self.count_calls(ids.len().saturating_sub(1))?;
        self.room_for(ids.iter().map(|id| id.len() + 24).sum())?;
        let request = format!("{kind} {} {}", side.word(), ids.join(" "));
        let (wanted_kind, wanted) = (kind.clone(), ids.clone());
        let (most, too_much) = (self.left(), self.too_much());
        let read = |bound: Arc<Bound>| async move {
            let found = bound.store.links_find(&bound.scope, &wanted_kind, side, &wanted, most).await;
            found.map_err(RunError::Store)?.ok_or(too_much)
        };
        let mut found: Vec<Option<Link>> = self.journaled("links.find", request, read).await?;
        for (slot, id) in found.iter_mut().zip(&ids) {
            apply_own_writes(&self.links, &kind, side, id, slot);
        }
        Ok(found.into_iter().map(|link| link.map(raw)).collect())
    }

    async fn put(&mut self, link: contract::links::Link) -> wasmtime::Result<()> {
        self.count_calls(1)?;
        self.may_write("links.put")?;
        let bound = self.bound()?;
        bound.grants.check_links_write(&link.kind).map_err(RunError::from)?;
        let scope = bound.scope.clone();
        self.names("an id of a link", &[&link.kind, &link.b1_id, &link.salesforce_id])?;
        self.keep(link.kind.len() + link.b1_id.len() + link.salesforce_id.len() + link.base.len())?;
        self.links.push(LinkWrite::Put(Link {
            scope,
            kind: link.kind,
            b1_id: link.b1_id,
            salesforce_id: link.salesforce_id,
            base: link.base,
        }));
        Ok(())
    }

    async fn delete(&mut self, kind: String, salesforce_id: String) -> wasmtime::Result<()> {
        self.count_calls(1)?;
        self.may_write("links.delete")?;
        let bound = self.bound()?;
        bound.grants.check_links_write(&kind).map_err(RunError::from)?;
        let scope = bound.scope.clone();
        self.keep(kind.len() + salesforce_id.len())?;
        self.links.push(LinkWrite::Delete(scope, kind, salesforce_id));
        Ok(())
    }
}

fn apply_own_writes(writes: &[LinkWrite], kind: &str, side: Side, id: &str, slot: &mut Option<Link>) {
    for write in writes {
        match write {
            LinkWrite::Put(link) if link.kind == kind => {
                let own = match side {
                    Side::B1 => &link.b1_id,
                    Side::Salesforce => &link.salesforce_id,
                };
                if own == id {
                    *slot = Some(link.clone());
                }
            }
            LinkWrite::Delete(_, deleted, salesforce_id)
                if deleted == kind && slot.as_ref().is_some_and(|link| link.salesforce_id == *salesforce_id) =>
            {
                *slot = None;
            }
            _ => {}
        }
    }
}

fn raw(link: Link) -> contract::links::Link {
    contract::links::Link { kind: link.kind, b1_id: link.b1_id, salesforce_id: link.salesforce_id, base: link.base }
}
