//! Sources without a backend.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use meterbridge::clock::{Clock, Millis};
use meterbridge::config::SyntheticConfig;
use meterbridge::reading::{Channel, Rows};
use meterbridge::source::synthetic::{BIRTH, Synthetic};
use meterbridge::source::{Error, Mapped, Request, Source, Window};

/// 2026-01-26T13:22:11.500Z.
const NOW: Millis = 1_769_433_731_500;
const QUARTER: Millis = 900_000;
const DAY: Millis = 86_400_000;

/// As the old connector: no backend, one row stamped now, a counter of seconds in the first channel, rising with the clock.
#[tokio::test]
async fn s1_17_emulation_mode() {
    let now = Arc::new(AtomicI64::new(NOW));
    let clock = {
        let now = Arc::clone(&now);
        Clock::from_fn(move || now.load(Ordering::Relaxed))
    };
    let source = Synthetic::new(config(&["ch0", "ch3", "ch1"], true), clock);
    assert!(!source.has_history());

    let answer = source.read(Window::Youngest).await.unwrap();
    assert_eq!(
        (answer.request, answer.status, answer.bytes),
        (Request::default(), 0, 0)
    );
    assert_eq!(answer.rows.stamps(), [NOW]);
    // 2026-01-26T13:22:11Z − 2017-01-01T00:00:00Z
    assert_eq!(answer.rows.value(0, 0), Some("286204931"));
    assert_eq!((answer.rows.value(0, 1), answer.rows.value(0, 2)), (None, None));

    now.fetch_add(60_000, Ordering::Relaxed);
    let open = Window::Range {
        from: NOW,
        until: NOW + 59_999,
        open: true,
    };
    let answer = source.read(open).await.unwrap();
    assert_eq!(answer.rows.stamps(), [NOW + 60_000]);
    assert_eq!(answer.rows.value(0, 0), Some("286204991"));

    // The counter knows no past.
    assert!(read(&source, 0, NOW).await.unwrap().is_empty());
    let finding = &source.inspect().await[0];
    assert_eq!(
        (finding.good, finding.text.as_str()),
        (
            true,
            "no backend: ch0 counts the seconds since 2017-01-01T00:00:00.000Z"
        )
    );
}

/// Rows stand on the grid of the interval, inside the window, up to the present.
#[tokio::test]
async fn rows_of_the_curve_stand_on_the_grid() {
    let source = household(&["E", "P"], 1);
    assert!(source.has_history());
    let newest = NOW / QUARTER * QUARTER;
    assert_eq!(
        source.read(Window::Youngest).await.unwrap().rows.stamps(),
        [newest]
    );

    let check = async |from, until, first, last| {
        let rows = read(&source, from, until).await.unwrap();
        let expected: Vec<Millis> = (0..)
            .map(|i| first + i * QUARTER)
            .take_while(|&at| at <= last)
            .collect();
        assert_eq!(rows.stamps(), expected, "{from} to {until}");
        assert_eq!(rows.readings(), 2 * expected.len());
    };
    check(newest - DAY, newest, newest - DAY, newest).await;
    check(
        newest - DAY + 1,
        newest - 1,
        newest - DAY + QUARTER,
        newest - QUARTER,
    )
    .await;
    check(newest - QUARTER, NOW + DAY, newest - QUARTER, newest).await;
    check(0, BIRTH + QUARTER, BIRTH, BIRTH + QUARTER).await;
    check(newest + 1, NOW, 1, 0).await;
    check(0, BIRTH - 1, 1, 0).await;
    check(newest, newest - 1, 1, 0).await;
}

