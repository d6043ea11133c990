//! The threads that plugins' code runs on. They are few and never the host's own, so that nothing a plugin does keeps the
//! host from answering. What waits (for a call, for a commit) waits in the host's runtime and holds no thread; what a run reads
//! of the store it reads on its own, and it counts as its time.
//!
//! A run gives its thread back at every tick. The runs that have used the least time go first, and those that have used
//! much go on on threads of their own, to which the operating system gives what nobody else wants: a plugin in a loop
//! slows down other loops, and nobody else.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cpu_time::ThreadTime;
use futures_util::FutureExt;
use thread_priority::{ThreadPriority, ThreadPriorityValue};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Each level has used twice as much time as the one before; the first less than this.
const FIRST_LEVEL: Duration = Duration::from_millis(20);
const LEVELS: usize = 12;
/// The first so many levels are short: less than 320 ms in all. What has used more is long.
const SHORT_LEVELS: usize = 5;
/// Of the threads for what is long, 0 to 99: nice 15 on Linux, where a busy core gives such a thread a thirtieth of its
/// time; *lowest* on Windows. Not the very last, so that long work ends also on a machine that is never idle.
const LONG_PRIORITY: u8 = 10;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// See the module's words.
pub struct Workers {
    queue: Arc<Queue>,
}

/// What was given to the workers ended without a result: it panicked.
#[derive(Debug)]
pub struct Panicked(pub String);

impl Workers {
    /// As many threads as the machine has cores, at least two, and one less for what is long. What they wait for is waited
    /// for in this runtime. `prepare` is what each thread does first.
    pub fn start(prepare: fn()) -> std::io::Result<Self> {
        let handle = Handle::try_current().map_err(std::io::Error::other)?;
        let queue = Arc::new(Queue::default());
        let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        for thread in 0..threads {
            let (queue, handle) = (queue.clone(), handle.clone());
            let name = format!("plugins-{thread}");
            std::thread::Builder::new().name(name).spawn(move || {
                prepare();
                serve(&queue, &handle, Length::Short);
            })?;
        }
        for thread in 1..threads {
            let (queue, handle) = (queue.clone(), handle.clone());
            let name = format!("plugins-long-{thread}");
            std::thread::Builder::new().name(name).spawn(move || {
                yield_to_others();
                prepare();
                serve(&queue, &handle, Length::Long);
            })?;
        }
        Ok(Self { queue })
    }

    /// Runs it on the workers. Dropped before its end, it is given up.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Panicked> {
        let (done, result) = oneshot::channel();
        let work = async move {
            let result = AssertUnwindSafe(work).catch_unwind().await;
            let _ = done.send(result.map_err(|panic| Panicked(words_of(panic.as_ref()))));
        };
        let task = Arc::new(Task {
            state: Mutex::new(State { work: Some(Box::pin(work)), place: Place::Queued }),
            used: AtomicU64::new(0),
            queue: self.queue.clone(),
        });
        let given = Given(task.clone());
        self.queue.push(task);
        let result = result.await;
        drop(given);
        result.unwrap_or_else(|_| Err(Panicked("it was given up".into())))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        lock(&self.queue.waiting).closed = true;
        self.queue.short.notify_all();
        self.queue.long.notify_all();
    }
}

/// Processor time that the work around this call has used so far; `None` outside the workers. What its thread spent waiting
/// for a core is not in it.
pub fn used() -> Option<Duration> {
    RUNNING.with_borrow(|running| {
        running.as_ref().map(|(task, since)| Duration::from_nanos(task.used.load(Ordering::Relaxed)) + since.elapsed())
    })
}

thread_local! {
    /// What this thread runs now, and since when.
    static RUNNING: RefCell<Option<(Arc<Task>, ThreadTime)>> = const { RefCell::new(None) };
}

/// How much of its time a task has used, and which threads serve it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Short,
    Long,
}

impl Length {
    fn of(level: usize) -> Self {
        if level < SHORT_LEVELS { Self::Short } else { Self::Long }
    }

    fn levels(self) -> Range<usize> {
        match self {
            Self::Short => 0..SHORT_LEVELS,
            Self::Long => SHORT_LEVELS..LEVELS,
        }
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Rung for one thread of those that serve the length: any of them will do.
    short: Condvar,
    long: Condvar,
}

#[derive(Default)]
struct Waiting {
    levels: [VecDeque<Arc<Task>>; LEVELS],
    closed: bool,
}

impl Queue {
    fn push(&self, task: Arc<Task>) {
        let level = level_of(Duration::from_nanos(task.used.load(Ordering::Relaxed)));
        let mut waiting = lock(&self.waiting);
        if !waiting.closed {
            waiting.levels[level].push_back(task);
            drop(waiting);
            self.bell(Length::of(level)).notify_one();
        }
    }

    fn bell(&self, length: Length) -> &Condvar {
        match length {
            Length::Short => &self.short,
            Length::Long => &self.long,
        }
    }

