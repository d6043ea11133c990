//! `tandem upgrade`: another version is tried before it is put in place, taken back where it is not ready, and whole whenever the power goes.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::os::unix::fs::{DirEntryExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tandem_e2e::{Setup, World, programs, root};
use tokio::process::Command;

const NEW: &str = "0.9.0";

/// A program that says another version, and is this one in all that is not said otherwise.
fn broken(otherwise: &str) -> String {
    let own = programs().join("tandem");
    format!(
        "#!/bin/sh\ncase \" $* \" in\n*' --version '*) echo tandem {NEW}; exit;;\n{otherwise}\nesac\nexec '{}' \"$@\"\n",
        own.display()
    )
}

/// The orders plugin of another build: it does the same.
fn plugin() -> Result<Vec<u8>> {
    let mut bytes = std::fs::read(root().join("plugins/target/wasm32-unknown-unknown/release/orders.wasm"))?;
    bytes.extend([0, 4, 3, b'n', b'e', b'w']);
    Ok(bytes)
}

/// Tandem as an archive was unpacked to, run by hand over a world whose orders plugin came along with it.
struct Installed {
    world: World,
    folder: PathBuf,
    /// Its program: without what a debugger wants, which is as large as all else.
    old: Vec<u8>,
}

impl Installed {
    async fn new() -> Result<Self> {
        let world = World::with(Setup::default()).await?;
        let folder = world.folder().join("opt");
        std::fs::create_dir_all(folder.join("plugins"))?;
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(folder.join("tandem")).arg(programs().join("tandem"));
        ensure!(strip.status().await?.success(), "strip");
        let old = std::fs::read(folder.join("tandem"))?;
        std::fs::copy(world.folder().join("plugins/orders.wasm"), folder.join("plugins/orders.wasm"))?;
        std::fs::write(folder.join("README.md"), "old")?;
        Ok(Self { world, folder, old })
    }

    /// The archive of another version, and its SHA-256; `otherwise`: what its program does not do as this one.
    async fn archive(&self, otherwise: Option<&str>) -> Result<(PathBuf, String)> {
        let name = format!("tandem-{NEW}-linux-x86_64");
        let stage = self.world.folder().join("stage").join(&name);
        std::fs::create_dir_all(stage.join("plugins"))?;
        // Another build is the same, but for what stands behind its end.
        let program = otherwise.map_or_else(|| [&self.old[..], b"new"].concat(), |own| broken(own).into_bytes());
        std::fs::write(stage.join("tandem"), program)?;
        std::fs::set_permissions(stage.join("tandem"), std::fs::Permissions::from_mode(0o755))?;
        std::fs::write(stage.join("plugins/orders.wasm"), plugin()?)?;
        std::fs::write(stage.join("README.md"), "new")?;
        let file = self.world.folder().join(format!("{name}.tar.gz"));
        let mut tar = Command::new("tar");
        tar.args(["-I", "gzip -1", "-cf"]).arg(&file).arg("-C").arg(self.world.folder().join("stage")).arg(&name);
        ensure!(tar.status().await?.success(), "tar");
        let digest = ring::digest::digest(&ring::digest::SHA256, &std::fs::read(&file)?);
        Ok((file, digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.folder.join("tandem"));
        command.arg("--config").arg(self.world.folder().join("tandem.toml")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// What it says, and whether it succeeded.
    async fn tandem(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let output = self.command(arguments).output().await?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }

    async fn upgrade(&self, from: &(PathBuf, String), more: &[&str]) -> Result<(bool, String)> {
        let file = from.0.display().to_string();
        self.tandem(&[&["upgrade", "--from", &file, "--sha256", &from.1, "--patience", "60"], more].concat()).await
    }

    /// All of it is of one version: true where that is the new one.
    fn is_new(&self) -> Result<bool> {
        let is_new = std::fs::read(self.folder.join("tandem"))? != self.old;
        let plugins = [self.folder.join("plugins/orders.wasm"), self.world.folder().join("plugins/orders.wasm")];
        for path in plugins {
            let bytes = std::fs::read(&path)?;
            ensure!((bytes == plugin()?) == is_new, "{} is of another version than the program", path.display());
        }
        let readme = std::fs::read_to_string(self.folder.join("README.md"))?;
        ensure!((readme == "new") == is_new, "README.md is of another version than the program");
        Ok(is_new)
    }

    /// Each file that an upgrade may change, and which one it is; not what is unpacked.
    fn files(&self) -> BTreeMap<PathBuf, u64> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.clone(), self.world.folder().join("plugins")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(".upgrade-") {
                    continue;
                }
                if entry.path().is_dir() {
                    folders.push(entry.path());
                }
                files.insert(entry.path(), entry.ino());
            }
        }
        files
    }

