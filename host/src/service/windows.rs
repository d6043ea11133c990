//! The Windows service: an account of its own, started with the machine, started anew after it ended; and its entries in the event log.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use log::Log as _;
use tokio::sync::watch;
use tracing_subscriber::Layer;
use windows_service::service::{
    ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept, ServiceErrorControl,
    ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState,
    ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

use super::{Plan, Room, Rooms, ServiceError, Standing};

/// Without a sign of life for so long the process ends, and the service control manager starts it anew.
pub const WATCHDOG: Duration = Duration::from_secs(120);
/// How long a start may take before it says that it goes on: see [`super::Manager::starting`].
const START: Duration = Duration::from_secs(120);
/// What a stop takes beyond the runs that it finishes.
const BEYOND: Duration = Duration::from_secs(30);
/// How long `start` waits for the host to be up: a first one compiles plugins.
const UP: Duration = Duration::from_secs(600);
/// The log, beside `tandem.toml`, where that names none: a service has no standard error.
pub const LOG: &str = "logs/tandem.log";
/// Before each start after an end.
const AGAIN: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(60)];
/// What a service that is not there is told by.
const NO_SUCH_SERVICE: i32 = 1060;
/// What stops one that does not run is told by.
const NOT_ACTIVE: i32 = 1062;

/// The account of a service by its name: it has no password, and no rights but those it is given.
pub fn account(name: &str) -> String {
    format!("NT SERVICE\\{name}")
}

/// Makes the service, gives its account the folders, and has it start with the machine. What was done, line by line.
pub fn install(plan: &Plan) -> Result<Vec<String>, ServiceError> {
    plan.rooms.check(&plan.program)?;
    for room in &plan.rooms.all {
        judge(&plan.rooms, room)?;
    }
    let manager = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    let info = ServiceInfo {
        name: plan.name.clone().into(),
        display_name: "Tandem: SAP Business One and Salesforce in step".into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: plan.program.clone(),
        launch_arguments: vec!["--config".into(), plan.config.clone().into(), COMMAND.into(), plan.name.clone().into()],
        dependencies: Vec::new(),
        account_name: Some(plan.user.clone().into()),
        account_password: None,
    };
    let access =
        ServiceAccess::CHANGE_CONFIG | ServiceAccess::START | ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG;
    // One that is there is brought up to what this one says.
    let service = match manager.open_service(&plan.name, access) {
        Ok(service) => {
            is_ours(&service, &plan.name)?;
            service.change_config(&info).map_err(of("the service cannot be changed"))?;
            service
        }
        Err(_) => manager.create_service(&info, access).map_err(of("the service cannot be made"))?,
    };
    service
        .set_description("Won opportunities become orders, customers and stock stay in step. See the operator guide.")
        .map_err(of("the service cannot be described"))?;
    let actions = AGAIN.map(|delay| ServiceAction { action_type: ServiceActionType::Restart, delay });
    let failure = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(24 * 3600)),
        reboot_msg: None,
        command: None,
        actions: Some(actions.to_vec()),
    };
    service.update_failure_actions(failure).map_err(of("its restarts cannot be set"))?;
    // An exit code of the host's own is an end to be started after, too.
    service.set_failure_actions_on_non_crash_failures(true).map_err(of("its restarts cannot be set"))?;
    // A machine that shuts down waits for the runs under way.
    let stop = Duration::from_secs(plan.stop_seconds.clamp(150, 24 * 3600)) + BEYOND;
    service.set_preshutdown_timeout(stop).map_err(of("the time of its end cannot be set"))?;
    eventlog::register(&plan.name).map_err(|error| ServiceError::Command {
        command: "the event log's source".into(),
        cause: error.to_string(),
    })?;
    let mut done = vec![
        format!("made the service {}, which runs as {} and starts with the machine", plan.name, plan.user),
        format!("its entries stand in the event log Application, source {}", plan.name),
    ];
    for room in &plan.rooms.all {
        done.push(give(room, &plan.user)?);
    }
    Ok(done)
}

