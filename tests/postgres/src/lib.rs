//! A PostgreSQL for tests: the server that the system's package brought, on a loopback port and in a folder of its own. It ends when the test process does,
//! however that ends.
//!
//! As root it runs as the user `postgres` of the package: the server refuses root.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// So long a server may take to be there, or to be gone.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// Whose databases the tests' are.
const ROLE: &str = "tandem";

/// Runs the server until its own input ends, which is when whoever started it is gone: then it goes at once, with its folder.
const KEEPER: &str = r#"
"$1/postgres" -D "$2" -p "$3" >>"$2/../log" 2>&1 &
server=$!
(cat >/dev/null; kill -QUIT $server 2>/dev/null && { while kill -0 $server 2>/dev/null; do sleep 0.1; done; rm -rf "$(dirname "$2")"; }) <&3 &
exec 3<&-
wait $server
"#;

/// How a server is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It takes back what is under way, and says good-bye.
    Fast,
    /// As if the power was cut: it finds out at its next start what was committed.
    Immediate,
}

/// A running server.
pub struct Server {
    programs: PathBuf,
    folder: TempDir,
    user: Option<User>,
    port: u16,
    password: String,
    keeper: Option<Child>,
    made: AtomicU32,
}

#[derive(Clone, Copy)]
#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has such users"))]
struct User {
    id: u32,
    group: u32,
}

impl Server {
    /// Starts one. Takes about two seconds.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let user = other_user()?;
        let folder = tempfile::Builder::new().prefix("tandem-postgres-").tempdir()?;
        if let Some(user) = user {
            give(folder.path(), user)?;
        }
        let password: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut own = Self { programs, folder, user, port, password, keeper: None, made: AtomicU32::new(0) };
        let secret = own.folder.path().join("password");
        std::fs::write(&secret, &own.password)?;
        if let Some(user) = user {
            give(&secret, user)?;
        }
        let data = own.data();
        run(own.program("initdb").arg("-D").arg(&data).arg(format!("--pwfile={}", secret.display())).args([
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]))?;
        let settings = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\nshared_buffers = 64MB\n\
            max_wal_size = 256MB\nlog_min_messages = warning\n";
        let conf = data.join("postgresql.conf");
        let before = std::fs::read_to_string(&conf)?;
        std::fs::write(&conf, before + settings)?;
        // The port was free a moment ago.
        for left in (0..3).rev() {
            match own.begin() {
                Err(_) if left > 0 => own.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port(),
                begun => {
                    begun?;
                    break;
                }
            }
        }
        own.say("postgres", &format!("CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{}'", own.password))?;
        Ok(own)
    }

    /// A fresh, empty database; its address without the password.
    pub fn database(&self) -> Result<String> {
        let name = format!("test_{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.say("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"))?;
        Ok(format!("postgres://{ROLE}@127.0.0.1:{}/{name}", self.port))
    }

    /// The password that goes with every address.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Says something to a database as the server's own user.
    pub fn say(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.program("psql");
        psql.env("PGPASSWORD", &self.password).args([
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "-p",
        ]);
        run(psql.arg(self.port.to_string()).args(["-d", database, "-c", sql]))
    }

    /// The process that all others of the server are children of.
    pub fn process(&self) -> Result<u32> {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"))?;
        let first = file.lines().next().and_then(|line| line.trim().parse().ok());
        first.ok_or_else(|| Error::new(ErrorKind::InvalidData, "postmaster.pid names no process"))
    }

    /// Ends it; its folder stays.
    pub fn stop(&mut self, how: Ending) -> Result<()> {
        let Some(mut keeper) = self.keeper.take() else { return Ok(()) };
        let signal = if how == Ending::Fast { "-INT" } else { "-QUIT" };
        run(Command::new("kill").args([signal, &self.process()?.to_string()]))?;
        // Waiting closes its input, at which it would clear the folder.
        let input = keeper.stdin.take();
        keeper.wait()?;
        drop(input);
        Ok(())
    }

    /// Starts it again where it was.
    pub fn begin(&mut self) -> Result<()> {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", &format!("exec 3<&0\n{KEEPER}"), "keeper"]).arg(&self.programs).arg(self.data());
        keeper.arg(self.port.to_string()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        as_user(&mut keeper, self.user);
        keeper.current_dir(self.folder.path());
        self.keeper = Some(keeper.spawn()?);
        let until = Instant::now() + PATIENCE;
        loop {
            let ready =
                self.program("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status()?;
            // Another server may answer at a port that is taken.
            let gone = self.keeper.as_mut().map(Child::try_wait).transpose()?.flatten().is_some();
            if ready.success() && !gone {
                return Ok(());
            }
            if gone || Instant::now() > until {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(Error::other(format!("PostgreSQL does not start: {log}")));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        as_user(&mut command, self.user);
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.stop(Ending::Immediate);
    }
}

/// What a program said; an error with its words where it failed.
fn run(command: &mut Command) -> Result<String> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
    }
    Err(Error::other(format!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&done.stderr))))
}

/// Where the newest server's programs lie.
fn programs() -> Result<PathBuf> {
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = packaged.filter(|folder| folder.join("bin/postgres").exists()).max_by_key(|folder| version(folder));
    let found = newest.map(|folder| folder.join("bin")).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("postgres").exists())
    });
    found.ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "no PostgreSQL server is here: `make test` installs Debian's; `apt-get install postgresql`",
        )
    })
}

/// As whom the server runs, where it is not the present user.
#[cfg(unix)]
fn other_user() -> Result<Option<User>> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _) = (fields.next()?, fields.next()?);
        let (id, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (name == "postgres").then_some(User { id, group })
    });
    user.map(Some)
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "the server refuses root, and there is no user `postgres`"))
}

#[cfg(not(unix))]
fn other_user() -> Result<Option<User>> {
    Err(Error::new(ErrorKind::Unsupported, "these tests run where PostgreSQL of a package lies"))
}

#[cfg(unix)]
fn as_user(command: &mut Command, user: Option<User>) {
    use std::os::unix::process::CommandExt;
    if let Some(user) = user {
        command.uid(user.id).gid(user.group);
    }
}

#[cfg(not(unix))]
fn as_user(_: &mut Command, _: Option<User>) {}

#[cfg(unix)]
fn give(path: &Path, user: User) -> Result<()> {
    std::os::unix::fs::chown(path, Some(user.id), Some(user.group))
}

#[cfg(not(unix))]
fn give(_: &Path, _: User) -> Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_databases_and_keeps_them_over_both_kinds_of_ends() {
        let mut server = Server::start().unwrap();
        assert_ne!(server.database().unwrap(), server.database().unwrap());
        server.say("test_0", "CREATE TABLE t (a INT); INSERT INTO t VALUES (7)").unwrap();
        for ending in [Ending::Fast, Ending::Immediate] {
            server.stop(ending).unwrap();
            server.begin().unwrap();
            assert_eq!(server.say("test_0", "SELECT a FROM t").unwrap(), "7");
        }
        let process = server.process().unwrap();
        drop(server);
        assert!(!Path::new(&format!("/proc/{process}")).exists());
    }
}
