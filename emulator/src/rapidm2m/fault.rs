use std::time::Duration;

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: a healthy request between faults of a script.
    Healthy,
    /// An error status in place of the answer.
    Refuse {
        /// 400, 401, 403, 404, 429, 500, 503 …
        status: u16,
        /// What stands in the body.
        body: RefusalBody,
        /// Seconds for `Retry-After`.
        retry_after: Option<u32>,
    },
    /// 200 with a body of no bytes.
    EmptyBody,
    /// 200 with `[]`, whatever there is.
    EmptyArray,
    /// 200 with a page in HTML.
    NotJson,
    /// The head promises more than the body brings, then the connection is closed.
    Truncated,
    /// The connection is closed without any HTTP.
    NoReply,
    /// The answer is right, but comes this much later.
    Slow(Duration),
    /// The first half of the body comes at once, the rest this much later.
    SlowBody(Duration),
    /// Every row of a series has this JSON text in place of each value: `"NAN"`, or what is no number.
    Values(&'static str),
}

/// The body of an error, in the kinds that clients guard against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalBody {
    /// `{"err":"E_…"}`.
    Err,
    /// Text that is no JSON.
    Plain,
    /// No bytes.
    Empty,
}

impl Fault {
    /// An error status with the usual `{"err":…}`.
    pub fn status(status: u16) -> Self {
        Self::Refuse {
            status,
            body: RefusalBody::Err,
            retry_after: None,
        }
    }
}
