//! How many files, and so connections, this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to the highest that the system lets this process have. A connection is one file, and many systems
/// begin with 1 024. Returns the limit, `None` for no limit.
pub(crate) fn raise_limit() -> Option<u64> {
    let now = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    match setrlimit(Resource::Nofile, highest) {
        Ok(()) => now.maximum,
        // As it was, then: fewer connections, and the listener says so when it runs out.
        Err(_) => now.current,
    }
}
