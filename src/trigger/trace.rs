//! Trace context over the queue: the host links nothing across it, so a job carries its own. Pure but for the random ids.
//!
//! Source: W3C Trace Context, <https://www.w3.org/TR/trace-context/#traceparent-header>.

/// Which trace a call belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// 32 hex digits.
    pub(super) id: String,
    /// `01` where the trace is sampled.
    flags: String,
}

impl Trace {
    /// The trace of this `traceparent`; a new one where there is none, or none that is understood.
    pub(super) fn of(traceparent: Option<&str>) -> Self {
        traceparent.and_then(Self::parse).unwrap_or_else(|| Self {
            id: format!("{:032x}", fastrand::u128(1..)),
            flags: "00".into(),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, digits: usize| {
            text.len() == digits
                && text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let whole = hex(version, 2)
            && version != "ff"
            && (version != "00" || parts.next().is_none())
            && hex(id, 32)
            && hex(parent, 16)
            && hex(flags, 2);
        let zero = |text: &str| text.bytes().all(|b| b == b'0');
        (whole && !zero(id) && !zero(parent)).then(|| Self {
            id: id.into(),
            flags: flags.into(),
        })
    }

    /// `traceparent` for what follows from this call: the same trace, under a span of its own.
    pub(super) fn next(&self) -> String {
        format!("00-{}-{:016x}-{}", self.id, fastrand::u64(1..), self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "bb2bd5eef54cb15a1506d0326d2489e7";

    #[test]
    fn a_trace_is_carried_on_under_a_span_of_its_own() {
        let parent = format!("00-{TRACE}-d3f54c84c7034d76-01");
        let next = Trace::of(Some(&parent)).next();
        assert!(
            next.starts_with(&format!("00-{TRACE}-")) && next.ends_with("-01"),
            "{next}"
        );
        assert_ne!(next, parent);
        assert_eq!(Trace::of(Some(&next)).id, TRACE);
    }

    #[test]
    fn what_is_no_trace_begins_one() {
        let zero = "0".repeat(32);
        for bad in [
            "",
            "00",
            &format!("00-{TRACE}"),
            &format!("ff-{TRACE}-d3f54c84c7034d76-00"),
            &format!("00-{zero}-d3f54c84c7034d76-00"),
            &format!("00-{TRACE}-0000000000000000-00"),
            &format!("00-{}-d3f54c84c7034d76-00", TRACE.to_uppercase()),
            &format!("00-{TRACE}-d3f54c84c7034d76-00-x"),
        ] {
            let trace = Trace::of(Some(bad));
            assert!(
                trace.id.len() == 32 && trace.id != TRACE && trace.id != zero,
                "{bad}"
            );
        }
        assert_ne!(Trace::of(None), Trace::of(None));
    }
}
