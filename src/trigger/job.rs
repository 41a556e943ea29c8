//! A queue message: what TimerPoll writes and PollWorker reads. Pure.
//!
//! Everything stands under one member, since the host merges top-level members into its own metadata.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Millis;
use crate::http;
use crate::poll::Ticket;

/// One job, in every layout that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Layout 1, which older versions wrote: sources by their ids.
    Sources {
        /// The tick it belongs to; the present instant where it is missing.
        due: Option<Millis>,
        /// Sources to poll.
        sources: Vec<String>,
    },
    /// Layout 2: what is due in one shard.
    Shard(Shard),
}

/// What is due in one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shard {
    /// Layout.
    v: u32,
    /// The shard.
    pub(super) shard: String,
    /// Which job of this shard it is.
    pub(super) ticket: String,
    /// Whose sources.
    pub(super) runner: String,
    /// The tick it belongs to.
    pub(super) due: Millis,
    /// The trace of the tick that wrote it.
    #[serde(default)]
    pub(super) traceparent: String,
}

/// Why a message cannot be worked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Another layout.
    #[error("the job has layout {0}, this handler knows 1 and 2: was the app rolled back?")]
    Layout(u64),
    /// Something else.
    #[error("the message is no job ({0})")]
    NoJob(String),
}

impl Shard {
    pub(super) fn new(ticket: Ticket, runner: &str, due: Millis, traceparent: String) -> Self {
        Self {
            v: 2,
            shard: ticket.shard,
            ticket: ticket.ticket,
            runner: runner.into(),
            due,
            traceparent,
        }
    }

    /// The message's text.
    pub(super) fn text(&self) -> String {
        serde_json::json!({ "job": self }).to_string()
    }

    /// The shard's turn.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket {
            shard: self.shard.clone(),
            ticket: self.ticket.clone(),
        }
    }
}

impl Job {
    /// Reads a message.
    pub(super) fn read(message: &Value) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Sources {
            #[serde(default)]
            due: Option<Millis>,
            sources: Vec<String>,
        }
        // Its words may repeat a whole text of the message.
        let no_job = |error: serde_json::Error| Fault::NoJob(http::excerpt_of(&error.to_string(), 200));
        let job = message
            .get("job")
            .ok_or_else(|| Fault::NoJob("it has no member `job`".into()))?;
        match job.get("v").map(Value::as_u64) {
            Some(Some(1)) => {
                let Sources { due, sources } = Sources::deserialize(job).map_err(no_job)?;
                Ok(Self::Sources { due, sources })
            }
            Some(Some(2)) => Shard::deserialize(job).map(Self::Shard).map_err(no_job),
            Some(Some(other)) => Err(Fault::Layout(other)),
            _ => Err(Fault::NoJob("its layout `v` is missing or no number".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn both_layouts_are_read() {
        let check = |message: Value, expected: Result<Job, &str>| {
            let read = Job::read(&message).map_err(|fault| fault.to_string());
            match (read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected),
                (Err(fault), Err(words)) => assert!(fault.contains(words), "{fault}"),
                (read, _) => panic!("{message}: {read:?}"),
            }
        };
        let sources = |due| {
            Ok(Job::Sources {
                due,
                sources: vec!["x".into()],
            })
        };
        check(json!({"job": {"v": 1, "sources": ["x"]}}), sources(None));
        check(
            json!({"job": {"v": 1, "sources": ["x"], "due": 5}}),
            sources(Some(5)),
        );
        let shard = Shard {
            v: 2,
            shard: "r05".into(),
            ticket: "t".into(),
            runner: "cloud".into(),
            due: 5,
            traceparent: String::new(),
        };
        check(
            json!({"job": {"v": 2, "shard": "r05", "ticket": "t", "runner": "cloud", "due": 5, "later": 1}}),
            Ok(Job::Shard(shard)),
        );
        check(
            json!({"job": {"v": 2, "shard": "r05"}}),
            Err("missing field `ticket`"),
        );
        check(json!({"job": {"v": 3, "shard": "r05"}}), Err("layout 3"));
        check(json!({"job": {"v": 1}}), Err("missing field `sources`"));
        check(json!({"job": {}}), Err("`v` is missing"));
        check(json!({"v": 1}), Err("no member `job`"));
        check(json!("hello"), Err("no member `job`"));
    }

    /// A storage queue takes 64 KB in base64.
    #[test]
    fn the_longest_job_is_far_below_a_message() {
        let id = "x".repeat(64);
        let ticket = Ticket {
            shard: "b00000000".into(),
            ticket: "0".repeat(16),
        };
        let trace = super::super::trace::Trace::of(None).next();
        let job = Shard::new(ticket, &id, Millis::MAX, trace);
        let text = job.text();
        assert!(text.len() < 512, "{text}");
        assert_eq!(
            Job::read(&serde_json::from_str(&text).unwrap()).unwrap(),
            Job::Shard(job)
        );
    }
}
