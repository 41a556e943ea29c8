//! Readers for people: started from a terminal, looked at with curl.

use std::net::SocketAddr;
use std::time::Duration;

use super::{
    Access, FarmOptions, FaultStep, Firmware, Labels, Language, Meter, ReaderFarm, ReaderOptions, StartError,
    TimeFormat, Zone,
};

/// Emulates bitShake SmartReaders (Tasmota over HTTP) with meters that move with the clock.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  One open reader on port 8010, ask it as the bridge does:
    emulator readers
    curl 'http://127.0.0.1:8010/cm?cmnd=Status%2010'

  A thousand readers behind one port, as slow as real ones:
    emulator readers --count 1000 --latency 50..300
    curl 'http://127.0.0.1:8010/r/999/cm?cmnd=Status%2010'

  A locked meter and a heat pump's meter on one reader with a password, German texts, older firmware:
    READER_PASSWORD=geheim emulator readers --labels mt631-locked --labels total --firmware 9.5 --language de

  A reader whose answers are empty twice, then right once, then dead for ever:
    emulator readers --fault empty-object:2 --fault healthy:1 --fault dead-head

  A freshly flashed reader whose HTTP API is switched off (closes without an answer; -e sends the Referer that helps):
    emulator readers --access api-off
    curl -e http://127.0.0.1/ 'http://127.0.0.1:8010/cm?cmnd=Status%2010'")]
pub struct Args {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8010")]
    pub listen: SocketAddr,
    /// How many readers: number N answers under /r/N/cm, number 0 also under /cm.
    #[arg(long, value_name = "READERS", default_value_t = 1)]
    pub count: u32,
    /// What the meter's script calls its values. Give it again for a second meter on the same reader.
    #[arg(long, value_enum, value_name = "SET", default_value = "total")]
    pub labels: Vec<Labels>,
    /// The meters never feed in.
    #[arg(long)]
    pub no_solar: bool,
    /// Gives the meters their size and their first counts.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Password of the user admin. Without one the reader is open.
    #[arg(
        long,
        env = "READER_PASSWORD",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub password: String,
    /// Generation of the firmware: up to 8.2 refuses with 200, later with 401, and only today's takes HTTP Basic.
    #[arg(long, value_enum, default_value = "15.2")]
    pub firmware: Firmware,
    /// Language of the warnings.
    #[arg(long, value_enum, default_value = "en")]
    pub language: Language,
    /// What is let through before the login.
    #[arg(long, value_enum, default_value = "api")]
    pub access: Access,
    /// How times are written.
    #[arg(long, value_enum, default_value = "local")]
    pub time: TimeFormat,
    /// The device's zone: +01:00 and the like, or europe for +01:00 with summer time.
    #[arg(long, default_value = "+01:00", allow_hyphen_values = true)]
    pub zone: Zone,
    /// How long an answer takes, in milliseconds: 100, or 50..300 for anything between.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = latency)]
    pub latency: (Duration, Duration),
    /// A second call to the same reader waits for the first.
    #[arg(long)]
    pub one_at_a_time: bool,
    /// Closes the connection after each answer.
    #[arg(long)]
    pub close: bool,
    /// What goes wrong: NAME for ever or NAME:CALLS; give it again for what comes after.
    #[arg(long, value_name = "FAULT[:CALLS]")]
    pub fault: Vec<FaultStep>,
}

impl From<Args> for FarmOptions {
    fn from(args: Args) -> Self {
        let reader = ReaderOptions {
            bind: args.listen,
            meters: meters(args.labels),
            solar: !args.no_solar,
            seed: args.seed,
            firmware: args.firmware,
            language: args.language,
            access: args.access,
            password: args.password.into(),
            time_format: args.time,
            zone: args.zone,
            latency: args.latency.0..=args.latency.1,
            connection_close: args.close,
            one_at_a_time: args.one_at_a_time,
            faults: args.fault,
            keep_calls: 0,
            ..ReaderOptions::default()
        };
        Self {
            readers: args.count,
            reader,
        }
    }
}

/// Runs the readers until Ctrl-C.
///
/// # Errors
/// The address cannot be listened on.
pub async fn run(args: Args) -> Result<(), StartError> {
    let farm = ReaderFarm::start(args.into()).await?;
    println!(
        "{} reader(s) on http://{}",
        farm.calls_each().len(),
        farm.address()
    );
    println!("Ask one: curl '{}/cm?cmnd=Status%2010'", farm.url(0));
    // Without a way to wait for Ctrl-C the readers go on until the process is ended from outside.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    println!("{} calls answered", farm.calls());
    farm.stop().await;
    Ok(())
}

/// Meters of one name are told apart by a number, as owners do in their scripts.
fn meters(labels: Vec<Labels>) -> Vec<Meter> {
    let mut meters: Vec<Meter> = Vec::new();
    for labels in labels {
        let mut meter = Meter::from(labels);
        let same = meters
            .iter()
            .filter(|other| other.labels.prefix() == labels.prefix())
            .count();
        if same > 0 {
            meter.prefix = Some(format!("{}{}", labels.prefix(), same + 1).into());
        }
        meters.push(meter);
    }
    meters
}

fn latency(text: &str) -> Result<(Duration, Duration), String> {
    let ms = |part: &str| {
        part.parse()
            .map(Duration::from_millis)
            .map_err(|_| format!("{part:?} is no number of milliseconds"))
    };
    let (least, most) = match text.split_once("..") {
        Some((least, most)) => (ms(least)?, ms(most)?),
        None => (ms(text)?, ms(text)?),
    };
    if most < least {
        Err(format!("{text:?} ends before it begins"))
    } else {
        Ok((least, most))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use clap::{Args as _, CommandFactory as _, FromArgMatches as _};

    use super::*;

    #[derive(clap::Parser)]
    struct Whole {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> FarmOptions {
        let command = Args::augment_args(clap::Command::new("readers"));
        let matches = command
            .try_get_matches_from([&["readers"], arguments].concat())
            .unwrap();
        Args::from_arg_matches(&matches).unwrap().into()
    }

    #[test]
    fn the_definition_is_sound() {
        Whole::command().debug_assert();
    }

    #[test]
    fn arguments_become_options() {
        let options = parse(&[
            "--labels",
            "total",
            "--labels",
            "obis",
            "--zone",
            "-03:30",
            "--latency",
            "50..300",
            "--fault",
            "zeros:2",
        ]);
        assert_eq!(options.readers, 1);
        let prefixes: Vec<_> = options.reader.meters.iter().map(Meter::prefix).collect();
        assert_eq!(prefixes, ["SML", "SML2"]);
        assert_eq!(options.reader.zone, Zone::Fixed(-210));
        assert_eq!(
            options.reader.latency,
            Duration::from_millis(50)..=Duration::from_millis(300)
        );
        assert_eq!(options.reader.faults, ["zeros:2".parse().unwrap()]);
    }

    #[test]
    fn a_latency_is_a_number_or_a_span() {
        assert!(latency("100").is_ok());
        for wrong in ["", "x", "1..", "9..1"] {
            assert!(latency(wrong).is_err(), "{wrong}");
        }
    }
}
