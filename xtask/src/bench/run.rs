//! One measured process: wall time, processor time, peak memory, from `/proc` (Linux).

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::Outcome;

/// What a process took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    /// From start to end.
    pub(super) wall: Duration,
    /// User and system time of all its threads.
    pub(super) cpu: Duration,
    /// Most memory at one time (`VmHWM`), bytes.
    pub(super) peak: u64,
}

/// Runs a command to its end.
pub(super) fn measured(command: &mut Command) -> Outcome<(Took, ExitStatus)> {
    let began = Instant::now();
    let mut child = command.spawn()?;
    let pid = child.id();
    let mut peak = 0;
    // A process that has ended keeps its times in /proc until it is waited for, but not its memory.
    while state(pid).is_some_and(|state| state != 'Z') {
        peak = memory(pid, "VmHWM").unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    let wall = began.elapsed();
    let cpu = cpu(pid).unwrap_or_default();
    let status = child.wait()?;
    Ok((Took { wall, cpu, peak }, status))
}

/// User and system time so far.
pub(super) fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold blanks; the fields after it are counted from the state, field 3.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    // USER_HZ is 100 on every Linux that people run.
    Some(Duration::from_millis((user + system) * 10))
}

/// A line of `/proc/PID/status` that is an amount of memory, in bytes.
pub(super) fn memory(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// A process that ends with its owner.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The middle one; of an even count, the upper of the two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
