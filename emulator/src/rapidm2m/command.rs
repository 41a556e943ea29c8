//! A backend for people: started from a terminal, looked at with curl.

use std::net::SocketAddr;
use std::time::Duration;

use super::{
    Backend, BackendOptions, Channel, Clock, Correction, CustomerOptions, Generator, Late, Order,
    SiteOptions, StartError,
};

/// Emulates a rapidM2M backend with sites whose loggers upload as they please.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  One site with a row each quarter hour since 30 days; ask for its newest row, then for all since a day:
    emulator rapidm2m
    curl -u demo@example.com:demo 'http://127.0.0.1:8020/api/1/customers/demo%40example.com/sites/Energy%20meter%201/histdata0/youngest?json=%7B%22select%22%3A%5B%22ch0%22%5D%7D'
    curl -u demo@example.com:demo -G --data-urlencode 'json={\"select\":[\"ch0\",\"ch3\"],\"from\":\"20261101\",\"until\":\"*\"}' \\
      'http://127.0.0.1:8020/api/1/customers/demo%40example.com/sites/Energy%20meter%201/histdata0'

  Three loggers that upload once a day, some rows a day late, some corrected after an hour, some values missing:
    emulator rapidm2m --sites 3 --upload 86400 --late 50:86400 --correct 100:3600 --missing 20

  A million rows of one channel for a backfill:
    emulator rapidm2m --channels 1 --interval 60 --days 695")]
pub struct Args {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8020")]
    pub listen: SocketAddr,
    /// The user of the login.
    #[arg(long, default_value = "demo@example.com")]
    pub user: String,
    /// The password of the login.
    #[arg(long, env = "M2M_PASSWORD", hide_env_values = true, default_value = "demo")]
    pub password: String,
    /// The customer's id.
    #[arg(long, default_value = "demo@example.com")]
    pub customer: String,
    /// How many sites: "Energy meter 1", "Energy meter 2" …
    #[arg(long, default_value_t = 1)]
    pub sites: u32,
    /// How many channels each has: ch0 counts, the others measure.
    #[arg(long, default_value_t = 4)]
    pub channels: usize,
    /// Seconds between rows.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..))]
    pub interval: u32,
    /// How many days back the first row lies.
    #[arg(long, default_value_t = 30)]
    pub days: u32,
    /// The loggers upload each so many seconds. 0: each row at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub upload: u32,
    /// One row in EVERY comes later by so many seconds.
    #[arg(long, value_name = "EVERY:SECONDS", value_parser = one_in)]
    pub late: Option<(u32, u32)>,
    /// One row in EVERY changes its values so many seconds after it came.
    #[arg(long, value_name = "EVERY:SECONDS", value_parser = one_in)]
    pub correct: Option<(u32, u32)>,
    /// One value in so many is missing. 0: none.
    #[arg(long, value_name = "EVERY", default_value_t = 0)]
    pub missing: u32,
    /// The order of the rows.
    #[arg(long, value_enum, default_value = "ascending")]
    pub order: Order,
    /// A row stamped exactly "from" is not in the answer.
    #[arg(long)]
    pub exclusive_from: bool,
    /// No answer has more rows than this.
    #[arg(long, value_name = "ROWS")]
    pub max_rows: Option<usize>,
    /// How long each answer takes, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency: u64,
}

impl Args {
    /// The options of a backend that is started at `now_ms` (milliseconds since 1970 UTC).
    pub fn options(self, now_ms: i64) -> BackendOptions {
        let interval_ms = i64::from(self.interval) * 1_000;
        // Loggers measure on the full interval.
        let start_ms = (now_ms - i64::from(self.days) * 86_400_000).div_euclid(interval_ms) * interval_ms;
        let sites = (1..=self.sites).map(|number| {
            let generator = Generator {
                start_ms,
                interval_ms,
                upload_ms: i64::from(self.upload) * 1_000,
                late: self.late.map(|(every, seconds)| Late {
                    every,
                    by_ms: i64::from(seconds) * 1_000,
                }),
                correction: self.correct.map(|(every, seconds)| Correction {
                    every,
                    after_ms: i64::from(seconds) * 1_000,
                }),
                missing_every: self.missing,
                seed: u64::from(number),
                ..Generator::default()
            };
            SiteOptions::generated(
                &format!("Energy meter {number}"),
                Channel::numbered(self.channels),
                generator,
            )
        });
        BackendOptions {
            bind: self.listen,
            customers: vec![CustomerOptions {
                id: self.customer,
                sites: sites.collect(),
            }],
            user: self.user,
            password: self.password.into(),
            from_inclusive: !self.exclusive_from,
            order: self.order,
            max_rows: self.max_rows,
            latency: Duration::from_millis(self.latency),
            keep_requests: 0,
            ..BackendOptions::default()
        }
    }
}

/// Runs the backend until Ctrl-C.
///
/// # Errors
/// The address cannot be listened on.
pub async fn run(args: Args) -> Result<(), StartError> {
    let backend = Backend::start(args.options(Clock::system().now_ms())).await?;
    println!("rapidM2M backend on {}", backend.url());
    // Without a way to wait for Ctrl-C the backend goes on until the process is ended from outside.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    println!("{} requests answered", backend.requests());
    backend.stop().await;
    Ok(())
}

fn one_in(text: &str) -> Result<(u32, u32), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(every, seconds)| Some((every.parse().ok()?, seconds.parse().ok()?)));
    parsed
        .filter(|(every, _)| *every > 0)
        .ok_or_else(|| format!("{text:?} is not EVERY:SECONDS, such as 50:3600"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        let command = Args::augment_args(clap::Command::new("rapidm2m"));
        let matches = command.try_get_matches_from([&["rapidm2m"], arguments].concat())?;
        Args::from_arg_matches(&matches)
    }

    #[test]
    fn arguments_become_options() {
        Args::augment_args(clap::Command::new("rapidm2m")).debug_assert();
        let arguments = [
            "--sites",
            "3",
            "--interval",
            "60",
            "--days",
            "1",
            "--late",
            "50:3600",
            "--exclusive-from",
        ];
        let options = parse(&arguments).unwrap().options(1_767_225_630_000);
        let site = &options.customers[0].sites[2];
        assert_eq!(site.id, "Energy meter 3");
        let generator = site.series[&0].generator.as_ref().unwrap();
        assert_eq!(
            (generator.start_ms, generator.interval_ms),
            (1_767_225_600_000 - 86_400_000, 60_000)
        );
        assert_eq!(
            generator.late,
            Some(Late {
                every: 50,
                by_ms: 3_600_000
            })
        );
        assert!(!options.from_inclusive);
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            ["--late", "0:5"],
            ["--late", "5"],
            ["--interval", "0"],
            ["--order", "random"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
