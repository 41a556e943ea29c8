//! The `meterbridge` program: the Functions custom handler, the plain service and the commands around them.

use std::process::ExitCode;

/// What is shipped is linked with musl, whose own allocator has one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    meterbridge::cli::main()
}
