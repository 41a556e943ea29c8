//! The tick over the embedded store, with a scripted source and hub: order of steps, delivery, and a kill at every operation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    unreachable_pub,
    dead_code
)]

#[path = "tick/scripted.rs"]
mod scripted;

use std::collections::BTreeSet;

use meterbridge::config::Format;
use meterbridge::forward::Error;
use meterbridge::poll::Outcome;
use meterbridge::store::documents::{Attempt, Shipment};
use meterbridge::store::{Document, List};
use scripted::{Bench, MINUTE, START};

/// Row S1-12: the resume point comes back from the store, per source, after the process is gone.
#[tokio::test]
async fn s1_12_resume_point_survives_a_restart() {
    let bench = Bench::history(&[(0, "1"), (1, "2")]).await;
    let report = bench.tick().await;
    assert_eq!((report.outcome, report.rows), (Outcome::Delivered, 1));
    bench.source.push(2, "3");
    let again = bench.restarted();
    again.advance(MINUTE);
    let report = again.tick().await;
    assert_eq!((report.outcome, report.rows), (Outcome::Delivered, 1));
    assert_eq!(again.hub.stamps(), [START + MINUTE, START + 2 * MINUTE]);
}

/// The checkpoint moves only after the 204 of the shipment that carries it; the mark moves when the rows are stored.
#[tokio::test]
async fn the_checkpoint_waits_for_the_204() {
    let bench = Bench::history(&[(0, "1")]).await;
    bench.hub.refuse(10, || Error::Unavailable {
        hub: "hub".into(),
        status: 503,
        detail: "down".into(),
        after: None,
    });
    let report = bench.tick().await;
    assert_eq!(report.outcome, Outcome::Stored);
    let state = bench.state().await;
    assert_eq!(
        (state.mark, state.checkpoint, state.pending.len()),
        (Some(START), None, 1)
    );
    bench.hub.accept();
    bench.advance(MINUTE);
    let report = bench.tick().await;
    assert_eq!((report.outcome, report.messages), (Outcome::Delivered, 1));
    let state = bench.state().await;
    assert_eq!(
        (state.mark, state.checkpoint, state.pending.len()),
        (Some(START), Some(START), 0)
    );
}

/// Rows S1-9 and S1-11 (as far as both stores share it): each poll's request and result are stored, sent or not.
#[tokio::test]
async fn s1_09_request_and_result_are_stored() {
    let bench = Bench::history(&[(0, "1")]).await;
    bench.tick().await;
    bench.advance(MINUTE);
    bench.tick().await;
    bench.source.fail(1);
    bench.advance(MINUTE);
    bench.tick().await;
    let mut attempts = bench.attempts().await;
    attempts.sort_by_key(|attempt| attempt.number);
    let outcomes: Vec<&str> = attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["rows", "empty", "login"]);
    assert_eq!(attempts[2].request.url, attempts[0].request.url);
    assert_eq!(attempts[0].request.url, "https://backend/histdata0");
    assert_eq!(attempts[0].status, 200);
    assert!(attempts[0].inline.is_some());
    assert!(
        attempts[2]
            .error
            .as_deref()
            .unwrap()
            .contains("refused the login")
    );
    // What is delivered or empty may age; see the TTL on each.
    assert!(attempts.iter().all(|attempt| attempt.ttl.is_some()));
}

/// Row S1-18: a poll without data is stored, and nothing is sent.
#[tokio::test]
async fn s1_18_polls_without_data_are_stored_but_not_sent() {
    let bench = Bench::history(&[]).await;
    let report = bench.tick().await;
    assert_eq!(report.outcome, Outcome::Empty);
    assert_eq!(bench.attempts().await.len(), 1);
    assert!(bench.hub.ids().is_empty());
}

