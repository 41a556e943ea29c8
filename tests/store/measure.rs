//! Prints what the embedded store manages. In debug builds it is quick and says little; run it with `--release -- --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use meterbridge::store::{Store, Write};

use super::embedded::open;
use super::samples::{attempt, batch, shipment, state};

/// The batch of a tick that found one row: state, attempt, shipment. Each caller is one source at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure_batches_of_three_writes() {
    let length = Duration::from_millis(if cfg!(debug_assertions) { 200 } else { 4_000 });
    for callers in [1, 8, 32, 128] {
        let home = tempfile::tempdir().unwrap();
        let store = open(&home);
        let mut tasks = tokio::task::JoinSet::new();
        let start = Instant::now();
        for caller in 0..callers {
            let store = Arc::clone(&store);
            tasks.spawn(async move { tick_after_tick(&*store, &format!("s{caller}"), start + length).await });
        }
        let mut ticks = 0;
        while let Some(done) = tasks.join_next().await {
            ticks += done.unwrap();
        }
        let rate = f64::from(ticks) / start.elapsed().as_secs_f64();
        println!("{callers:>4} callers: {rate:>8.0} batches/s");
        assert!(ticks > 0);

        let start = Instant::now();
        for _ in 0..2_000 {
            store.read("s0", "state").await.unwrap().unwrap();
        }
        println!(
            "              {:>8.1} us a read",
            start.elapsed().as_secs_f64() * 1e6 / 2_000.0
        );
    }
}

async fn tick_after_tick(store: &dyn Store, source: &str, until: Instant) -> u32 {
    let first = batch(source, [Write::Create(state(source, "cloud", 0, 0))]);
    let mut etag = store.commit(first).await.unwrap().etags.remove(0).unwrap();
    let mut ticks = 0;
    while Instant::now() < until {
        ticks += 1;
        let number = u64::from(ticks);
        let tick = batch(
            source,
            [
                Write::Replace(state(source, "cloud", number, i64::from(ticks)), etag),
                Write::Create(attempt(source, number, None)),
                Write::Create(shipment(source, number)),
            ],
        );
        etag = store.commit(tick).await.unwrap().etags.remove(0).unwrap();
    }
    ticks
}
