//! The unit of systemd: hardened, with a user of its own and a watchdog.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::owner::{self, Owner};
use super::{ENVIRONMENT, Plan, ServiceError, Standing};
use crate::config::CREDSTORE;

/// Begins each unit that is ours.
const OURS: &str = "# Written by `tandem service install`";
/// Where credentials lie that are not encrypted.
const PLAIN: &str = "/etc/credstore";
/// Where the administrator's units lie.
const UNITS: &str = "/etc/systemd/system";
/// Seconds without a sign of life after which the host is started anew.
const WATCHDOG_SECONDS: u64 = 120;
/// A start that takes longer, since the database is brought up to date or plugins are compiled, says so again and again.
const START_SECONDS: u64 = 600;
/// Who it runs as where nobody says.
pub const USER: &str = "tandem";

/// The text of the unit.
pub fn unit(plan: &Plan) -> Result<String, ServiceError> {
    let folder = plan.folder();
    let mut writes = format!("\"{}\"", word(folder)?);
    for room in plan.writes() {
        // A share that is not there yet keeps no host from starting.
        let may_lack = if room.may_lack { "-" } else { "" };
        let _ = write!(writes, " \"{may_lack}{}\"", word(&room.path)?);
    }
    let (program, config, folder_word) = (word(&plan.program)?, word(&plan.config)?, word(folder)?);
    let capability = if plan.low_port { "CAP_NET_BIND_SERVICE" } else { "" };
    // What lies in a home is reached, and nothing of it written but what is named.
    let at_home =
        [folder, plan.program.as_path()].iter().any(|path| path.starts_with("/home") || path.starts_with("/root"));
    let home = if at_home { "read-only" } else { "yes" };
    let stop = plan.stop_seconds + 30;
    let credentials: String = plan.credentials.iter().map(|name| credential(name)).collect();
    let user = &plan.user;
    let group = group_of(user);
    let mut text =
        format!("{OURS}: what is changed here is lost with the next one; `systemctl edit {}` stays.\n", plan.name);
    let _ = write!(
        text,
        r#"[Unit]
Description=Tandem: keeps SAP Business One and Salesforce in step
Documentation=file:/usr/share/doc/tandem/operator-guide.md
Wants=network-online.target
After=network-online.target
# It is started again however often it ends.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart="{program}" --config "{config}" run
WorkingDirectory={folder_word}
EnvironmentFile=-{folder_word}/{ENVIRONMENT}
{credentials}User={user}
Group={group}
Restart=always
RestartSec=5
TimeoutStartSec={START_SECONDS}
TimeoutStopSec={stop}
# Fed only while the database takes writes and runs move.
WatchdogSec={WATCHDOG_SECONDS}
LimitNOFILE=65536
UMask=0077

# It writes to these folders and to nothing else.
ProtectSystem=strict
ReadWritePaths={writes}
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
NoNewPrivileges=yes
CapabilityBoundingSet={capability}
AmbientCapabilities={capability}
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: plugins are compiled to machine code, which is written and then run.

[Install]
WantedBy=multi-user.target
"#
    );
    Ok(text)
}

/// How it is handed over: decrypted, or as it lies in the store for such as are not encrypted.
fn credential(name: &str) -> String {
    let plain = Path::new(PLAIN).join(name);
    if plain.exists() && !Path::new(CREDSTORE).join(name).exists() {
        return format!("LoadCredential={name}:{}\n", plain.display());
    }
    format!("LoadCredentialEncrypted={name}:{CREDSTORE}/{name}\n")
}

/// A path as it may stand in a unit.
fn word(path: &Path) -> Result<&str, ServiceError> {
    let odd = |c: char| c.is_control() || matches!(c, '"' | '\'' | '%' | '\\' | '$');
    let fits = path.to_str().filter(|text| path.is_absolute() && !text.contains(odd));
    fits.ok_or_else(|| ServiceError::Path(path.to_owned()))
}