/// Row S1-20: the message holds the polling window.
#[tokio::test]
async fn s1_20_messages_hold_the_polling_window() {
    let bench = Bench::history(&[(0, "1")]).await;
    bench.tick().await;
    bench.source.push(5, "2");
    bench.advance(10 * MINUTE);
    bench.tick().await;
    let body: serde_json::Value = serde_json::from_slice(&bench.hub.bodies()[1]).unwrap();
    assert_eq!(body["Timerange"]["begin"], meterbridge::clock::iso(START + 1));
    assert_eq!(body["Timerange"]["end"], meterbridge::clock::iso(bench.now()));
}

/// An outage of the hub does not stop the reading of a reader; what it read goes out afterwards, oldest first, under rising ids.
#[tokio::test]
async fn a_reader_is_read_on_while_the_hub_is_down() {
    let bench = Bench::reader().await;
    bench.hub.refuse(1_000, || Error::Unavailable {
        hub: "hub".into(),
        status: 0,
        detail: "unreachable".into(),
        after: None,
    });
    for _ in 0..5 {
        bench.tick().await;
        bench.advance(MINUTE);
    }
    assert_eq!(bench.source.calls(), 5);
    bench.hub.accept();
    bench.tick().await;
    let stamps = bench.hub.stamps();
    assert_eq!(stamps.len(), 6);
    assert!(stamps.is_sorted());
    assert_eq!(bench.state().await.checkpoint, Some(bench.now()));
}

/// Late and corrected rows inside the overlap are found once; what was delivered is not sent again.
#[tokio::test]
async fn the_overlap_finds_late_rows_and_revisions_once() {
    let mut bench = Bench::history(&[(0, "1")]).await;
    bench.config.overlap = std::time::Duration::from_secs(3600);
    bench.config.start = Some(START);
    bench.tick().await;
    bench.source.push(3, "4");
    bench.advance(5 * MINUTE);
    bench.tick().await;
    bench.source.push(1, "2");
    bench.source.push(3, "5");
    bench.advance(MINUTE);
    bench.tick().await;
    bench.advance(MINUTE);
    let last = bench.tick().await;
    assert_eq!((last.outcome, last.known), (Outcome::Empty, 3));
    let revisions: Vec<bool> = bench
        .hub
        .properties("revision")
        .iter()
        .map(Option::is_some)
        .collect();
    assert_eq!(revisions, [false, false, false, true]);
    assert_eq!(
        bench.hub.stamps(),
        [START, START + 3 * MINUTE, START + MINUTE, START + 3 * MINUTE]
    );
}

/// 413: the part is cut finer under new labels; no id ever carries another body.
#[tokio::test]
async fn a_message_that_is_too_large_is_cut_finer() {
    let rows: Vec<(i64, String)> = (0..200).map(|i| (i, i.to_string())).collect();
    let rows: Vec<(i64, &str)> = rows.iter().map(|(i, v)| (*i, v.as_str())).collect();
    let mut bench = Bench::history(&rows).await;
    bench.config.start = Some(START);
    bench.advance(300 * MINUTE);
    bench.hub.limit(3_000);
    let report = bench.tick().await;
    assert_eq!(report.outcome, Outcome::Delivered, "{report:?}");
    assert_eq!(bench.hub.stamps().len(), 200);
    assert!(bench.hub.ids().iter().any(|id| id.ends_with(".0.0.0")));
}

