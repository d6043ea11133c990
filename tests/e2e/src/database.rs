//! The database of a world's host: the file that a host makes, or one on a server of PostgreSQL that this test's process shares. `TANDEM_TEST_STORE`
//! says which; nothing said is the file.

use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
#[cfg(unix)]
use tandem_test_postgres::{Ending, Server};

/// Where it is.
pub enum Database {
    /// A file of SQLite.
    File(PathBuf),
    /// On a server.
    #[cfg(unix)]
    Server(OnServer),
}

/// A database on a server.
#[cfg(unix)]
pub struct OnServer {
    server: Arc<Mutex<Server>>,
    name: String,
    url: String,
}

#[cfg(unix)]
impl OnServer {
    fn of(server: Arc<Mutex<Server>>) -> Result<Self> {
        let url = server.lock().unwrap_or_else(PoisonError::into_inner).database()?;
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self { server, name, url })
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, sql: &str) -> Result<String> {
        Ok(self.server().say(&self.name, sql)?)
    }
}

impl Database {
    /// A new one for the host whose folder this is.
    pub fn fresh(folder: &Path) -> Result<Self> {
        match std::env::var("TANDEM_TEST_STORE").as_deref() {
            #[cfg(unix)]
            Ok("postgres") => Self::on_server(),
            Ok("sqlite") | Err(_) => Ok(Self::in_file(folder)),
            Ok(other) => anyhow::bail!("TANDEM_TEST_STORE={other}: sqlite or postgres"),
        }
    }

    /// The file that a host makes.
    pub fn in_file(folder: &Path) -> Self {
        Self::File(folder.join("data/tandem.db"))
    }

    /// A new one on the server that this process' worlds share.
    #[cfg(unix)]
    fn on_server() -> Result<Self> {
        Ok(Self::Server(OnServer::of(shared()?)?))
    }

    /// A new one on a server of its own.
    #[cfg(unix)]
    pub fn on_own_server() -> Result<Self> {
        Ok(Self::Server(OnServer::of(Arc::new(Mutex::new(Server::start()?)))?))
    }

    /// Its server falls, as if the power was cut, and is there again.
    #[cfg(unix)]
    pub fn server_falls(&self) -> Result<()> {
        let Self::Server(own) = self else { anyhow::bail!("it is a file") };
        let mut server = own.server();
        server.stop(Ending::Immediate)?;
        Ok(server.begin()?)
    }

    /// It is a file.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Lines of `[store]` that name it; the password is in the file `store.password`.
    pub fn lines(&self) -> String {
        match self {
            Self::File(_) => String::new(),
            #[cfg(unix)]
            Self::Server(own) => format!("url = \"{}\"\npassword = {{ file = \"store.password\" }}\n", own.url),
        }
    }

    /// Puts beside `tandem.toml` what its lines name.
    pub fn prepare(&self, folder: &Path) -> Result<()> {
        match self {
            Self::File(_) => {}
            #[cfg(unix)]
            Self::Server(own) => std::fs::write(folder.join("store.password"), own.server().password())?,
        }
        #[cfg(not(unix))]
        let _ = folder;
        Ok(())
    }

    /// The host forgets all: its database is gone, and what it kept beside it.
    pub fn forget(&self, folder: &Path) -> Result<()> {
        #[cfg(unix)]
        if let Self::Server(own) = self {
            own.say("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION tandem")?;
        }
        Ok(std::fs::remove_dir_all(folder.join("data"))?)
    }

    /// Keeps it as it is now, beside it; no host runs meanwhile.
    pub fn keep(&self) -> Result<()> {
        match self {
            Self::File(path) => {
                for file in files(path) {
                    std::fs::copy(&file, kept(&file))?;
                }
            }
            #[cfg(unix)]
            Self::Server(own) => {
                let name = &own.name;
                own.server().say("postgres", &format!("CREATE DATABASE {name}_kept TEMPLATE {name} OWNER tandem"))?;
            }
        }
        Ok(())
    }

    /// It is again as it was kept.
    pub fn put_back(&self) -> Result<()> {
        match self {
            Self::File(path) => {
                for file in files(path) {
                    std::fs::remove_file(&file)?;
                }
                for file in ["", "-wal", "-shm"].map(|ending| with_ending(path, ending)) {
                    if kept(&file).exists() {
                        std::fs::rename(kept(&file), &file)?;
                    }
                }
            }
            #[cfg(unix)]
            Self::Server(own) => {
                let (name, server) = (&own.name, own.server());
                server.say("postgres", &format!("DROP DATABASE {name}"))?;
                server.say("postgres", &format!("ALTER DATABASE {name}_kept RENAME TO {name}"))?;
            }
        }
        Ok(())
    }

    /// The first column of what a question gives.
    pub fn rows(&self, sql: &str) -> Result<Vec<String>> {
        match self {
            Self::File(path) => {
                let database = open(path)?;
                let mut select = database.prepare(sql)?;
                let rows = select.query_map([], |row| row.get::<_, rusqlite::types::Value>(0))?;
                rows.map(|value| Ok(words(value?))).collect()
            }
            #[cfg(unix)]
            Self::Server(own) => Ok(own.say(sql)?.lines().map(str::to_owned).collect()),
        }
    }

    /// The number that a question gives.
    pub fn number(&self, sql: &str) -> Result<i64> {
        Ok(self.rows(sql)?.first().map_or("0", String::as_str).parse()?)
    }

    /// Changes rows; how many.
    pub fn change(&self, sql: &str) -> Result<i64> {
        match self {
            Self::File(path) => Ok(i64::try_from(open(path)?.execute(sql, [])?)?),
            #[cfg(unix)]
            Self::Server(..) => self.number(&format!("WITH own AS ({sql} RETURNING 1) SELECT count(*) FROM own")),
        }
    }

    /// Puts a secret of the host's there; false where there is no database yet.
    pub(crate) fn put_secret(&self, name: &str, value: [u8; 32]) -> Result<bool> {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::File(path) if !path.exists() => return Ok(false),
            Self::File(path) => {
                open(path)?.execute(
                    &format!("INSERT OR REPLACE INTO secrets (name, value) VALUES ('{name}', x'{hex}')"),
                    [],
                )?;
            }
            #[cfg(unix)]
            Self::Server(..) if self.rows("SELECT to_regclass('secrets') IS NULL")? == ["t"] => return Ok(false),
            #[cfg(unix)]
            Self::Server(own) => {
                own.say(&format!("INSERT INTO secrets (name, value) VALUES ('{name}', '\\x{hex}') ON CONFLICT (name) DO UPDATE SET value = excluded.value"))?;
            }
        }
        Ok(true)
    }
}

fn open(path: &Path) -> Result<rusqlite::Connection> {
    let database = rusqlite::Connection::open(path)?;
    database.busy_timeout(Duration::from_secs(5))?;
    Ok(database)
}

/// It, and what SQLite has beside it.
fn files(path: &Path) -> Vec<PathBuf> {
    ["", "-wal", "-shm"].iter().map(|ending| with_ending(path, ending)).filter(|file| file.exists()).collect()
}

fn kept(file: &Path) -> PathBuf {
    with_ending(file, ".kept")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn words(value: rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Null => String::new(),
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Real(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// One for all worlds of this process; it ends with it.
#[cfg(unix)]
fn shared() -> Result<Arc<Mutex<Server>>> {
    static SHARED: Mutex<Option<Arc<Mutex<Server>>>> = Mutex::new(None);
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.as_ref() {
        return Ok(server.clone());
    }
    Ok(shared.insert(Arc::new(Mutex::new(Server::start()?))).clone())
}