/// Writes the unit, makes its user, gives it its folders, and has it start with the machine. What was done, line by line.
pub fn install(plan: &Plan) -> Result<Vec<String>, ServiceError> {
    let path = place(&plan.name);
    let text = unit(plan)?;
    not_foreign(&path)?;
    plan.rooms.check(&plan.program)?;
    let is_there = |name: &&String| [CREDSTORE, PLAIN].iter().any(|store| Path::new(store).join(name).exists());
    if let Some(name) = plan.credentials.iter().find(|name| !is_there(name)) {
        return Err(ServiceError::Credential(name.clone()));
    }
    let mut done = Vec::new();
    if id(&["-u"], &plan.user).is_none() {
        // Whoever it will be owns nothing yet.
        owner::judge(&plan.rooms, Owner { user: u32::MAX, group: u32::MAX })?;
        let home = plan.folder().display().to_string();
        let mut arguments = vec!["--system", "--no-create-home", "--home-dir", &home, "--shell", "/usr/sbin/nologin"];
        match run("getent", &["group", &plan.user]) {
            Ok(_) => arguments.extend(["--gid", &plan.user]),
            Err(_) => arguments.push("--user-group"),
        }
        arguments.push(&plan.user);
        run("useradd", &arguments)?;
        done.push(format!("made the user {}", plan.user));
    }
    let number = |what: &str| id(&[what], &plan.user).and_then(|number| number.parse().ok());
    let unknown =
        || ServiceError::Command { command: format!("id {}", plan.user), cause: "there is no such user".into() };
    let of = Owner { user: number("-u").ok_or_else(unknown)?, group: number("-g").ok_or_else(unknown)? };
    owner::judge(&plan.rooms, of)?;
    done.extend(owner::give(&plan.rooms, of, &plan.user)?);
    owner::tried(plan, of)?;
    let failed = |cause| ServiceError::File { path: path.clone(), cause };
    std::fs::write(&path, text).map_err(failed)?;
    done.push(format!("wrote {}", path.display()));
    run("systemctl", &["daemon-reload"])?;
    run("systemctl", &["enable", &plan.name])?;
    done.push(format!("{} starts with the machine", plan.name));
    Ok(done)
}

/// Starts it, and returns once it is up.
pub fn start(name: &str) -> Result<(), ServiceError> {
    installed(name)?;
    run("systemctl", &["start", name]).map(|_| ())
}

/// Stops it, and returns once it has ended.
pub fn stop(name: &str) -> Result<(), ServiceError> {
    installed(name)?;
    run("systemctl", &["stop", name]).map(|_| ())
}

/// How it is.
pub fn status(name: &str) -> Result<Standing, ServiceError> {
    installed(name)?;
    let asked = "--property=ActiveState,SubState,StatusText,MainPID,UnitFileState,ExecMainStatus";
    Ok(standing(name, &run("systemctl", &["show", asked, name])?))
}

/// Whether it is this program that it runs.
pub fn runs(name: &str, program: &Path) -> Result<bool, ServiceError> {
    let path = installed(name)?;
    let text = std::fs::read_to_string(&path).map_err(|cause| ServiceError::File { path, cause })?;
    Ok(text.contains(&format!("ExecStart=\"{}\"", word(program)?)))
}

/// Stops it and takes the unit away; user, folder and database stay.
pub fn uninstall(name: &str) -> Result<Vec<String>, ServiceError> {
    let path = installed(name)?;
    not_foreign(&path)?;
    run("systemctl", &["disable", "--now", name])?;
    std::fs::remove_file(&path).map_err(|cause| ServiceError::File { path: path.clone(), cause })?;
    run("systemctl", &["daemon-reload"])?;
    Ok(vec![format!("stopped, and took {} away", path.display())])
}

/// What `systemctl show` said.
fn standing(name: &str, told: &str) -> Standing {
    let of = |key: &str| {
        let value = told.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.filter(|value| !value.is_empty())
    };
    let (active, sub) = (of("ActiveState").unwrap_or("unknown"), of("SubState").unwrap_or("unknown"));
    let ended = of("ExecMainStatus").filter(|code| active != "active" && *code != "0");
    let ended = ended.map_or_else(String::new, |code| format!(", ended last with code {code}"));
    Standing {
        name: name.to_owned(),
        running: active == "active",
        state: format!("{active} ({sub}){ended}"),
        says: of("StatusText").map(str::to_owned),
        process: of("MainPID").and_then(|id| id.parse().ok()).filter(|id| *id != 0),
        with_the_machine: of("UnitFileState") == Some("enabled"),
    }
}

fn place(name: &str) -> PathBuf {
    Path::new(UNITS).join(format!("{name}.service"))
}

fn installed(name: &str) -> Result<PathBuf, ServiceError> {
    super::checked(name)?;
    let path = place(name);
    if path.exists() { Ok(path) } else { Err(ServiceError::NotInstalled(name.to_owned())) }
}