/// 400 twice in a row parks the source: the refused messages are kept as dead letters, the rest stays pending.
#[tokio::test]
async fn refused_messages_become_dead_letters_and_two_in_a_row_park() {
    let rows: Vec<(i64, String)> = (0..200).map(|i| (i, i.to_string())).collect();
    let rows: Vec<(i64, &str)> = rows.iter().map(|(i, v)| (*i, v.as_str())).collect();
    let mut bench = Bench::history(&rows).await;
    bench.config.start = Some(START);
    bench.poller.pack.units = 1;
    bench.advance(300 * MINUTE);
    bench.hub.refuse(1_000, || Error::Refused {
        hub: "hub".into(),
        status: 400,
        detail: "no".into(),
    });
    let report = bench.tick().await;
    assert_eq!(report.dead, 2);
    let state = bench.state().await;
    assert!(state.parked.is_some());
    assert_eq!((state.pending.len(), state.confirmed), (1, 2));
    let letters = bench
        .poller
        .store
        .list(List {
            source: None,
            kind: "deadletter",
            limit: 10,
            before: None,
        })
        .await
        .unwrap();
    assert_eq!(letters.len(), 2);
    // Parked: nothing is sent until the pause is over, then the rest goes on.
    bench.hub.accept();
    bench.advance(MINUTE);
    bench.tick().await;
    assert!(bench.hub.ids().is_empty());
    bench.advance(10 * MINUTE);
    bench.tick().await;
    assert!(bench.state().await.pending.is_empty());
    let Document::DeadLetter(letter) = &letters[0].document else {
        panic!("a dead letter")
    };
    assert!(!bench.hub.ids().contains(&letter.message_id));
}

/// Rows of several attempts wait for `send_every` and go out together.
#[tokio::test]
async fn rows_wait_for_send_every() {
    let mut bench = Bench::reader().await;
    bench.config.send_every = std::time::Duration::from_secs(600);
    for _ in 0..10 {
        assert_eq!(bench.tick().await.outcome, Outcome::Stored);
        bench.advance(MINUTE);
    }
    assert!(bench.hub.ids().is_empty());
    bench.tick().await;
    assert_eq!(bench.hub.ids().len(), 1);
    assert_eq!(bench.hub.stamps().len(), 11);
}

/// One tick at a time: while one holds the lease, another is turned away; after the lease is over it goes on.
#[tokio::test]
async fn a_held_source_is_left_alone_until_its_lease_is_over() {
    let bench = Bench::reader().await;
    bench.kill_at(3);
    bench.tick_until_killed().await;
    let second = bench.restarted();
    assert_eq!(second.tick().await.outcome, Outcome::Busy);
    second.advance(10 * MINUTE);
    assert_eq!(second.tick().await.outcome, Outcome::Delivered);
}

/// A tick that may take hours holds its source as well as a short one does.
#[tokio::test]
async fn a_long_tick_holds_its_source() {
    let mut bench = Bench::reader().await;
    bench.patience = 24 * 60 * MINUTE;
    bench.kill_at(3);
    bench.tick_until_killed().await;
    let second = bench.restarted();
    second.advance(MINUTE);
    assert_eq!(second.tick().await.outcome, Outcome::Busy);
    second.advance(60 * MINUTE);
    assert_eq!(second.tick().await.outcome, Outcome::Delivered);
}

/// A pass that was broken off shortly before its end is finished, however many rows came behind that end in the meantime.
#[tokio::test]
async fn an_old_pass_is_finished_whatever_came_behind_it() {
    let mut bench = Bench::history(&[(0, "1"), (1, "2")]).await;
    bench.config.start = Some(START);
    bench.config.slice = std::time::Duration::from_secs(60);
    bench.source.hold(10);
    // Killed when the first slice is recorded, with the last still to be asked for.
    bench.kill_at(8);
    assert!(bench.tick_until_killed().await);
    assert!(bench.state().await.pass.is_some());
    for minute in 2..40 {
        bench.source.push(minute, "3");
    }
    let later = bench.restarted();
    for _ in 0..3 {
        later.advance(40 * MINUTE);
        later.tick().await;
    }
    let stamps: BTreeSet<i64> = later.hub.stamps().into_iter().collect();
    assert_eq!(stamps.len(), 40);
}