    /// The next of this length; `None` when the workers are dropped.
    fn pop(&self, length: Length) -> Option<Arc<Task>> {
        let mut waiting = lock(&self.waiting);
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(task) = waiting.levels[length.levels()].iter_mut().find_map(VecDeque::pop_front) {
                return Some(task);
            }
            waiting = self.bell(length).wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn level_of(used: Duration) -> usize {
    let first = FIRST_LEVEL.as_nanos();
    (0..LEVELS - 1).find(|level| used.as_nanos() < first << level).unwrap_or(LEVELS - 1)
}

/// Where a task is. A wake-up that comes while it runs puts it in the queue again afterwards.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Waiting,
    Queued,
    Running,
    RunningAndWoken,
    /// Nobody waits for its result.
    GivenUp,
}

struct State {
    /// Not there while it runs, and when it has ended.
    work: Option<Work>,
    place: Place,
}

struct Task {
    state: Mutex<State>,
    /// Nanoseconds on a thread.
    used: AtomicU64,
    queue: Arc<Queue>,
}

impl Task {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut state = self.state();
        match state.place {
            Place::Waiting => {
                state.place = Place::Queued;
                drop(state);
                self.queue.clone().push(self);
            }
            Place::Running => state.place = Place::RunningAndWoken,
            Place::Queued | Place::RunningAndWoken | Place::GivenUp => {}
        }
    }
}

/// Gives the work up when nobody waits for it any more.
struct Given(Arc<Task>);

impl Drop for Given {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.place = Place::GivenUp;
        let work = state.work.take();
        // Dropped outside the lock: what the work holds may wake it.
        drop(state);
        drop(work);
    }
}

/// This thread takes what others leave. Where the system does not let it, it is a thread like any other.
pub(super) fn yield_to_others() {
    let lowest = ThreadPriorityValue::try_from(LONG_PRIORITY).map(ThreadPriority::Crossplatform);
    if let Err(error) =
        lowest.and_then(|lowest| thread_priority::set_current_thread_priority(lowest).map_err(|e| format!("{e:?}")))
    {
        tracing::debug!(%error, "long runs of plugins have the same priority as short ones");
    }
}

fn serve(queue: &Queue, handle: &Handle, length: Length) {
    let _inside = handle.enter();
    while let Some(task) = queue.pop(length) {
        step(&task);
    }
}

/// Runs a task until it waits or gives its thread back.
fn step(task: &Arc<Task>) {
    let mut work = {
        let mut state = task.state();
        let Some(work) = state.work.take() else { return };
        state.place = Place::Running;
        work
    };
    let waker = Waker::from(task.clone());
    let since = ThreadTime::now();
    RUNNING.set(Some((task.clone(), since)));
    let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
    RUNNING.set(None);
    let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
    task.used.fetch_add(nanos, Ordering::Relaxed);
    if polled.is_ready() {
        return;
    }
    let mut state = task.state();
    let woken = match state.place {
        Place::GivenUp => {
            drop(state);
            drop(work);
            return;
        }
        place => place == Place::RunningAndWoken,
    };
    state.work = Some(work);
    state.place = if woken { Place::Queued } else { Place::Waiting };
    drop(state);
    if woken {
        task.queue.push(task.clone());
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Uses its thread for so long, giving it back every few milliseconds, as a plugin does at each tick.
    async fn busy(millis: u64) {
        while used().unwrap_or_default() < Duration::from_millis(millis) {
            let since = Instant::now();
            while since.elapsed() < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn loops_end_after_what_came_later_and_needs_little() {
        let workers = Arc::new(Workers::start(|| ()).unwrap());
        let ended = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str, millis| {
            let (workers, ended) = (workers.clone(), ended.clone());
            async move {
                workers.run(busy(millis)).await.unwrap();
                lock(&ended).push(name);
            }
        };
        let loops = futures_util::future::join_all((0..8).map(|_| note("loop", 600)));
        let short = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            note("short", 10).await;
        };
        tokio::join!(loops, short);
        assert_eq!(lock(&ended).first(), Some(&"short"));
    }

    #[tokio::test]
    async fn what_waits_uses_no_time_and_what_is_given_up_or_panics_harms_nobody() {
        let workers = Workers::start(|| ()).unwrap();
        let waited = workers.run(async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            used()
        });
        assert!(waited.await.unwrap().unwrap() < Duration::from_millis(200));
        let endless = workers.run(std::future::pending::<()>());
        assert!(tokio::time::timeout(Duration::from_millis(50), endless).await.is_err());
        let looping = workers.run(async {
            loop {
                tokio::task::yield_now().await
            }
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), looping).await.is_err());
        let why = workers
            .run(async {
                if used().is_some() {
                    panic!("on purpose")
                }
            })
            .await
            .unwrap_err()
            .0;
        assert_eq!(why, "on purpose");
        assert_eq!(workers.run(async { 7 }).await.ok(), Some(7));
        assert_eq!(used(), None);
    }
}
