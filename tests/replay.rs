//! Dead letters are sent again as they were, whatever happens on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "tick/scripted.rs"]
mod scripted;

use std::collections::BTreeSet;
use std::time::Duration;

use meterbridge::forward::Error;
use meterbridge::poll::Outcome;
use meterbridge::poll::replay::Fate;
use meterbridge::store::documents::DeadLetter;
use scripted::{Bench, MINUTE, START};

/// Rows of which some were refused for good: as many letters as rows were cursed.
async fn refused(cursed: &[i64]) -> Bench {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..30 {
        bench.source.push(minute, &"1".repeat(200));
    }
    for &minute in cursed {
        bench.hub.curse(minute);
    }
    bench.config.start = Some(START);
    bench.poller.pack.unit = 512;
    bench.poller.pack.units = 1;
    bench.advance(60 * MINUTE);
    bench.tick().await;
    assert_eq!(bench.dead_letters().await.len(), cursed.len());
    bench
}

fn assert_as_it_was(bench: &Bench, letter: &DeadLetter) {
    for message in bench
        .hub
        .taken()
        .iter()
        .filter(|message| message.id == letter.message_id)
    {
        assert_eq!(message.body.as_ref(), letter.body.as_bytes());
        assert_eq!(message.properties, letter.properties);
        assert_eq!(message.created, letter.created);
    }
}

#[tokio::test]
async fn letters_are_taken_once_and_marked_after_the_204() {
    let bench = refused(&[3, 9, 20]).await;
    let before = bench.state().await;
    bench.hub.bless();
    bench.advance(MINUTE);
    let done = bench.replay().await;
    assert_eq!(done.letters.len(), 3);
    assert!(
        done.letters.iter().all(|(_, fate)| *fate == Fate::Taken),
        "{done:?}"
    );
    assert_eq!(bench.hub.stamps().len(), 30);
    for letter in bench.dead_letters().await {
        assert_eq!(letter.replayed_at, Some(bench.now()));
        assert!(letter.ttl.is_some());
        assert_as_it_was(&bench, &letter);
    }
    let done = bench.replay().await;
    assert!(
        done.letters.iter().all(|(_, fate)| *fate == Fate::Gone),
        "{done:?}"
    );
    assert_eq!(bench.hub.stamps().len(), 30);
    let after = bench.state().await;
    assert_eq!(
        (after.mark, after.checkpoint, after.asking),
        (before.mark, before.checkpoint, before.asking)
    );
}

#[tokio::test]
async fn a_letter_that_is_refused_again_stays_with_the_newest_reason() {
    let bench = refused(&[3, 9]).await;
    bench.hub.bless();
    bench.hub.refuse(1, || Error::Refused {
        hub: "hub".into(),
        status: 400,
        detail: "another reason".into(),
    });
    let done = bench.replay().await;
    assert!(
        matches!(&done.letters[0].1, Fate::Refused(why) if why.contains("another reason")),
        "{done:?}"
    );
    assert_eq!(done.letters[1].1, Fate::Taken);
    let letters = bench.dead_letters().await;
    assert!(letters[0].why.contains("another reason"));
    assert_eq!((letters[0].replayed_at, letters[0].ttl), (None, None));
    assert!(letters[1].replayed_at.is_some());
}

/// Two refusals parked the source; what the hub takes of the letters shows that it is over.
#[tokio::test]
async fn a_success_unparks_and_an_outage_changes_nothing() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..30 {
        bench.source.push(minute, &"1".repeat(200));
    }
    bench.hub.curse(0);
    bench.hub.curse(1);
    bench.config.start = Some(START);
    bench.poller.pack.unit = 512;
    bench.poller.pack.units = 1;
    bench.advance(60 * MINUTE);
    bench.tick().await;
    assert!(bench.state().await.parked.is_some());
    bench.hub.bless();
    bench.hub.refuse(100, || Error::Unavailable {
        hub: "hub".into(),
        status: 503,
        detail: "down".into(),
        after: Some(Duration::from_secs(100)),
    });
    let done = bench.replay().await;
    assert!(done.held.is_some() && done.letters.is_empty(), "{done:?}");
    assert!(
        bench
            .dead_letters()
            .await
            .iter()
            .all(|letter| letter.replayed_at.is_none())
    );
    bench.hub.accept();
    let done = bench.replay().await;
    assert_eq!(done.letters.len(), 2, "{done:?}");
    let state = bench.state().await;
    assert_eq!((state.parked, state.refused), (None, 0));
    assert_eq!(bench.tick().await.outcome, Outcome::Delivered);
    assert_eq!(bench.hub.stamps().len(), 30);
}

#[tokio::test]
async fn a_kill_at_every_operation_of_a_replay_loses_and_changes_nothing() {
    let cursed: Vec<i64> = (0..24).step_by(2).collect();
    let mut kills = 0;
    loop {
        let bench = refused(&cursed).await.restarted();
        bench.hub.bless();
        bench.kill_at(kills);
        let killed = bench.replay_until_killed().await;
        let sent: BTreeSet<String> = bench.hub.ids().into_iter().collect();
        for letter in bench.dead_letters().await {
            assert!(
                letter.replayed_at.is_none() || sent.contains(&letter.message_id),
                "marked before it was taken, killed at operation {kills}"
            );
        }
        let later = bench.restarted();
        later.advance(10 * MINUTE);
        later.replay().await;
        for letter in later.dead_letters().await {
            assert!(letter.replayed_at.is_some(), "killed at operation {kills}");
            assert_as_it_was(&later, &letter);
        }
        assert_eq!(later.hub.stamps().into_iter().collect::<BTreeSet<_>>().len(), 30);
        later.hub.assert_one_body_per_id();
        assert_eq!(
            later.hub.doubled_under_other_ids(),
            0,
            "killed at operation {kills}"
        );
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 20, "only {kills} operations");
}