/// The process is killed before and after every single operation of the first ticks, on the source, the store and the hub.
/// What the hub holds in the end is every row, and no id ever carried another body.
#[tokio::test]
async fn a_kill_at_every_operation_loses_and_doubles_nothing() {
    let rows: Vec<(i64, String)> = (0..120).map(|i| (i, i.to_string())).collect();
    let rows: Vec<(i64, &str)> = rows.iter().map(|(i, v)| (*i, v.as_str())).collect();
    for (format, units, slice) in [
        (Format::Timeseries, 1, 50),
        (Format::Columns, 46, 1_000),
        (Format::Flat, 2, 7),
    ] {
        let mut kills = 0;
        loop {
            let mut bench = Bench::history(&rows).await;
            bench.config.start = Some(START);
            bench.config.overlap = std::time::Duration::from_secs(600);
            bench.config.slice = std::time::Duration::from_secs(60 * slice);
            bench.poller.pack.format = format;
            bench.poller.pack.units = units;
            bench.advance(200 * MINUTE);
            bench.kill_at(kills);
            let killed = bench.tick_until_killed().await;
            let mut later = bench.restarted();
            // The unit of a body may even be configured anew in between: what was frozen keeps its cut.
            later.poller.pack.units = 3;
            for _ in 0..4 {
                later.advance(10 * MINUTE);
                later.tick().await;
            }
            let stamps: BTreeSet<i64> = later.hub.stamps().into_iter().collect();
            assert_eq!(stamps.len(), 120, "{format:?}, killed at operation {kills}");
            later.hub.assert_one_body_per_id();
            assert_eq!(
                later.hub.doubled_under_other_ids(),
                0,
                "{format:?}, killed at operation {kills}"
            );
            let state = later.state().await;
            assert_eq!(
                (state.checkpoint, state.pending.len()),
                (Some(START + 119 * MINUTE), 0)
            );
            if !killed {
                break;
            }
            kills += 1;
        }
        assert!(kills > 10, "only {kills} operations");
    }
}

