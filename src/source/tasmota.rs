//! Tasmota readers (bitShake SmartReader and the like): the present values of a meter's optical port, over HTTP.
//!
//! One question, `GET /cm?cmnd=Status%2010`; the reply has one object per meter with free labels. Protocol facts: the
//! firmware's source and its pages "Commands" and "Smart Meter Interface".
//!
//! # Layout
//!
//! - `device`: asks, logs in, and says what refusals mean; the only part that does I/O.
//! - [`reply`], [`json`], [`number`]: from bytes to values.
//! - [`channels`], [`labels`]: which values are sent under which names.
//! - [`telegram`]: values that are no measurements.
//! - [`time`]: from the reader's local time to an instant.
//! - `findings`: what `check` shows.

pub mod channels;
mod device;
mod findings;
pub mod json;
pub mod labels;
pub mod number;
pub mod reply;
pub mod telegram;
pub mod time;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use chrono_tz::Tz;
use tokio::sync::Mutex;

use self::channels::{Pick, Picked};
use self::device::Device;
use self::telegram::Memory;
use self::time::{Settled, Stated};
use super::{Answer, Error, Finding, Request, Source, Window};
use crate::clock::{Clock, Millis};
use crate::config::TasmotaConfig;
use crate::reading::Rows;

/// The question for the present values. (`Status 8` is the same in old firmware.)
const VALUES: &str = "Status 10";
/// The question for UTC and local time.
const TIMES: &str = "Status 7";
/// How long an answer to it is remembered.
const OFFSET_AGE: Millis = 3_600_000;

/// A reader as a source. Keep one per reader: calls to it take turns, and hints of earlier replies live in it.
pub struct Tasmota {
    config: TasmotaConfig,
    zone: Tz,
    clock: Clock,
    device: Device,
    memory: Mutex<Memory>,
    offset: Mutex<Option<Known>>,
}

/// What `Status 7` told.
#[derive(Clone, Copy)]
struct Known {
    /// Seconds east of UTC; `None` when it could not be read.
    offset: Option<i64>,
    /// What the clock seemed ahead of UTC then: with another value (summer time) it is asked again.
    quarters: i64,
    /// When it was asked.
    at: Millis,
}

/// One reply, read and sorted out.
struct Telegram {
    picked: Picked,
    settled: Settled,
    bytes: usize,
}

impl Tasmota {
    /// A reader. `zone` is that of its clock, for firmware that tells no offset in any way.
    #[must_use]
    pub fn new(config: TasmotaConfig, zone: Tz, client: reqwest::Client, clock: Clock) -> Self {
        Self {
            device: Device::new(&config, client, clock.clone()),
            config,
            zone,
            clock,
            memory: Mutex::default(),
            offset: Mutex::default(),
        }
    }

    /// Asks once and sorts out the reply. Remarks: those of the reply, of its values and of its time, in this order.
    async fn telegram(&self) -> Result<Telegram, Error> {
        let body = self.device.ask(VALUES).await?;
        let received = self.clock.now();
        let reply = reply::parse(&body.bytes).map_err(|fault| self.device.fault(fault))?;
        let mut picked = channels::pick(&reply.leaves, &self.config.channels, self.config.recognise);
        picked.remarks.splice(0..0, reply.remarks);
        telegram::sift(
            &mut picked,
            &mut *self.memory.lock().await,
            self.config.stale_after,
        );
        let stated = time::read(&reply.clue);
        let offset = match stated {
            Stated::Local(local) => self.offset(local, received).await,
            Stated::Instant(..) | Stated::Nothing => None,
        };
        let settled = time::settle(stated, offset, self.zone, received);
        picked.remarks.extend(settled.remark.clone());
        Ok(Telegram {
            picked,
            settled,
            bytes: body.bytes.len(),
        })
    }

    /// The offset that `Status 7` tells, asked when the remembered one is old or no longer fits. Not getting it is no
    /// error: the configured zone comes next.
    async fn offset(&self, local: NaiveDateTime, received: Millis) -> Option<i64> {
        let quarters = time::apparent_quarters(local, received);
        let mut known = self.offset.lock().await;
        if let Some(known) = *known
            && known.quarters == quarters
            && (0..OFFSET_AGE).contains(&received.saturating_sub(known.at))
        {
            return known.offset;
        }
        let offset = match self.device.ask(TIMES).await {
            Ok(body) => time::status7(&body.bytes),
            Err(error) => {
                tracing::debug!(%error, "no answer to Status 7");
                None
            }
        };
        *known = Some(Known {
            offset,
            quarters,
            at: received,
        });
        offset
    }
}

#[async_trait]
impl Source for Tasmota {
    fn has_history(&self) -> bool {
        false
    }

    fn request(&self, _: Window) -> Request {
        Request {
            method: "GET".into(),
            url: self.device.shown(VALUES),
        }
    }

    async fn read(&self, window: Window) -> Result<Answer, Error> {
        if let Window::Range { open: false, .. } = window {
            return Ok(Answer {
                remarks: vec!["a reader knows only the present; this window was not asked for".into()],
                ..Answer::default()
            });
        }
        let telegram = self.telegram().await?;
        let mut picked = telegram.picked;
        let sent: Vec<&Pick> = picked.values.iter().filter(|pick| pick.sent.is_some()).collect();
        let mut rows = Rows::new(sent.iter().map(|pick| pick.channel.clone()).collect());
        if !sent.is_empty() {
            rows.push(telegram.settled.stamp, |i| sent[i].sent.as_deref());
        } else if picked.values.is_empty() {
            picked.remarks.push(
                "no label of the reply is recognised; name the channels in `channels` of the source".into(),
            );
        }
        Ok(Answer {
            request: self.request(window),
            status: 200,
            bytes: telegram.bytes as u64,
            rows,
            unknown: picked.unknown,
            remarks: picked.remarks,
            device_time: telegram.settled.device,
            extra: 0,
        })
    }

    async fn inspect(&self) -> Vec<Finding> {
        findings::inspect(self).await
    }
}