/// An error where somebody else's things lie in a folder.
fn judge(rooms: &Rooms, room: &Room) -> Result<(), ServiceError> {
    let failed = |cause| ServiceError::File { path: room.path.clone(), cause };
    let entries = match std::fs::read_dir(&room.path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = room.path.parent().unwrap_or(&room.path);
            if room.path.starts_with(rooms.base()) || above.is_dir() {
                return Ok(());
            }
            return Err(ServiceError::Above { said: room.said, path: above.to_owned() });
        }
        entries => entries.map_err(failed)?,
    };
    let mut told = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        told.push((entry.file_name().to_string_lossy().into_owned(), kind.is_dir()));
    }
    rooms.judge(room, &told)
}

/// Makes a folder where there is none, and lets the system, administrators and the service's account into it, and nobody else.
fn give(room: &Room, account: &str) -> Result<String, ServiceError> {
    let path = room.path.display().to_string();
    std::fs::create_dir_all(&room.path).map_err(|cause| ServiceError::File { path: room.path.clone(), cause })?;
    if path.starts_with(r"\\") {
        // Its server knows no account of this machine's but the machine's own.
        return Ok(format!(
            "{path} is a share: there the computer's account (DOMAIN\\COMPUTER$) must be allowed to change"
        ));
    }
    // By their numbers: their names are other ones in other languages. What is in it takes them over; nothing is gone through.
    let rights = ["*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", &format!("{account}:(OI)(CI)M")].map(str::to_owned);
    let mut arguments = vec![path.as_str(), "/inheritance:r"];
    for right in &rights {
        arguments.extend(["/grant:r", right]);
    }
    arguments.push("/Q");
    run("icacls", &arguments)?;
    Ok(format!("{path}: the system, administrators and {account} may change it, and nobody else looks into it"))
}

/// An error where a service of that name is another program's.
fn is_ours(service: &windows_service::service::Service, name: &str) -> Result<(), ServiceError> {
    let config = service.query_config().map_err(of("the service cannot be asked"))?;
    // Its whole command line.
    let path = config.executable_path;
    let ours = path.to_string_lossy().split_whitespace().any(|word| word.trim_matches('"') == COMMAND);
    if ours {
        Ok(())
    } else {
        Err(ServiceError::Foreign { path: format!("the service {name} ({})", path.display()).into() })
    }
}