/// The same with a reader that collects for `send_every`, through an outage of the hub.
#[tokio::test]
async fn a_kill_at_every_operation_of_a_collecting_reader_loses_and_doubles_nothing() {
    let mut kills = 0;
    loop {
        let mut bench = Bench::reader().await;
        bench.config.send_every = std::time::Duration::from_secs(240);
        bench.hub.refuse(6, || Error::Unavailable {
            hub: "hub".into(),
            status: 503,
            detail: "down".into(),
            // More than the tick has left: one try a tick.
            after: Some(std::time::Duration::from_secs(100)),
        });
        bench.kill_at(kills);
        let mut killed = false;
        for _ in 0..12 {
            if killed {
                break;
            }
            killed = bench.tick_until_killed().await;
            bench.advance(MINUTE);
        }
        let later = bench.restarted();
        later.hub.accept();
        for _ in 0..4 {
            later.advance(10 * MINUTE);
            later.tick().await;
        }
        // What was read and stored arrives; the question that was killed before its answer was stored may have none.
        let mut stored: BTreeSet<i64> = BTreeSet::new();
        for attempt in later.attempts().await {
            stored.extend(
                attempt
                    .inline
                    .iter()
                    .filter_map(meterbridge::store::documents::StoredRows::last_stamp),
            );
        }
        let sent: BTreeSet<i64> = later.hub.stamps().into_iter().collect();
        // The last one may still be collected.
        let waiting = later.state().await.unshipped.len();
        assert_eq!(sent.len() + waiting, stored.len(), "killed at operation {kills}");
        assert!(
            stored.len() + 1 >= later.source.calls(),
            "killed at operation {kills}"
        );
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
    assert!(kills > 50, "only {kills} operations");
}

/// The same where the hub wants finer cuts and refuses single rows for good: each row is delivered or a dead letter, under one id.
#[tokio::test]
async fn a_kill_at_every_operation_of_cuts_and_dead_letters_loses_and_doubles_nothing() {
    let mut kills = 0;
    loop {
        let mut bench = Bench::history(&[]).await;
        for minute in 0..64 {
            bench.source.push(minute, &minute.to_string());
        }
        for minute in [3, 20, 21, 50] {
            bench.hub.curse(minute);
        }
        bench.hub.limit(700);
        bench.config.start = Some(START);
        bench.config.overlap = std::time::Duration::from_secs(600);
        bench.config.slice = std::time::Duration::from_secs(60 * 25);
        bench.advance(70 * MINUTE);
        bench.kill_at(kills);
        let killed = bench.tick_until_killed().await;
        let later = bench.restarted();
        for _ in 0..6 {
            later.advance(10 * MINUTE);
            later.tick().await;
        }
        let letters = later.letters().await;
        let ids: BTreeSet<String> = later.hub.ids().into_iter().collect();
        assert!(
            letters.keys().all(|id| !ids.contains(id)),
            "killed at operation {kills}"
        );
        let mut ends: Vec<i64> = letters.values().flatten().copied().collect();
        let dead: BTreeSet<i64> = ends.iter().copied().collect();
        assert_eq!(
            dead.len(),
            ends.len(),
            "a row in two dead letters, killed at operation {kills}"
        );
        let sent: BTreeSet<i64> = later.hub.stamps().into_iter().collect();
        assert!(sent.is_disjoint(&dead), "killed at operation {kills}");
        ends.extend(&sent);
        assert_eq!(ends.len(), 64, "killed at operation {kills}");
        later.hub.assert_one_body_per_id();
        assert_eq!(
            later.hub.doubled_under_other_ids(),
            0,
            "killed at operation {kills}"
        );
        assert!(later.state().await.pending.is_empty());
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 50, "only {kills} operations");
}

/// A process that stands still at any operation until its lease is over, while another works, writes nothing more when it goes on.
#[tokio::test]
async fn a_process_that_lost_its_lease_writes_nothing_more() {
    let mut at = 0;
    loop {
        let mut bench = Bench::history(&[]).await;
        for minute in 0..60 {
            bench.source.push(minute, &minute.to_string());
        }
        bench.config.start = Some(START);
        bench.config.overlap = std::time::Duration::from_secs(600);
        bench.config.slice = std::time::Duration::from_secs(60 * 25);
        bench.poller.pack.units = 1;
        bench.advance(70 * MINUTE);
        bench.pause_at(at);
        let second = bench.restarted();
        let mut paused = false;
        {
            let first = bench.tick();
            tokio::pin!(first);
            let stood = tokio::select! {
                biased;
                () = bench.paused() => true,
                _ = &mut first => false,
            };
            if stood {
                paused = true;
                second.advance(10 * MINUTE);
                let report = second.tick().await;
                assert!(
                    matches!(report.outcome, Outcome::Delivered | Outcome::Empty),
                    "{report:?}, paused at operation {at}"
                );
                let before = second.everything().await;
                let calls = second.hub.calls();
                bench.resume();
                let report = first.await;
                // Before its first question to the store it had no lease to lose.
                if at > 0 {
                    assert_eq!(
                        second.everything().await,
                        before,
                        "paused at operation {at}: {report:?}"
                    );
                    // Nor does it begin to send: what it has in its hands another has sent by now.
                    assert_eq!(second.hub.calls(), calls, "paused at operation {at}: {report:?}");
                }
            }
        }
        second.advance(10 * MINUTE);
        second.tick().await;
        assert_eq!(second.hub.stamps().iter().collect::<BTreeSet<_>>().len(), 60);
        second.hub.assert_one_body_per_id();
        assert_eq!(
            second.hub.doubled_under_other_ids(),
            0,
            "paused at operation {at}"
        );
        if !paused {
            break;
        }
        at += 1;
    }
    assert!(at > 10, "only {at} operations");
}

/// A reply of the store that is lost although the write was made is no reason to write twice, nor to give up.
#[tokio::test]
async fn lost_replies_of_the_store_are_seen_through() {
    for lost in 0..6 {
        let bench = Bench::history(&[(0, "1")]).await;
        bench.lose_reply(lost);
        bench.tick().await;
        bench.advance(10 * MINUTE);
        bench.tick().await;
        assert_eq!(
            bench.hub.stamps().iter().collect::<BTreeSet<_>>().len(),
            1,
            "reply {lost} lost"
        );
        bench.hub.assert_one_body_per_id();
        assert_eq!(bench.hub.doubled_under_other_ids(), 0, "reply {lost} lost");
    }
}

/// A write that never arrived is not taken for made because it would have left the state as it was: the finer cut of a message that
/// is too large is stored before it is sent, whichever write is lost, and wherever the process dies.
#[tokio::test]
async fn what_is_sent_was_stored_whichever_write_is_lost() {
    for lost in 0..6 {
        let mut kills = 0;
        loop {
            let mut bench = Bench::history(&[]).await;
            for minute in 0..16 {
                bench.source.push(minute, &minute.to_string());
            }
            bench.config.start = Some(START);
            bench.hub.limit(700);
            bench.advance(20 * MINUTE);
            bench.refuse_commit(lost);
            bench.kill_at(kills);
            let killed = bench.tick_until_killed().await;
            let frozen = bench.frozen().await;
            for id in bench.hub.ids() {
                assert!(
                    frozen.contains(&id),
                    "{id}, write {lost} lost, killed at operation {kills}"
                );
            }
            if !killed {
                break;
            }
            kills += 1;
        }
        // A claim that is not written ends the tick before it has sent anything.
        assert!(lost == 0 || kills > 10, "only {kills} operations");
    }
}

/// A channel that is given an OBIS code while rows wait: each row goes out under the name that it was read with.
#[tokio::test]
async fn rows_keep_the_name_that_they_were_read_with() {
    let mut bench = Bench::reader().await;
    bench.config.send_every = std::time::Duration::from_secs(60);
    bench.tick().await;
    bench.source.map("1-0:1.8.0*255");
    bench.advance(MINUTE);
    bench.tick().await;
    let body: serde_json::Value = serde_json::from_slice(&bench.hub.bodies()[0]).unwrap();
    assert_eq!(body["Timeseries"][0]["Channels"], serde_json::json!({ "ch0": 7 }));
    assert_eq!(
        body["Timeseries"][1]["Channels"],
        serde_json::json!({ "1-0:1.8.0*255": 7 })
    );
}

/// A device whose clock is ahead: its row is delivered once, and what it measures at the right time is not passed over.
#[tokio::test]
async fn a_row_stamped_in_the_future_is_sent_once_and_hides_nothing() {
    for overlap in [0, 600] {
        for start in [None, Some(START)] {
            let mut bench = Bench::history(&[(0, "1")]).await;
            bench.config.overlap = std::time::Duration::from_secs(overlap);
            bench.config.start = start;
            bench.source.push_ahead(30, "9");
            for minute in 2..60 {
                bench.source.push(minute, "2");
                bench.tick().await;
                bench.advance(MINUTE);
            }
            let stamps: BTreeSet<i64> = bench.hub.stamps().into_iter().collect();
            let expected: BTreeSet<i64> = (2..59).map(|minute| START + minute * MINUTE).collect();
            let missing: Vec<_> = expected
                .difference(&stamps)
                .map(|s| (s - START) / MINUTE)
                .collect();
            assert!(missing.is_empty(), "{overlap} {start:?}: {missing:?}");
            let revised = bench.hub.properties("revision").iter().flatten().count();
            assert_eq!(
                bench.hub.doubled_under_other_ids() - revised,
                0,
                "{overlap} {start:?}"
            );
        }
    }
}

/// A question that is repeated later is answered up to the present: what lies past its end is not sent again by the next one.
#[tokio::test]
async fn a_repeated_question_doubles_nothing() {
    for overlap in [0, 600] {
        let mut bench = Bench::history(&[(0, "1"), (1, "2"), (2, "3"), (3, "4"), (4, "5")]).await;
        bench.config.overlap = std::time::Duration::from_secs(overlap);
        bench.config.start = Some(START);
        bench.source.fail(1);
        for _ in 0..6 {
            bench.tick().await;
            bench.advance(MINUTE);
        }
        assert_eq!(bench.hub.stamps().iter().collect::<BTreeSet<_>>().len(), 5);
        assert_eq!(bench.hub.doubled_under_other_ids(), 0, "{overlap}");
    }
}

/// An overlap that is switched off and on again has seen nothing in between, and sends nothing of that again.
#[tokio::test]
async fn an_overlap_switched_off_and_on_doubles_nothing() {
    let mut bench = Bench::history(&[(0, "1")]).await;
    bench.config.start = Some(START);
    for (minute, overlap) in [(1, 3600), (2, 0), (3, 0), (4, 3600), (5, 3600)] {
        bench.config.overlap = std::time::Duration::from_secs(overlap);
        bench.source.push(minute, "1");
        bench.tick().await;
        bench.advance(MINUTE);
    }
    assert_eq!(bench.hub.stamps().len(), 6);
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
}

/// A meter with nothing to say for longer than one batch has writes: its pass goes on all the same.
#[tokio::test]
async fn many_empty_slices_in_one_tick_are_recorded() {
    let mut bench = Bench::history(&[(0, "1"), (3_000, "2")]).await;
    bench.config.start = Some(START);
    bench.config.slice = std::time::Duration::from_secs(600);
    bench.advance(3_001 * MINUTE);
    let report = bench.tick().await;
    assert_eq!(report.outcome, Outcome::Delivered, "{:?}", report.remarks);
    assert_eq!(bench.hub.stamps(), [START, START + 3_000 * MINUTE]);
}

/// More dead letters in one shipment than one batch has writes: each is kept once, and the rest is delivered.
#[tokio::test]
async fn many_dead_letters_in_one_shipment_are_kept() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..300 {
        bench.source.push(minute, &"1".repeat(200));
        if minute % 2 == 1 {
            bench.hub.curse(minute);
        }
    }
    bench.config.start = Some(START);
    bench.poller.pack.unit = 512;
    bench.poller.pack.units = 1;
    bench.advance(400 * MINUTE);
    let report = bench.tick().await;
    assert_eq!(
        (report.outcome, report.dead),
        (Outcome::Delivered, 150),
        "{:?}",
        report.remarks
    );
    assert_eq!(bench.hub.stamps().len(), 150);
    assert_eq!(bench.letters().await.len(), 150);
    assert!(bench.state().await.pending.is_empty());
}

