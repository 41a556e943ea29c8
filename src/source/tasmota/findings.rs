//! What `check` shows of a reader: reachable, login, firmware, each key, the time.

use super::channels::{Pick, Picked};
use super::time::{How, Settled};
use super::{Tasmota, VALUES, json, reply};
use crate::clock::iso;
use crate::source::Finding;

/// The question for the firmware's version.
const FIRMWARE: &str = "Status 2";

/// Asks a reader and tells one finding a line.
pub(super) async fn inspect(reader: &Tasmota) -> Vec<Finding> {
    let telegram = match reader.telegram().await {
        Ok(telegram) => telegram,
        Err(error) => return vec![bad(error.to_string())],
    };
    let mut findings = vec![good(format!(
        "reachable: GET {} gave {} bytes",
        reader.device.shown(VALUES),
        telegram.bytes
    ))];
    findings.push(good(if reader.device.has_password() {
        "login accepted (or not asked for)".into()
    } else {
        "no login asked for".into()
    }));
    findings.extend(firmware(reader).await);
    findings.push(time(&telegram.settled));
    findings.extend(keys(&telegram.picked));
    // The time's own remark is told above.
    let remarks = telegram.picked.remarks.iter();
    findings.extend(
        remarks
            .filter(|remark| telegram.settled.remark.as_ref() != Some(*remark))
            .map(|remark| bad(remark.clone())),
    );
    findings
}

/// Firmware is told where it can be had; a reader may refuse.
async fn firmware(reader: &Tasmota) -> Option<Finding> {
    let body = reader.device.ask(FIRMWARE).await.ok()?;
    let (text, _) = reply::decode(&body.bytes);
    let members = reply::object(&text).ok()?;
    let version = json::Members::parse(members.get("StatusFWR")?.get())
        .ok()?
        .text("Version")?;
    Some(good(format!("firmware {version}")))
}

fn time(settled: &Settled) -> Finding {
    let how = match settled.how {
        How::Epoch => "epoch seconds",
        How::Offset => "an offset in its text",
        How::Status7 => "UTC and local time of Status 7",
        How::Zone => "the source's `zone`",
        How::Received => "the time of receiving",
    };
    Finding {
        good: settled.remark.is_none(),
        text: match &settled.remark {
            Some(remark) => format!("time: {remark}"),
            None => format!("time: {} by {how}", iso(settled.stamp)),
        },
    }
}

fn keys(picked: &Picked) -> Vec<Finding> {
    let mut findings: Vec<Finding> = picked.values.iter().map(key).collect();
    for id in &picked.ids {
        findings.push(good(format!("{}: the meter's number, not sent", id.path)));
    }
    for path in &picked.unknown {
        findings.push(bad(format!(
            "{path}: not known and not sent; name it in `channels` to send it"
        )));
    }
    if picked.values.is_empty() {
        findings.push(bad(
            "nothing would be sent: no label is mapped or recognised".into()
        ));
    }
    findings
}

fn key(pick: &Pick) -> Finding {
    let unit = pick.channel.unit.as_deref().unwrap_or("(unit not known)");
    let origin = if pick.mapped { "mapped" } else { "recognised" };
    let path = &pick.channel.name;
    let name = pick.channel.sent_name();
    match &pick.sent {
        Some(value) => good(format!("{path}: {value} {unit}, {origin} as {name}")),
        None => bad(format!("{path}: no value now, {origin} as {name}")),
    }
}

fn good(text: String) -> Finding {
    Finding { good: true, text }
}

fn bad(text: String) -> Finding {
    Finding { good: false, text }
}