    fn left(&self) -> Result<Vec<String>> {
        let names = std::fs::read_dir(&self.folder)?.map(|own| Ok(own?.file_name().to_string_lossy().into_owned()));
        let mut names: Vec<String> = names.collect::<Result<_>>()?;
        names.retain(|name| !["tandem", "plugins", "README.md", "upgrade.lock"].contains(&name.as_str()));
        Ok(names)
    }
}

async fn ordered(world: &World, count: usize) -> Result<()> {
    let ids = world.opportunities(count).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn a_version_is_tried_and_put_in_place_with_its_plugins_and_goes_back_by_one_command() -> Result<()> {
    let mut installed = Installed::new().await?;
    installed.world.up().await?;
    ordered(&installed.world, 3).await?;
    let archive = installed.archive(None).await?;
    let file = archive.0.display().to_string();
    for (arguments, says) in [
        (vec!["upgrade"], "--from"),
        (vec!["upgrade", "--from", &file], "vouches"),
        (vec!["upgrade", "--from", &file, "--sha256", "00"], "is not what was handed out"),
        (vec!["upgrade", "--back", "--yes"], "no upgrade was made"),
    ] {
        let (good, said) = installed.tandem(&arguments).await?;
        ensure!(!good && said.contains(says), "{says}: {said}");
    }
    // Beside the running host, and nothing is changed.
    let (good, said) = installed.upgrade(&archive, &["--rehearse"]).await?;
    ensure!(good && said.contains("nothing is worse") && said.contains("come anew: orders"), "{said}");
    let (good, said) = installed.upgrade(&archive, &["--yes"]).await?;
    ensure!(!good && said.contains("stop it first"), "{said}");
    ensure!(!installed.is_new()? && installed.left()?.is_empty(), "{:?}", installed.left()?);
    let hidden =
        std::fs::read_dir(installed.world.folder())?.chain(std::fs::read_dir(installed.world.folder().join("data"))?);
    let hidden =
        hidden.filter(|own| own.as_ref().is_ok_and(|own| own.file_name().to_string_lossy().contains("upgrade")));
    ensure!(hidden.count() == 0, "the trial leaves nothing");

    installed.world.stop().await?;
    let (good, said) = installed.upgrade(&archive, &["--yes"]).await?;
    ensure!(good && said.contains("is in place; start it"), "{said}");
    ensure!(installed.is_new()?);
    installed.world.up().await?;
    ordered(&installed.world, 2).await?;
    installed.world.stop().await?;
    let (good, said) = installed.tandem(&["upgrade", "--back", "--yes"]).await?;
    ensure!(good && said.contains("is in place again"), "{said}");
    ensure!(!installed.is_new()? && installed.left()?.is_empty(), "{:?}", installed.left()?);
    installed.world.up().await?;
    ordered(&installed.world, 2).await
}

/// It does not start, it cannot read the database, it does otherwise what was done.
#[tokio::test]
async fn a_version_that_is_not_ready_comes_not_in_place_or_is_taken_back_by_itself() -> Result<()> {
    let mut installed = Installed::new().await?;
    installed.world.up().await?;
    ordered(&installed.world, 3).await?;
    installed.world.stop().await?;
    let archive = installed.archive(Some("*' try '*) echo 'the database is of a newer tandem' >&2; exit 1;;")).await?;
    let (good, said) = installed.upgrade(&archive, &["--yes"]).await?;
    ensure!(!good && said.contains("of a newer tandem"), "{said}");
    ensure!(!installed.is_new()? && installed.left()?.is_empty(), "{:?}", installed.left()?);

    let archive = installed.archive(Some("*' run '*) exit 1;;")).await?;
    let (good, said) = installed.upgrade(&archive, &["--yes"]).await?;
    ensure!(!good && said.contains("was not up in time") && said.contains("is in place again"), "{said}");
    ensure!(!installed.is_new()? && installed.left()?.is_empty(), "{:?}", installed.left()?);

    // Its database has another format: what was there comes back, too.
    let own = programs().join("tandem");
    let other = format!(
        "*' try '*) '{}' \"$@\" | sed 's/\"format\": [0-9]*/\"format\": 99/'; exit;;\n*' run '*) '{}' --config \"$2\" events list >/dev/null; exit 1;;",
        own.display(),
        own.display()
    );
    let archive = installed.archive(Some(&other)).await?;
    let (good, said) = installed.upgrade(&archive, &["--yes"]).await?;
    ensure!(!good && said.contains("to 99") && said.contains("the database of before comes back"), "{said}");
    ensure!(!installed.is_new()? && installed.left()?.is_empty(), "{:?}", installed.left()?);

    let worse = format!("*' try '*) '{}' \"$@\" | sed '0,/\"good\": true/s//\"good\": false/'; exit;;", own.display());
    let archive = installed.archive(Some(&worse)).await?;
    let (good, said) = installed.upgrade(&archive, &["--yes"]).await?;
    ensure!(!good && said.contains("worse than now") && said.contains("--accept-differences"), "{said}");
    ensure!(!installed.is_new()?);
    installed.world.up().await?;
    ordered(&installed.world, 2).await
}

/// The power goes after each step that can be seen: all that runs is gone at once. What is there is one version, or is brought to one by the next
/// command, which is said and not done unasked: a host may have run with it since.
#[tokio::test]
async fn an_upgrade_that_is_killed_at_any_step_leaves_one_version_and_no_order_twice() -> Result<()> {
    let mut installed = Installed::new().await?;
    installed.world.up().await?;
    ordered(&installed.world, 2).await?;
    installed.world.stop().await?;
    let archive = installed.archive(None).await?;
    let file = archive.0.display().to_string();
    let arguments = ["upgrade", "--from", &file, "--sha256", &archive.1, "--yes"];
    let rehearsal = ["upgrade", "--from", &file, "--sha256", &archive.1, "--rehearse"];
    let mut ended = BTreeMap::<&str, usize>::new();
    for step in 1.. {
        ensure!(step < 100, "it ends");
        let was_killed = killed_at(&installed, &arguments, step).await?;
        ensure!(installed.folder.join("tandem").exists(), "a program is there at any moment");
        let there = installed.files();
        let (good, said) = installed.tandem(&rehearsal).await?;
        let is_broken_off = said.contains("was broken off");
        ensure!(!is_broken_off || (!good && installed.files() == there), "nothing is changed unasked: {said}");
        let may_stay = said.contains("--keep");
        if is_broken_off {
            let (stays, says) = installed.tandem(&["upgrade", "--keep", "--patience", "60"]).await?;
            ensure!(stays == may_stay, "{said}\n{says}");
            let (good, says) = match may_stay {
                true => (stays, says),
                false => installed.tandem(&["upgrade", "--back", "--yes"]).await?,
            };
            ensure!(good, "{says}");
        }
        let is_new = installed.is_new().with_context(|| format!("killed at step {step}: {said}"))?;
        ensure!(!is_broken_off || is_new == may_stay, "{said}");
        if !was_killed {
            ensure!(is_new && !is_broken_off, "{said}");
            break;
        }
        let end = match (is_broken_off, is_new) {
            (true, true) => "kept",
            (true, false) => "taken back",
            (false, true) => "done",
            (false, false) => "not begun",
        };
        *ended.entry(end).or_default() += 1;
        if is_new {
            let (good, said) = installed.tandem(&["upgrade", "--back", "--yes"]).await?;
            ensure!(good, "{said}");
        }
    }
    println!("killed at each step: {ended:?}");
    // How many steps are seen hangs on how busy the machine is.
    ensure!(ended.contains_key("taken back"), "files are put one by one: {ended:?}");
    installed.world.up().await?;
    ordered(&installed.world, 2).await
}

/// Runs a command, and ends it with all that it started as soon as files were changed so often; false where it came to its end before.
async fn killed_at(installed: &Installed, arguments: &[&str], step: usize) -> Result<bool> {
    let mut child =
        installed.command(arguments).process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let group = child.id().context("it runs")?;
    let (mut last, mut changes) = (installed.files(), 0);
    while child.try_wait()?.is_none() {
        let files = installed.files();
        if files != last {
            (last, changes) = (files, changes + 1);
        }
        if changes == step {
            let killed = Command::new("kill").args(["-9", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
            killed.await?;
            child.wait().await?;
            return Ok(true);
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(false)
}