/// A first write that the store did not take leaves the source without a state: it is not taken for one that has one.
#[tokio::test]
async fn a_source_whose_first_write_failed_is_polled_at_the_next_round() {
    let bench = Bench::reader().await;
    let members = vec![(bench.config.clone(), bench.reaped())];
    let rounds = meterbridge::poll::Rounds::new(bench.poller.clone(), "cloud".into(), 1, members);
    let now = bench.now();
    bench.refuse_commits(1);
    rounds.run(now, now + 50_000).await.unwrap();
    assert!(bench.hub.ids().is_empty());
    rounds.run(now, now + 50_000).await.unwrap();
    assert_eq!(bench.hub.ids().len(), 1);
}

/// Polls that people ask for come besides the schedule and put nothing off.
#[tokio::test]
async fn a_forced_poll_leaves_the_schedule_where_it_is() {
    let mut bench = Bench::reader().await;
    bench.config.schedule = meterbridge::config::Schedule::Every(std::time::Duration::from_secs(3600));
    bench.tick_when_due().await;
    let due = bench.state().await.next_due;
    for _ in 0..5 {
        bench.tick().await;
        assert_eq!(bench.state().await.next_due, due);
    }
    bench.advance(due - bench.now());
    assert_eq!(bench.tick_when_due().await.outcome, Outcome::Delivered);
    assert_eq!(bench.state().await.next_due, due + 3_600_000);
}

