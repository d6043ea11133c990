//! What was removed is gone from the file, too: not only from the tables, but from free room, from the log, and from the index of words.

use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;

use crate::store::sql::{Connection, NONE, Writer};
use crate::store::{Result, StoreError};

/// Pages of the index of words that are merged in one bite.
const PAGES: u32 = 64;
/// How often the log is tried to be emptied, while others read it, and how long each waits.
const TRIES: u32 = 20;
const WAIT: Duration = Duration::from_millis(500);

/// From now on what this process removes is overwritten.
pub async fn overwrite(writer: &Writer) -> Result<()> {
    writer.run(|db| db.prepare("PRAGMA secure_delete=ON").one(NONE, |_| Ok(()))).await
}

/// Takes what was removed out of the index of words, free pages out of the file, and all out of the log. False where the log could not be
/// emptied: somebody reads it for long.
pub async fn wipe(writer: &Writer, path: &Path) -> Result<bool> {
    writer.run(|db| merge(db, -i64::from(PAGES)).map(|_| ())).await?;
    while writer.run(|db| merge(db, PAGES.into())).await? {}
    while writer.run(|db| db.give_back()).await? {}
    let path = path.to_owned();
    let emptied = tokio::task::spawn_blocking(move || empty_log(&path));
    emptied.await.map_err(|error| StoreError::Database(error.to_string()))?
}

/// Merges parts of the index of words: what was taken out of it stands there until then. True while there is more; a negative number begins with all
/// that there is.
fn merge(db: &Connection, pages: i64) -> Result<bool> {
    let before = changes(db)?;
    db.prepare("INSERT INTO words (words, rank) VALUES ('merge', ?1)").execute([pages])?;
    // It counts as one change itself.
    Ok(changes(db)? - before > 1)
}

fn changes(db: &Connection) -> Result<i64> {
    db.prepare("SELECT total_changes()").one(NONE, |row| row.get(0))
}

/// Takes the whole log into the database, and leaves nothing of it.
fn empty_log(path: &Path) -> Result<bool> {
    let connection = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(WAIT)?;
    for _ in 0..TRIES {
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy == 0 {
            return Ok(true);
        }
        std::thread::sleep(WAIT);
    }
    Ok(false)
}
