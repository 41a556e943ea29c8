//! Zeros that are no measurements, and zeros that are.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::source::tasmota::{channels, reply};

/// Sifts replies in turn; returns what is sent of the last, and its remarks.
fn sifted(replies: &[&str], stale_after: u32) -> (Vec<(String, String)>, Vec<String>) {
    let mut memory = Memory::default();
    let mut last = Picked::default();
    for sensors in replies {
        let reply = reply::parse(format!(r#"{{"StatusSNS":{sensors}}}"#).as_bytes()).unwrap();
        last = channels::pick(&reply.leaves, &[], true);
        sift(&mut last, &mut memory, stale_after);
    }
    let sent = last
        .values
        .into_iter()
        .filter_map(|pick| Some((pick.channel.name, pick.sent?)));
    (sent.collect(), last.remarks)
}

fn check(replies: &[&str], expected: &[(&str, &str)], remark: Option<&str>) {
    let (sent, remarks) = sifted(replies, 0);
    let sent: Vec<_> = sent.iter().map(|(p, v)| (p.as_str(), v.as_str())).collect();
    assert_eq!(sent, expected, "{replies:?}");
    match remark {
        Some(remark) => assert!(remarks.iter().any(|r| r.contains(remark)), "{remarks:?}"),
        None => assert!(remarks.is_empty(), "{remarks:?}"),
    }
}

#[test]
fn nothing_is_sent_before_the_first_telegram() {
    // A fresh process has no memory, and still does not send the zeros.
    check(
        &[r#"{"SML":{"Total_in":0,"Total_out":0.000,"Power_curr":0,"Meter_id":""}}"#],
        &[],
        Some("no telegram decoded yet"),
    );
    check(
        &[r#"{"SML":{"Total_in":0,"Power_curr":null}}"#],
        &[],
        Some("no telegram"),
    );
    // One meter waits, the other has spoken.
    check(
        &[r#"{"A":{"E_in":0,"Power":0},"B":{"E_in":7,"Power":0}}"#],
        &[("/B/E_in", "7"), ("/B/Power", "0")],
        Some("A: no telegram"),
    );
}

#[test]
fn a_true_zero_is_sent() {
    check(
        &[r#"{"SML":{"Total_in":7,"Total_out":0,"Power_curr":0,"Meter_id":"0901"}}"#],
        &[
            ("/SML/Total_in", "7"),
            ("/SML/Total_out", "0"),
            ("/SML/Power_curr", "0"),
        ],
        None,
    );
    check(
        &[r#"{"SML":{"Power_curr":0}}"#],
        &[("/SML/Power_curr", "0")],
        None,
    );
}

#[test]
fn a_counter_never_falls_to_zero() {
    check(
        &[
            r#"{"SML":{"Total_in":7,"Total_out":3,"Power_curr":5}}"#,
            r#"{"SML":{"Total_in":7,"Total_out":0,"Power_curr":5}}"#,
        ],
        &[("/SML/Total_in", "7"), ("/SML/Power_curr", "5")],
        Some("/SML/Total_out fell to 0"),
    );
}

#[test]
fn a_locked_meter_has_no_power() {
    let locked = r#"{"MT631":{"E_in":678,"Power":0,"power_L1":0,"Volt_p1":0,"Freq":50,"server_id":" "}}"#;
    check(
        &[locked],
        &[("/MT631/E_in", "678"), ("/MT631/Freq", "50")],
        Some("MT631: the meter gives no number and no power"),
    );
    // With a number of its own, or with any power, the zeros are measured.
    check(
        &[r#"{"MT631":{"E_in":678,"Power":0,"server_id":"0901"}}"#],
        &[("/MT631/E_in", "678"), ("/MT631/Power", "0")],
        None,
    );
    check(
        &[r#"{"MT631":{"E_in":678,"Power":0,"power_L1":4,"server_id":""}}"#],
        &[
            ("/MT631/E_in", "678"),
            ("/MT631/Power", "0"),
            ("/MT631/power_L1", "4"),
        ],
        None,
    );
    check(
        &[r#"{"MT631":{"E_in":678,"Power":0}}"#],
        &[("/MT631/E_in", "678"), ("/MT631/Power", "0")],
        None,
    );
}

#[test]
fn a_dead_head_is_remarked_on_and_still_delivered() {
    let one = r#"{"Time":"a","SML":{"Total_in":7,"Power_curr":5}}"#;
    let other = r#"{"Time":"a","SML":{"Total_in":7,"Power_curr":6}}"#;
    let check = |replies: &[&str], stale_after: u32, expected: Option<&str>| {
        let (sent, remarks) = sifted(replies, stale_after);
        assert_eq!(sent.len(), 2);
        assert_eq!(remarks.first().map(String::as_str), expected, "{replies:?}");
    };
    let said = "optical head may be off: same values 3 times in a row";
    check(&[one, one], 3, None);
    check(&[one, one, one], 3, Some(said));
    check(&[one, other, one], 3, None);
    check(&[other, one, one, one], 3, Some(said));
    check(&[one, one, one, other], 3, None);
    check(&[one, one, one], 0, None);
    check(&[one], 1, None);
}