/// A backlog whose tick ends while it sends goes on at the very next tick, not a day later.
#[tokio::test]
async fn a_tick_that_ends_while_sending_goes_on_at_once() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..2_000 {
        bench.source.push(minute, &"1".repeat(300));
    }
    bench.config.start = Some(START);
    bench.config.schedule = meterbridge::config::Schedule::Every(std::time::Duration::from_secs(86_400));
    bench.poller.pack.units = 46;
    bench.poller.pack.format = Format::Flat;
    bench.advance(2_001 * MINUTE);
    // Every request to the hub takes a minute.
    bench.hub.takes(MINUTE);
    let report = bench.tick_when_due().await;
    assert!(report.unfinished && report.pending > 0, "{report:?}");
    for _ in 0..20 {
        bench.advance(MINUTE);
        bench.tick_when_due().await;
    }
    assert_eq!(bench.hub.stamps().len(), 2_000);
}

/// A long answer, a full digest and a shipment of many small messages fit into a batch of Cosmos DB, 2 MB, all the same.
#[tokio::test]
async fn a_batch_is_never_larger_than_cosmos_db_takes() {
    // Bytes of a billing unit, units of a message, digits of a value.
    for (unit, units, digits) in [(4096, 46, 40), (512, 1, 8), (4096, 1, 20)] {
        let mut bench = Bench::history(&[]).await;
        for minute in 0..60_000 {
            bench.source.push(minute, &"1".repeat(digits));
        }
        bench.config.start = Some(START);
        bench.config.overlap = std::time::Duration::from_secs(31 * 86_400);
        bench.config.slice = std::time::Duration::from_secs(366 * 86_400);
        bench.poller.pack.unit = unit;
        bench.poller.pack.units = units;
        bench.advance(60_001 * MINUTE);
        let report = bench.tick().await;
        assert_eq!(report.outcome, Outcome::Delivered, "{:?}", report.remarks);
        assert_eq!(bench.hub.stamps().len(), 60_000);
        assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    }
}