/// The register rises by what the power gives; another seed is another household.
#[tokio::test]
async fn the_register_is_the_sum_of_the_power() {
    let day = NOW / DAY * DAY - DAY;
    let mut minutes = config(&["E", "P"], false);
    minutes.interval = Duration::from_secs(60);
    minutes.seed = 7;
    let minutes = Synthetic::new(minutes, Clock::from_fn(|| NOW));
    let rows = read(&minutes, day, day + DAY).await.unwrap();
    let number = |row, channel| rows.value(row, channel).unwrap().parse::<f64>().unwrap();
    let drawn = number(1440, 0) - number(0, 0);
    let sum: f64 = (0..1440).map(|row| number(row, 1) / 60_000.0).sum();
    // Power is shown without its decimals: up to a watt less each minute.
    assert!(
        drawn > 2.0 && drawn - sum > 0.0 && drawn - sum < 0.025,
        "{drawn} kWh, {sum} kWh"
    );
    assert!((1..=1440).all(|row| number(row, 0) >= number(row - 1, 0)));

    let again = read(&minutes, day, day + DAY).await.unwrap();
    assert_eq!(again, rows);
    let part = read(&minutes, day + DAY / 2, day + DAY).await.unwrap();
    assert_eq!(part.value(0, 0), rows.value(720, 0));
    let quarters = household(&["E", "P"], 7);
    assert_eq!(
        read(&quarters, day, day + DAY).await.unwrap().value(96, 0),
        rows.value(1440, 0)
    );
    let other = household(&["E", "P"], 8);
    assert_ne!(
        read(&other, day, day + DAY).await.unwrap().value(96, 0),
        rows.value(1440, 0)
    );
}

/// The numbers themselves: the same on every machine and in every version, or stored readings would seem revised.
#[tokio::test]
async fn the_curve_never_changes() {
    let source = household(&["E", "P"], 1);
    let rows = read(&source, NOW - 3 * QUARTER, NOW).await.unwrap();
    let shown: Vec<_> = (0..rows.len())
        .map(|r| (rows.value(r, 0), rows.value(r, 1)))
        .collect();
    let expected = [("30518.985", "560"), ("30519.110", "367"), ("30519.186", "406")];
    assert_eq!(shown, expected.map(|(energy, power)| (Some(energy), Some(power))));
}

#[tokio::test]
async fn scales_and_limits_hold() {
    let mut scaled = config(&["E"], false);
    scaled.channels[0].scale = Some("1000".parse().unwrap());
    let scaled = Synthetic::new(scaled, Clock::from_fn(|| NOW));
    let plain = household(&["E"], 0);
    let watt_hours = read(&scaled, NOW - QUARTER, NOW).await.unwrap();
    let kilo = read(&plain, NOW - QUARTER, NOW).await.unwrap();
    let kilo: f64 = kilo.value(0, 0).unwrap().parse().unwrap();
    let watt_hours: f64 = watt_hours.value(0, 0).unwrap().parse().unwrap();
    assert!((watt_hours - kilo * 1000.0).abs() < 0.5);

    let mut seconds = config(&["E"], false);
    seconds.interval = Duration::from_secs(1);
    let seconds = Synthetic::new(seconds, Clock::from_fn(|| NOW));
    assert!(matches!(
        read(&seconds, BIRTH, NOW).await,
        Err(Error::TooManyRows { limit: 1_000_000, .. })
    ));
}

fn config(names: &[&str], counter: bool) -> SyntheticConfig {
    let channel = |name: &&str| Mapped {
        channel: Channel::named(*name),
        scale: None,
    };
    SyntheticConfig {
        channels: names.iter().map(channel).collect(),
        counter,
        interval: Duration::from_secs(900),
        seed: 0,
    }
}

fn household(names: &[&str], seed: u64) -> Synthetic {
    let config = SyntheticConfig {
        seed,
        ..config(names, false)
    };
    Synthetic::new(config, Clock::from_fn(|| NOW))
}

async fn read(source: &Synthetic, from: Millis, until: Millis) -> Result<Rows, Error> {
    let window = Window::Range {
        from,
        until,
        open: false,
    };
    Ok(source.read(window).await?.rows)
}
