//! The `meterbridge` program: the Functions custom handler, the plain service and the commands around them.

use std::process::ExitCode;

fn main() -> ExitCode {
    meterbridge::cli::main()
}
