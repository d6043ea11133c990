//! The unit of systemd: hardened, with a user of its own and a watchdog.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Plan, ServiceError, Standing};

/// Begins each unit that is ours.
const OURS: &str = "# Written by `tandem service install`";
/// Where the administrator's units lie.
const UNITS: &str = "/etc/systemd/system";
/// Seconds without a sign of life after which the host is started anew.
const WATCHDOG_SECONDS: u64 = 120;
/// A first start compiles plugins.
const START_SECONDS: u64 = 600;
/// Secrets that `tandem.toml` takes from the environment, beside it.
pub const ENVIRONMENT: &str = "tandem.env";
/// Folders of the system and of people: never given to a service's user.
const NOT_ITS_OWN: [&str; 18] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv",
    "/sys", "/tmp", "/usr", "/var",
];

/// Who it runs as where nobody says.
pub const USER: &str = "tandem";

/// The text of the unit.
pub fn unit(plan: &Plan) -> Result<String, ServiceError> {
    let folder = plan.folder();
    let mut writes = String::new();
    for path in [folder].into_iter().chain(plan.writes.iter().map(PathBuf::as_path)) {
        let _ = write!(writes, " \"{}\"", word(path)?);
    }
    let (program, config, folder_word) = (word(&plan.program)?, word(&plan.config)?, word(folder)?);
    let capability = if plan.low_port { "CAP_NET_BIND_SERVICE" } else { "" };
    // What lies in a home is reached, and nothing of it written but what is named.
    let at_home =
        [folder, plan.program.as_path()].iter().any(|path| path.starts_with("/home") || path.starts_with("/root"));
    let home = if at_home { "read-only" } else { "yes" };
    let stop = plan.stop_seconds + 30;
    let user = &plan.user;
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
User={user}
Group={user}
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
"#,
        writes = writes.trim_start()
    );
    Ok(text)
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
    let folder = plan.folder().to_owned();
    if NOT_ITS_OWN.iter().any(|own| folder == Path::new(own)) || is_a_home(&folder) {
        return Err(ServiceError::Folder(folder, "/var/lib/tandem"));
    }
    let mut done = Vec::new();
    if !is_user(&plan.user) {
        let home = folder.display().to_string();
        let shell = "/usr/sbin/nologin";
        run(
            "useradd",
            &["--system", "--user-group", "--no-create-home", "--home-dir", &home, "--shell", shell, &plan.user],
        )?;
        done.push(format!("made the user {}", plan.user));
    }
    let owner = format!("{0}:{0}", plan.user);
    for folder in [&folder].into_iter().chain(&plan.writes) {
        std::fs::create_dir_all(folder).map_err(|cause| ServiceError::File { path: folder.clone(), cause })?;
        // A link in it leads to somebody else's.
        run("chown", &["--recursive", "--no-dereference", "-P", &owner, &folder.display().to_string()])?;
        done.push(format!("{} belongs to {}", folder.display(), plan.user));
    }
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

fn is_a_home(folder: &Path) -> bool {
    folder.parent() == Some(Path::new("/home"))
}

fn is_user(user: &str) -> bool {
    let asked = Command::new("id").arg("-u").arg("--").arg(user).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
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

    fn plan() -> Plan {
        Plan {
            name: "tandem".into(),
            // One that is there: it is looked for.
            program: "/bin/true".into(),
            config: "/var/lib/tandem one/tandem.toml".into(),
            user: "root".into(),
            writes: vec!["/mnt/backup/tandem".into()],
            stop_seconds: 20,
            low_port: false,
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
