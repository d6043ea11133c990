//! The host as a service: what it tells systemd, when it gives no sign of life, its unit, its log file.
#![cfg(unix)]

use std::time::Duration;

use anyhow::{Context, Result};
use tandem_e2e::{Setup, World};
use tokio::net::UnixDatagram;

/// In the place of systemd: hears what the host says.
struct Manager {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(folder.path().join("notify"))?;
        Ok(Self { folder, socket })
    }

    fn environment(&self, patience: Duration) -> Vec<(&'static str, String)> {
        let socket = self.folder.path().join("notify").display().to_string();
        vec![("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", patience.as_micros().to_string())]
    }

    /// What it says next.
    async fn hears(&self, patience: Duration) -> Option<String> {
        let mut bytes = vec![0; 4096];
        let size = tokio::time::timeout(patience, self.socket.recv(&mut bytes)).await.ok()?.ok()?;
        Some(String::from_utf8_lossy(&bytes[..size]).into_owned())
    }

    /// All it says until it says that.
    async fn until(&self, word: &str) -> Result<String> {
        let mut all = String::new();
        loop {
            let said = self.hears(Duration::from_secs(60)).await;
            let said = said.with_context(|| format!("{word} was not said, but\n{all}"))?;
            all.push_str(&said);
            if said.contains(word) {
                return Ok(all);
            }
        }
    }
}

#[tokio::test]
async fn systemd_hears_that_the_host_is_up_and_alive_and_nothing_while_the_database_takes_no_writes() -> Result<()> {
    let manager = Manager::new()?;
    let patience = Duration::from_millis(1_500);
    let mut world = World::with(Setup { environment: manager.environment(patience), ..Setup::default() }).await?;
    world.start()?;
    let said = manager.until("READY=1").await?;
    assert!(said.starts_with("EXTEND_TIMEOUT_USEC=120000000"), "a start may take long: {said}");
    assert!(said.contains("STATUS=running") && said.contains(&world.console), "{said}");
    manager.until("WATCHDOG=1").await?;

    // Somebody holds the database's lock: nothing is written any more.
    let other = rusqlite::Connection::open(world.folder().join("data/tandem.db"))?;
    other.busy_timeout(Duration::from_secs(10))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    manager.until("STATUS=the store").await?;
    let since = tokio::time::Instant::now();
    while since.elapsed() < 2 * patience {
        if let Some(said) = manager.hears(patience).await {
            assert!(!said.contains("WATCHDOG=1"), "a sign of life without a database: {said}");
        }
    }
    assert!(world.log().contains("no sign of life is given"), "{}", world.log_tail());

    other.execute_batch("ROLLBACK")?;
    drop(other);
    let said = manager.until("WATCHDOG=1").await?;
    assert!(!said.contains("STOPPING"), "{said}");
    world.ready(Duration::from_secs(60)).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    world.stop().await?;
    manager.until("STOPPING=1").await?;
    Ok(())
}

#[tokio::test]
async fn a_database_that_stalls_for_a_while_ends_no_host() -> Result<()> {
    let manager = Manager::new()?;
    let patience = Duration::from_secs(9);
    let mut world = World::with(Setup { environment: manager.environment(patience), ..Setup::default() }).await?;
    world.start()?;
    manager.until("READY=1").await?;
    manager.until("WATCHDOG=1").await?;
    let other = rusqlite::Connection::open(world.folder().join("data/tandem.db"))?;
    other.busy_timeout(Duration::from_secs(10))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    let since = tokio::time::Instant::now();
    // A third of its patience, as forty seconds are of two minutes.
    while since.elapsed() < patience / 3 {
        manager.hears(patience / 3).await;
    }
    other.execute_batch("ROLLBACK")?;
    manager.until("WATCHDOG=1").await?;
    // Before a manager's patience would have been over, also on a busy machine.
    assert!(since.elapsed() < patience, "{:?}", since.elapsed());
    Ok(())
}

