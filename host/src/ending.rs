//! How the process ends when it must: with its log written. A part of the host that dies takes the process with it, for the
//! service manager to start it again: it never goes on half dead.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

/// What the process ends with when a part of it has died: `EX_SOFTWARE` of `sysexits.h`.
pub const DIED: i32 = 70;

/// Ends the process at once, with all that was logged written.
pub fn exit(code: i32) -> ! {
    crate::log::flush();
    std::process::exit(code)
}

/// A part of the host has died, and the process with it.
pub fn died(part: &str) -> ! {
    tracing::error!(part, "a part of the host has failed; the process ends, to be started again");
    exit(DIED)
}

/// Runs a part of the host, whose panic ends the process.
pub async fn guarded<T>(part: &'static str, work: impl Future<Output = T>) -> T {
    // Nothing that it may have left half done is looked at again.
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| died(part))
}

/// A panic is a line of the log like any other, and not written where nobody may read.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let words = panic.payload_as_str().unwrap_or("a panic without words");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let trace = std::backtrace::Backtrace::capture();
        let trace = (trace.status() == std::backtrace::BacktraceStatus::Captured).then(|| trace.to_string());
        tracing::error!(place, trace, "panic: {words}");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a test: what the one below starts as a process of its own.
    #[tokio::test]
    #[ignore = "ends its process"]
    async fn a_part_that_panics() {
        let part = tokio::spawn(guarded("part", async { panic!("on purpose") }));
        let _: Result<(), _> = part.await;
    }

    #[test]
    fn a_part_that_panics_ends_the_process() {
        let mut process = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = process.args(["--exact", "ending::tests::a_part_that_panics", "--ignored"]).output().unwrap();
        assert_eq!(ended.status.code(), Some(DIED), "{}", String::from_utf8_lossy(&ended.stdout));
    }
}
