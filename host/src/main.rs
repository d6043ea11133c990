//! The `tandem` binary: see `tandem --help`.

use std::process::ExitCode;

/// Many threads that make and drop large texts leave the system's own allocator with memory it does not give back.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tandem::cli::main()
}