/// An error where a unit of that name is somebody else's.
fn not_foreign(path: &Path) -> Result<(), ServiceError> {
    match std::fs::read_to_string(path) {
        Ok(text) if !text.starts_with(OURS) => Err(ServiceError::Foreign { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// What `id` says of a user; none where there is no such one.
fn id(asked: &[&str], user: &str) -> Option<String> {
    let output = Command::new("id").args(asked).arg("--").arg(user).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The user's group; one who is made gets one of the same name.
fn group_of(user: &str) -> String {
    id(&["-gn"], user).filter(|group| !group.is_empty()).unwrap_or_else(|| user.to_owned())
}

fn run(program: &str, arguments: &[&str]) -> Result<String, ServiceError> {
    let failed = |cause: String| ServiceError::Command { command: format!("{program} {}", arguments.join(" ")), cause };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            failed(format!("there is no {program} on this machine: is it one with systemd?"))
        }
        _ => failed(error.to_string()),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(if said.is_empty() { output.status.to_string() } else { said }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Room, Rooms};

    fn plan() -> Plan {
        let room = |path: &str, may_lack| Room { path: path.into(), said: "", holds: Vec::new(), may_lack };
        let all = vec![room("/var/lib/tandem one", false), room("/mnt/backup/tandem", true), room("/srv/db", false)];
        Plan {
            name: "tandem".into(),
            // One that is there: it is looked for.
            program: "/bin/true".into(),
            config: "/var/lib/tandem one/tandem.toml".into(),
            user: "root".into(),
            rooms: Rooms { all, files: Vec::new(), secrets: Vec::new() },
            stop_seconds: 20,
            low_port: false,
            credentials: vec!["erp.password".into()],
        }
    }

    #[test]
    fn the_unit_writes_where_the_host_does_and_a_share_that_is_not_there_keeps_it_from_nothing() {
        let text = unit(&plan()).unwrap();
        let writes = "ReadWritePaths=\"/var/lib/tandem one\" \"-/mnt/backup/tandem\" \"/srv/db\"";
        assert!(text.lines().any(|line| line == writes), "{text}");
        let handed = "LoadCredentialEncrypted=erp.password:/etc/credstore.encrypted/erp.password";
        assert!(text.lines().any(|line| line == handed), "{text}");
        // Debian's `sync` is one whose group has another name.
        for (user, group) in [("root", "root"), ("sync", "nogroup"), ("not-there", "not-there")] {
            if user == "sync" && id(&["-gn"], user).as_deref() != Some("nogroup") {
                continue; // Not Debian.
            }
            let text = unit(&Plan { user: user.into(), ..plan() }).unwrap();
            assert!(text.contains(&format!("User={user}\nGroup={group}\n")), "{text}");
        }
    }

    #[test]
    fn the_unit_is_one_that_systemd_takes_and_calls_hardened() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tandem.service");
        std::fs::write(&file, unit(&plan()).unwrap()).unwrap();
        let Ok(verified) = Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&file).output() else {
            return; // No systemd here.
        };
        let told = String::from_utf8_lossy(&verified.stderr).into_owned();
        let own: Vec<&str> = told.lines().filter(|line| line.contains("tandem.service")).collect();
        assert!(verified.status.success() && own.is_empty(), "{told}");
        let looked =
            Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=30"]).arg(&file).output();
        let looked = looked.unwrap();
        assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stdout));
    }

    #[test]
    fn a_path_that_could_be_read_as_something_else_is_refused_and_a_low_port_allowed() {
        for odd in ["/x\nExecStart=/bin/sh", "/x\"y", "/100%", "relative"] {
            assert!(unit(&Plan { config: Path::new(odd).join("tandem.toml"), ..plan() }).is_err(), "{odd}");
        }
        let text = unit(&Plan { low_port: true, config: "/home/anna/t/tandem.toml".into(), ..plan() }).unwrap();
        assert!(text.contains("AmbientCapabilities=CAP_NET_BIND_SERVICE") && text.contains("ProtectHome=read-only"));
    }

    #[test]
    fn what_systemctl_says_is_told_in_words() {
        let told = "ActiveState=active\nSubState=running\nStatusText=running 7 flows\nMainPID=42\nUnitFileState=enabled\nExecMainStatus=0\n";
        let up = standing("tandem", told);
        assert!(up.running && up.with_the_machine);
        assert_eq!((up.process, up.says.as_deref()), (Some(42), Some("running 7 flows")));
        let told =
            "ActiveState=activating\nSubState=auto-restart\nMainPID=0\nUnitFileState=disabled\nExecMainStatus=70\n";
        let down = standing("tandem", told);
        assert_eq!(down.state, "activating (auto-restart), ended last with code 70");
        assert!(!down.running && down.process.is_none());
    }
}
