//! The host for people: `emulator host --app-root . --settings local.settings.json`.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;

use super::{
    CONSOLE, Cause, FunctionsHost, HostError, HostOptions, Invocation, Keys, Level, LogLine, Outcome,
    StorageQueue,
};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder that holds host.json and the functions
    #[arg(long, default_value = ".")]
    pub app_root: PathBuf,
    /// A local.settings.json; the environment wins over its values
    #[arg(long)]
    pub settings: Option<PathBuf>,
    /// The handler's binary, if it is not in the app root
    #[arg(long)]
    pub executable: Option<PathBuf>,
    /// Where to serve the HTTP functions
    #[arg(long, default_value = "127.0.0.1:7071")]
    pub listen: SocketAddr,
    /// File that remembers the timers between two runs, so that missed ticks are made up for
    #[arg(long)]
    pub timer_status: Option<PathBuf>,
    /// Key that callers must show, also for admin; without it nobody is asked
    #[arg(long, env = "EMULATOR_HOST_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// Storage account whose queues are used, `UseDevelopmentStorage=true` for Azurite; without it they are in memory
    #[arg(
        long,
        value_name = "CONNECTION STRING",
        env = "EMULATOR_QUEUE",
        hide_env_values = true
    )]
    pub queue: Option<String>,
    /// Print the handler's own output too
    #[arg(long, short)]
    pub verbose: bool,
}

/// Runs a host until Ctrl-C, or until the handler has crashed too often, and prints each call with its outcome.
///
/// # Errors
/// [`HostError`] if it cannot start, or has ended by itself.
pub async fn run(args: Args) -> Result<(), HostError> {
    let mut options = HostOptions::new(args.app_root);
    options.settings_file = args.settings;
    options.executable = args.executable;
    options.listen = args.listen;
    options.status_file = args.timer_status;
    if let Some(connection) = &args.queue {
        let queue = StorageQueue::connect(connection).map_err(io::Error::other)?;
        options.queue = Some(Arc::new(queue));
    }
    options.keys = args.key.map(|key| Keys {
        master: key.clone(),
        function: key,
    });
    let host = FunctionsHost::start(options).await?;
    let mut out = io::stdout();
    let handler = host
        .handler_pid()
        .map_or("not running".to_owned(), |pid| format!("process {pid}"));
    writeln!(
        out,
        "Functions host on http://{}, handler: {handler}",
        host.http_addr()
    )?;
    let (lines, mut feed) = host.follow_logs();
    for line in lines {
        print(&mut out, &host, &line, args.verbose)?;
    }
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            _ = &mut stop => break,
            reason = host.ended() => {
                let logs = host.logs();
                return Err(HostError::Ended { reason, logs });
            }
            line = feed.recv() => match line {
                Ok(line) => print(&mut out, &host, &line, args.verbose)?,
                Err(RecvError::Lagged(missed)) => writeln!(out, "… {missed} lines not shown")?,
                Err(RecvError::Closed) => break,
            },
        }
    }
    if !host.stop().await {
        writeln!(
            out,
            "Calls were still running: the handler was left behind, as the real host leaves it."
        )?;
    }
    Ok(())
}

/// One line per ended call, and what else people must see.
fn print(out: &mut impl io::Write, host: &FunctionsHost, line: &LogLine, verbose: bool) -> io::Result<()> {
    if let Some(id) = line.invocation
        && line.text.starts_with("Executed ")
    {
        return match host.running.ledger.find(id) {
            Some(invocation) => writeln!(out, "{}", summary(&invocation, line)),
            None => Ok(()),
        };
    }
    let own = line.category == CONSOLE || line.text.starts_with("Executing ");
    if !own
        || (verbose && line.category == CONSOLE)
        || (line.category == CONSOLE && line.level == Level::Error)
    {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// `15:21:00.012 TimerPoll due 15:21:00 ok in 12 ms, 3 messages`
fn summary(invocation: &Invocation, line: &LogLine) -> String {
    let cause = match &invocation.cause {
        Cause::Timer { next, past_due } => {
            let due = next
                .map(|next| next.format(" due %H:%M:%S").to_string())
                .unwrap_or_default();
            format!("{due}{}", if *past_due { " (past due)" } else { "" })
        }
        Cause::Queue { dequeue_count: 1, .. } => " a message".to_owned(),
        Cause::Queue { dequeue_count, .. } => format!(" a message, attempt {dequeue_count}"),
        Cause::Admin => " by hand".to_owned(),
        Cause::Http { method, target } => format!(" {method} {target}"),
    };
    let took = invocation.duration.unwrap_or_default().as_millis();
    let outcome = match &invocation.outcome {
        Some(Outcome::Failed(reason)) => format!("FAILED after {took} ms: {reason}"),
        _ => format!("ok in {took} ms"),
    };
    let messages = match invocation.messages {
        0 => String::new(),
        1 => ", 1 message".to_owned(),
        count => format!(", {count} messages"),
    };
    format!(
        "{} {}{cause} {outcome}{messages}",
        line.at.format("%H:%M:%S%.3f"),
        invocation.function
    )
}