/// Starts it, and returns once it is up, or has ended.
pub fn start(name: &str) -> Result<(), ServiceError> {
    let service = service(name, ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
    service.start::<OsString>(&[]).map_err(of("the service cannot be started"))?;
    let since = Instant::now();
    loop {
        let status = service.query_status().map_err(of("the service cannot be asked"))?;
        match status.current_state {
            ServiceState::Running => return Ok(()),
            ServiceState::Stopped => {
                let cause = format!(
                    "it ended at once ({:?}): the event log Application, source {name}, says why",
                    status.exit_code
                );
                return Err(ServiceError::Command { command: format!("start of {name}"), cause });
            }
            _ if since.elapsed() > UP => {
                let cause = "it is not up yet, and goes on starting: `tandem service status`".to_owned();
                return Err(ServiceError::Command { command: format!("start of {name}"), cause });
            }
            _ => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Stops it, and returns once it has ended.
pub fn stop(name: &str) -> Result<(), ServiceError> {
    let service = service(name, ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
    match service.stop() {
        Err(windows_service::Error::Winapi(error)) if error.raw_os_error() == Some(NOT_ACTIVE) => return Ok(()),
        asked => asked.map_err(of("the service cannot be stopped"))?,
    };
    loop {
        let status = service.query_status().map_err(of("the service cannot be asked"))?;
        if status.current_state == ServiceState::Stopped {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// How it is.
pub fn status(name: &str) -> Result<Standing, ServiceError> {
    let service = service(name, ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG)?;
    let status = service.query_status().map_err(of("the service cannot be asked"))?;
    let config = service.query_config().map_err(of("the service cannot be asked"))?;
    let code = match status.exit_code {
        ServiceExitCode::Win32(0) => String::new(),
        ServiceExitCode::Win32(code) => format!(", ended last with error {code}"),
        ServiceExitCode::ServiceSpecific(code) => format!(", ended last with code {code}"),
    };
    Ok(Standing {
        name: name.to_owned(),
        running: status.current_state == ServiceState::Running,
        state: format!("{:?}{code}", status.current_state),
        says: None,
        process: status.process_id.filter(|id| *id != 0),
        with_the_machine: config.start_type == ServiceStartType::AutoStart,
    })
}

/// Whether it is this program that it runs.
pub fn runs(name: &str, program: &Path) -> Result<bool, ServiceError> {
    let config =
        service(name, ServiceAccess::QUERY_CONFIG)?.query_config().map_err(of("the service cannot be asked"))?;
    // Windows' own way to name a long path is none of a person's.
    let plain = program.to_string_lossy().trim_start_matches(r"\\?\").to_lowercase();
    Ok(config.executable_path.to_string_lossy().to_lowercase().contains(&plain))
}

/// Stops it and takes it away with its source of the event log; the folder and the database stay.
pub fn uninstall(name: &str) -> Result<Vec<String>, ServiceError> {
    is_ours(&service(name, ServiceAccess::QUERY_CONFIG)?, name)?;
    stop(name)?;
    service(name, ServiceAccess::DELETE)?.delete().map_err(of("the service cannot be taken away"))?;
    if let Err(error) = eventlog::deregister(name) {
        tracing::debug!(%error, "the event log's source was not there");
    }
    Ok(vec![format!("stopped, and took the service {name} away")])
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager, ServiceError> {
    ServiceManager::local_computer(None::<&str>, access)
        .map_err(of("the service control manager cannot be asked: is this an administrator's prompt?"))
}

fn service(name: &str, access: ServiceAccess) -> Result<windows_service::service::Service, ServiceError> {
    super::checked(name)?;
    manager(ServiceManagerAccess::CONNECT)?.open_service(name, access).map_err(|error| match &error {
        windows_service::Error::Winapi(cause) if cause.raw_os_error() == Some(NO_SUCH_SERVICE) => {
            ServiceError::NotInstalled(name.to_owned())
        }
        _ => ServiceError::Windows("the service cannot be opened", error),
    })
}

fn of(what: &'static str) -> impl Fn(windows_service::Error) -> ServiceError {
    move |error| ServiceError::Windows(what, error)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), ServiceError> {
    let failed = |cause: String| ServiceError::Command { command: format!("{program} {}", arguments.join(" ")), cause };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// The hidden command by which the service control manager starts the program.
pub const COMMAND: &str = "as-windows-service";

/// What the service does: it gets what turns true when the host is asked to stop, and gives the exit code.
type Work = Box<dyn FnOnce(watch::Receiver<bool>) -> u8 + Send>;

/// What is to be done once the service control manager has called.
static WORK: Mutex<Option<(String, Work)>> = Mutex::new(None);
/// To tell the service control manager; none where it did not start this process.
static STATUS: OnceLock<ServiceStatusHandle> = OnceLock::new();
/// Looks for a sign of life since the last one: counted, so that neither a clock that is set nor a machine that slept is a host that hangs.
static SILENT: AtomicU32 = AtomicU32::new(0);
/// Somebody looks.
static WATCHED: AtomicBool = AtomicBool::new(false);
/// So many looks without a sign of life are the end.
const LOOKS: u32 = 12;
/// How long a stop may take, in seconds, as `tandem.toml` says it.
static STOP: AtomicU32 = AtomicU32::new(120);

define_windows_service!(called, main);

/// Runs `work` as a service, until it ends. An error where the service control manager did not start this process.
pub fn serve(name: &str, work: impl FnOnce(watch::Receiver<bool>) -> u8 + Send + 'static) -> Result<(), ServiceError> {
    *WORK.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.to_owned(), Box::new(work)));
    service_dispatcher::start(name, called).map_err(of("only the service control manager may start this"))
}

/// On a thread of the service control manager's.
fn main(_arguments: Vec<OsString>) {
    let Some((name, work)) = WORK.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let (stop, stopped) = watch::channel(false);
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Preshutdown => {
            stopping();
            stop.send_replace(true);
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let Ok(status) = service_control_handler::register(name, handler) else { return };
    let _ = STATUS.set(status);
    say(ServiceState::StartPending, ServiceExitCode::NO_ERROR, START);
    let code = match work(stopped) {
        0 => ServiceExitCode::NO_ERROR,
        code => ServiceExitCode::ServiceSpecific(code.into()),
    };
    say(ServiceState::Stopped, code, Duration::ZERO);
}

/// True in a process that the service control manager started.
pub fn is_service() -> bool {
    STATUS.get().is_some()
}

/// The host is up: from now on signs of life are looked for.
pub fn running() {
    say(ServiceState::Running, ServiceExitCode::NO_ERROR, Duration::ZERO);
    alive();
    if is_service() && !WATCHED.swap(true, Ordering::Relaxed) {
        // A thread of its own: what hangs may be the runtime.
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(WATCHDOG / LOOKS);
                if SILENT.fetch_add(1, Ordering::Relaxed) >= LOOKS {
                    crate::ending::died("signs of life");
                }
            }
        });
    }
}

/// A sign of life.
pub fn alive() {
    SILENT.store(0, Ordering::Relaxed);
}

/// It starts still, and will for so long.
pub fn starts_still(more: Duration) {
    say(ServiceState::StartPending, ServiceExitCode::NO_ERROR, more);
}

/// What a stop takes at most, as `tandem.toml` says it.
pub fn stops_within(seconds: u64) {
    STOP.store(u32::try_from(seconds.min(24 * 3600)).unwrap_or_default(), Ordering::Relaxed);
}

/// What is under way is finished.
pub fn stopping() {
    let most = Duration::from_secs(STOP.load(Ordering::Relaxed).into()).saturating_add(BEYOND);
    say(ServiceState::StopPending, ServiceExitCode::NO_ERROR, most);
}

fn say(state: ServiceState, exit_code: ServiceExitCode, wait_hint: Duration) {
    // A state that lasts goes on as long as its number grows.
    static STEP: AtomicU32 = AtomicU32::new(0);
    let Some(handle) = STATUS.get() else { return };
    let lasts = matches!(state, ServiceState::StartPending | ServiceState::StopPending);
    let checkpoint = if lasts { STEP.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
    let controls_accepted = match state {
        ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN,
        _ => ServiceControlAccept::empty(),
    };
    let told = handle.set_service_status(ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted,
        exit_code,
        checkpoint,
        wait_hint,
        process_id: None,
    });
    if let Err(error) = told {
        tracing::debug!(%error, "the service control manager cannot be told");
    }
}

/// Where the log of a service goes whose `tandem.toml` names none.
pub fn log_beside(config: &Path) -> PathBuf {
    config.parent().map(|folder| folder.join(LOG)).unwrap_or_else(|| LOG.into())
}

/// What is of note, in the event log: id 1 for errors, 2 for warnings, 3 for the host's coming and going.
pub struct EventLog(eventlog::EventLog);

impl EventLog {
    /// An error that no log could take.
    pub fn tell(name: &str, text: &str) {
        if let Some(own) = Self::open(name) {
            let text = text.replace('\0', " ");
            own.0.log(&log::Record::builder().level(log::Level::Error).args(format_args!("{text}")).build());
        }
    }

    /// Of a service; none where there is no event log.
    pub fn open(name: &str) -> Option<Self> {
        eventlog::EventLog::new(name, log::Level::Info).ok().map(Self)
    }
}

impl<S: tracing::Subscriber> Layer<S> for EventLog {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => log::Level::Error,
            tracing::Level::WARN => log::Level::Warn,
            tracing::Level::INFO if OF_NOTE.contains(&words.message.as_str()) => log::Level::Info,
            _ => return,
        };
        let text = format!("{}{}", words.message, words.rest);
        self.0.log(&log::Record::builder().level(level).args(format_args!("{text}")).build());
    }
}

/// The host's coming and going.
const OF_NOTE: [&str; 3] = ["tandem is up", "stopping: runs under way are finished first", "tandem stopped"];

/// An event as text.
#[derive(Default)]
struct Words {
    message: String,
    rest: String,
}

impl tracing::field::Visit for Words {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write;
        // A nul would end the text.
        if field.name() == "message" {
            self.message = format!("{value:?}").replace('\0', " ");
        } else {
            let _ = write!(self.rest, " {}={}", field.name(), format!("{value:?}").replace('\0', " "));
        }
    }
}
