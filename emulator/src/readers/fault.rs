use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What goes wrong with one call to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: a healthy call between faults of a script.
    Healthy,
    /// A further log line slipped into the answer and its braces do not match (Tasmota issue 24350).
    BrokenJson,
    /// A further log line slipped into the answer, which stays valid: more keys at the top.
    ExtraKeys,
    /// `{}`: no log line arrived in time.
    EmptyObject,
    /// 200 with a body of no bytes.
    EmptyBody,
    /// The connection is closed without any HTTP.
    NoReply,
    /// The head promises more than the body brings, then the connection is closed.
    Truncated,
    /// The answer is right, but comes this much later.
    Slow(Duration),
    /// 500 with a text.
    ServerError,
    /// The optical head is dead: the values of the moment it died, under fresh times.
    DeadHead,
    /// No telegram was decoded since the restart: every number is 0.
    Zeros,
    /// The numbers are not numbers; Tasmota writes NaN and infinity as `null`.
    Nulls,
    /// The clock is not set yet: times count from 1970.
    BeforeNtp,
}

/// One step of a script: a fault and for how many calls it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultStep {
    /// What goes wrong.
    pub fault: Fault,
    /// For how many calls. `None`: for ever.
    pub times: Option<u32>,
}

impl FromStr for FaultStep {
    type Err = String;

    /// `NAME` or `NAME:CALLS`; slow takes its delay as `slow=MS`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, times) = match text.split_once(':') {
            Some((name, times)) => (
                name,
                Some(
                    times
                        .parse()
                        .map_err(|_| format!("{times:?} is no number of calls in {text:?}"))?,
                ),
            ),
            None => (text, None),
        };
        let fault = match name {
            "healthy" => Fault::Healthy,
            "broken-json" => Fault::BrokenJson,
            "extra-keys" => Fault::ExtraKeys,
            "empty-object" => Fault::EmptyObject,
            "empty-body" => Fault::EmptyBody,
            "no-reply" => Fault::NoReply,
            "truncated" => Fault::Truncated,
            "server-error" => Fault::ServerError,
            "dead-head" => Fault::DeadHead,
            "zeros" => Fault::Zeros,
            "nulls" => Fault::Nulls,
            "before-ntp" => Fault::BeforeNtp,
            _ => match name.strip_prefix("slow=").map(str::parse) {
                Some(Ok(ms)) => Fault::Slow(Duration::from_millis(ms)),
                _ => {
                    return Err(format!(
                        "unknown fault {name:?}; use healthy, broken-json, extra-keys, empty-object, empty-body, no-reply, \
                         truncated, slow=MS, server-error, dead-head, zeros, nulls or before-ntp"
                    ));
                }
            },
        };
        Ok(Self { fault, times })
    }
}

/// Faults to come, each for a number of calls, in order. Without any left, asking costs one atomic load.
#[derive(Debug)]
pub(crate) struct Script<F> {
    pending: AtomicBool,
    steps: Mutex<VecDeque<(F, Option<u32>)>>,
}

impl<F> Default for Script<F> {
    fn default() -> Self {
        Self {
            pending: AtomicBool::new(false),
            steps: Mutex::default(),
        }
    }
}

impl<F: Clone> Script<F> {
    /// Adds a fault for `times` calls (`None`: for ever) after those already planned.
    pub(crate) fn plan(&self, fault: F, times: Option<u32>) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if times != Some(0) {
            steps.push_back((fault, times));
            self.pending.store(true, Ordering::Release);
        }
    }

    /// Drops everything that is planned.
    pub(crate) fn clear(&self) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.clear();
        self.pending.store(false, Ordering::Release);
    }

    /// The fault of this call, if any; counts the call.
    pub(crate) fn next(&self) -> Option<F> {
        if !self.pending.load(Ordering::Acquire) {
            return None;
        }
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let (fault, left) = steps.front_mut()?;
        let fault = fault.clone();
        if let Some(left) = left {
            *left -= 1;
            if *left == 0 {
                steps.pop_front();
                self.pending.store(!steps.is_empty(), Ordering::Release);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_script_runs_in_order_and_ends() {
        let script = Script::default();
        script.plan("a", Some(2));
        script.plan("never", Some(0));
        script.plan("b", Some(1));
        let seen: Vec<_> = (0..4).map(|_| script.next()).collect();
        assert_eq!(seen, [Some("a"), Some("a"), Some("b"), None]);
        script.plan("c", None);
        assert!((0..100).all(|_| script.next() == Some("c")));
        script.clear();
        assert_eq!(script.next(), None);
    }

    #[test]
    fn steps_are_read_from_text() {
        let check = |text: &str, fault, times| {
            assert_eq!(
                text.parse::<FaultStep>().unwrap(),
                FaultStep { fault, times },
                "{text}"
            );
        };
        check("zeros", Fault::Zeros, None);
        check("dead-head:3", Fault::DeadHead, Some(3));
        check("slow=250:2", Fault::Slow(Duration::from_millis(250)), Some(2));
        for wrong in ["", "zero", "slow", "slow=x", "nulls:many"] {
            assert!(wrong.parse::<FaultStep>().is_err(), "{wrong}");
        }
    }
}
