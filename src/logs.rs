//! Logs: one line each, on standard output, readable alone.
//!
//! The Functions host takes every line of standard output as information and every line of standard error as an error, and ties
//! neither to an invocation; so the level, the invocation id and the trace stand inside the line. Values are fields, units stand in
//! their names (`took_ms`), an error is logged once, and no credential is ever logged.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One JSON object a line: under the Functions host and for log collectors.
    Json,
    /// Text for people, in colours when `true`.
    Text(bool),
}

/// Starts logging. `filter` is a level or a list such as `info,meterbridge=debug`; a broken one falls back to `info`.
pub fn start(style: Style, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    // A second start (tests) keeps the first one's subscriber.
    let _ = match style {
        Style::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false),
            )
            .try_init(),
        Style::Text(colours) => registry
            .with(
                fmt::layer()
                    .with_ansi(colours)
                    .with_target(false)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
    };
}

/// The filter for a count of `-v`: information, then debug, then everything of ours.
#[must_use]
pub fn filter(verbose: u8, configured: Option<&str>) -> String {
    match (verbose, configured) {
        (0, Some(text)) => text.to_owned(),
        (0, None) => "info".to_owned(),
        (1, _) => "info,meterbridge=debug".to_owned(),
        (_, _) => "debug,meterbridge=trace".to_owned(),
    }
}