/// More rows than the digest holds: the overlap is shortened, said aloud, and nothing is sent twice for it.
#[tokio::test]
async fn a_full_digest_shortens_the_overlap_loudly_and_doubles_nothing() {
    const ROWS: i64 = 30_000;
    let mut bench = Bench::history(&[]).await;
    for minute in 0..ROWS {
        bench.source.push(minute, "1");
    }
    bench.config.start = Some(START);
    bench.config.overlap = std::time::Duration::from_secs(31 * 86_400);
    bench.config.slice = std::time::Duration::from_secs(5 * 86_400);
    bench.advance(ROWS * MINUTE);
    let report = bench.tick().await;
    assert!(
        report
            .remarks
            .iter()
            .any(|r| r.contains("is shortened; late rows before")),
        "{:?}",
        report.remarks
    );
    // Revised on both sides of the floor: the older one is not seen, the younger is marked.
    bench.source.push(100, "2");
    bench.source.push(ROWS - 100, "2");
    for _ in 0..3 {
        bench.advance(MINUTE);
        bench.tick().await;
    }
    assert_eq!(bench.hub.stamps().len(), usize::try_from(ROWS).unwrap() + 1);
    assert_eq!(bench.hub.properties("revision").iter().flatten().count(), 1);
    assert_eq!(bench.hub.doubled_under_other_ids(), 1);
    let revised = bench.hub.bodies().pop().unwrap();
    let revised: serde_json::Value = serde_json::from_slice(&revised).unwrap();
    assert_eq!(revised["revision"], true);
}

#[test]
fn ids_sort_by_number() {
    assert!(Attempt::id_of("b", 9) < Attempt::id_of("b", 10));
    assert!(Shipment::id_of("b", 99) < Shipment::id_of("b", 1_000_000));
}