#[tokio::test]
async fn what_root_does_in_the_folder_of_another_is_that_others() -> Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    const NOBODY: u32 = 65_534;
    let mut world = World::new().await?;
    let own = world.folder().to_owned();
    if std::fs::metadata(&own)?.uid() != 0 {
        return Ok(()); // Who is not root can give nothing away.
    }
    let all = |folder: &std::path::Path| -> Result<Vec<std::path::PathBuf>> {
        let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path.clone());
                }
                found.push(path);
            }
        }
        Ok(found)
    };
    // Where the program lies in somebody's home nobody else starts it.
    let mut reached = std::process::Command::new(tandem_e2e::programs().join("tandem"));
    if std::os::unix::process::CommandExt::uid(reached.arg("--version"), NOBODY).output().is_err() {
        return Ok(());
    }
    // What other tests have compiled is not theirs.
    std::fs::remove_file(own.join("data/compiled"))?;
    for path in all(&own)?.into_iter().chain([own.clone()]) {
        chown(&path, Some(NOBODY), Some(NOBODY))?;
    }
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    let said = world.tandem(&["check"]).await?;
    assert!(said.contains("b1.password can be read by others"), "{said}");
    for file in ["b1.password", "salesforce.secret", "webhook.key"] {
        std::fs::set_permissions(own.join(file), PermissionsExt::from_mode(0o600))?;
    }
    let said = world.tandem(&["check"]).await?;
    assert!(!said.contains("can be read by others"), "{said}");
    world.tandem(&["backup", "--to", &own.join("backups").display().to_string()]).await?;
    world.up().await?;
    world.stop().await?;
    for path in all(&own)? {
        // What the test itself put there.
        let ours = ["host.log", ".address"].iter().any(|end| path.display().to_string().ends_with(end));
        assert!(ours || std::fs::symlink_metadata(&path)?.uid() == NOBODY, "{}", path.display());
    }
    Ok(())
}

#[tokio::test]
async fn the_log_goes_to_the_file_that_is_named() -> Result<()> {
    let more = "[log]\nfile = \"logs/tandem.log\"\nmax_megabytes = 1\n".to_owned();
    let mut world = World::with(Setup { more, ..Setup::default() }).await?;
    world.up().await?;
    world.stop().await?;
    let told = std::fs::read_to_string(world.folder().join("logs/tandem.log"))?;
    assert!(told.contains("tandem is up") && told.contains("tandem stopped"), "{told}");
    assert_eq!(world.log(), "", "nothing is left to say on standard error");
    // Commands speak to who gives them.
    world.tandem(&["events", "list"]).await?;
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace("max_megabytes = 1", "max_megabytes = 0"))?;
    let (code, _, errors) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 2);
    assert!(errors.contains("[log] max_megabytes = 0: must be 1 or more"), "{errors}");
    Ok(())
}

#[tokio::test]
async fn the_unit_names_what_this_host_needs_and_a_service_that_is_not_there_is_told() -> Result<()> {
    let world =
        World::with(Setup { init: false, plugins: vec![], more: "[flows]\n".into(), ..Setup::default() }).await?;
    let unit = world.tandem(&["service", "install", "--print", "--user", "keeper"]).await?;
    let config = world.folder().join("tandem.toml").display().to_string();
    for line in ["Type=notify", "User=keeper", "ProtectSystem=strict", "WatchdogSec=120", "NoNewPrivileges=yes"] {
        assert!(unit.lines().any(|own| own == line), "{line}\n{unit}");
    }
    assert!(unit.contains(&format!("--config \"{config}\" run")), "{unit}");
    let folder = format!("ReadWritePaths=\"{}\"", world.folder().display());
    assert!(unit.contains(&folder), "{unit}");
    let (code, _, errors) = world.tandem_raw(&["service", "status", "--name", "no-such-host"]).await?;
    assert_eq!((code, errors.contains("tandem service install")), (4, true), "{errors}");
    let (code, _, errors) = world.tandem_raw(&["service", "stop", "--name", "a/b"]).await?;
    assert_eq!(code, 2, "{errors}");
    Ok(())
}
