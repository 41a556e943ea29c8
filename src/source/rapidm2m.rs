//! Microtronics rapidM2M ("mydatanet"): time series of a customer's site, over the backend's REST interface, version 1.
//!
//! One GET a window: `customers/{customer}/sites/{site}/histdata{n}` or `…/youngest`, answered by `[[stamp, value, …], …]`.
//! Whether the server takes `from` as included is not documented, so rows are filtered here; whether it sorts is not either,
//! so they are sorted here. Numbers go through as they come: the protocol does not say that they are scaled.
//!
//! The interface has neither paging nor a row limit that anybody documented. The answer is therefore decoded while it arrives,
//! and the connection dropped at one row too many.
//!
//! # Layout
//!
//! - [`address`]: URLs, without credentials.
//! - `backend`: the HTTP of it, with timeouts.
//! - [`refusal`]: what statuses and strange bodies mean.
//! - [`stamp`], [`decode`], [`tally`]: rows from bytes, and what was left out of them.
//! - [`blueprint`]: titles and units.
//! - [`site`]: a site's own description; all sites of a customer.
//! - `inspect`: what a person wants to know before the first poll.

pub mod address;
mod backend;
pub mod blueprint;
pub mod decode;
mod inspect;
pub mod refusal;
pub(crate) mod scale;
pub mod site;
pub mod stamp;
pub mod tally;

use async_trait::async_trait;
use reqwest::{Client, Response};
use tokio::sync::OnceCell;

use self::address::Address;
use self::backend::{Backend, HEAD};
use self::blueprint::Blueprint;
use self::decode::{Decoded, Decoder, Fault, Limits};
use self::site::Site;
use crate::clock::{Clock, Millis, iso};
use crate::config::RapidM2mConfig;
use crate::reading::{Channel, Rows};
use crate::source::{Answer, Error, Finding, Request, Source, Window};

/// A blueprint, a site or a list of sites is not longer than this.
const DOCUMENT_LIMIT: usize = 4 * 1024 * 1024;

/// How many surplus values of a row are named.
const SURPLUS_NAMED: usize = 8;

/// One site on one backend.
#[derive(Debug)]
pub struct RapidM2m {
    config: RapidM2mConfig,
    address: Address,
    backend: Backend,
    /// The channels with the blueprint's titles and units; asked for once, when the first rows came.
    described: OnceCell<Vec<Channel>>,
}

impl RapidM2m {
    /// A source for this site. Asks nothing yet.
    #[must_use]
    pub fn new(mut config: RapidM2mConfig, client: Client, clock: Clock) -> Self {
        let address = Address::new(
            config.url.clone(),
            &config.customer,
            &config.site,
            config.histdata,
        );
        // A login in the address is shown nowhere, not even for debugging.
        config.url = address.base().clone();
        let backend = Backend {
            what: address.base().to_string(),
            client,
            clock,
            basic: config.basic.clone(),
            timeout: config.timeout,
        };
        Self {
            config,
            address,
            backend,
            described: OnceCell::new(),
        }
    }

    /// All sites of the customer, in the backend's order: what `site = "*"` stands for.
    ///
    /// # Errors
    /// As [`Source::read`] has them.
    pub async fn sites(&self) -> Result<Vec<Site>, Error> {
        let subject = format!("customer {:?}", self.config.customer);
        let document = self
            .backend
            .json(self.address.sites(), &subject, DOCUMENT_LIMIT)
            .await?;
        Site::list(&document).ok_or_else(|| Error::Protocol {
            what: self.backend.what.clone(),
            detail: format!(
                "the list of sites is not an array: {}",
                crate::http::excerpt(&document.to_string())
            ),
            passing: false,
        })
    }

    /// The site in words, for errors.
    fn subject(&self) -> String {
        format!(
            "site {:?} of customer {:?}",
            self.config.site, self.config.customer
        )
    }

    async fn blueprint(&self) -> Result<Option<Blueprint>, Error> {
        let subject = format!("the blueprint of {}", self.subject());
        let document = self
            .backend
            .json(self.address.blueprint(), &subject, DOCUMENT_LIMIT)
            .await?;
        Ok(Blueprint::read(&document, self.config.histdata))
    }

    /// Decodes a body while it arrives. Gives its size besides.
    async fn decode(&self, response: &mut Response, window: Window) -> Result<(Decoded, u64), Error> {
        let mut decoder = Decoder::new(&self.config.channels, limits(window, self.config.max_rows));
        let (mut head, mut bytes) = (Vec::new(), 0);
        let fault = loop {
            let Some(piece) = self.backend.piece(response).await? else {
                match decoder.finish() {
                    // No bytes at all may stand for `[]`, or for a server that fell over. While the window reaches to the present
                    // the same rows are asked for again; of one that is over they would be lost.
                    Ok(_) if bytes == 0 && matches!(window, Window::Range { open: false, .. }) => {
                        break Fault::CutShort { rows: 0 };
                    }
                    Ok(decoded) => return Ok((decoded, bytes)),
                    Err(fault) => break fault,
                }
            };
            bytes += piece.len() as u64;
            let room = HEAD.saturating_sub(head.len());
            head.extend_from_slice(&piece[..piece.len().min(room)]);
            if let Err(fault) = decoder.feed(&piece) {
                break fault;
            }
        };
        if fault == Fault::NotRows {
            // Its first byte told; the message wants the text.
            let _ = self.backend.fill(response, &mut head, HEAD).await;
        }
        let head = String::from_utf8_lossy(&head);
        Err(refusal::of_fault(
            &self.backend.what,
            &fault,
            &head,
            self.config.max_rows,
        ))
    }

    /// Adds the blueprint's titles and units, and says how many requests that took. That it cannot be read is worth a remark, once,
    /// and no more.
    async fn describe(&self, rows: &mut Rows, remarks: &mut Vec<String>) -> u32 {
        if rows.is_empty()
            || rows
                .channels()
                .iter()
                .all(|c| c.title.is_some() && c.unit.is_some())
        {
            return 0;
        }
        let mut requests = 0;
        let described = self
            .described
            .get_or_init(|| async {
                requests = 1;
                let blueprint = match self.blueprint().await {
                    Ok(found) => found.unwrap_or_default(),
                    Err(error) => {
                        remarks.push(format!("titles and units are not known: {error}"));
                        Blueprint::default()
                    }
                };
                let channels = self.config.channels.iter();
                channels.map(|mapped| blueprint.describe(mapped)).collect()
            })
            .await;
        rows.channels_mut().clone_from_slice(described);
        requests
    }

    /// Names of the configured channels, in order.
    fn select(&self) -> Vec<&str> {
        self.config
            .channels
            .iter()
            .map(|c| c.channel.name.as_str())
            .collect()
    }
}

#[async_trait]
impl Source for RapidM2m {
    fn has_history(&self) -> bool {
        true
    }

    fn request(&self, window: Window) -> Request {
        Request {
            method: "GET".into(),
            url: self.address.series(&self.select(), window).to_string(),
        }
    }

    async fn read(&self, window: Window) -> Result<Answer, Error> {
        let select = self.select();
        let url = self.address.series(&select, window);
        let request = self.request(window);
        let subject = format!("{} with {}", self.subject(), select.join(", "));
        let mut response = self.backend.get(url, &subject).await?;
        let status = response.status().as_u16();
        let (Decoded { mut rows, tally }, bytes) = self.decode(&mut response, window).await?;
        let mut remarks = tally.remarks();
        remarks.extend(future(&rows, self.backend.clock.now()));
        let extra = self.describe(&mut rows, &mut remarks).await;
        let first = select.len() + 1;
        let unknown = (first..first + tally.surplus.min(SURPLUS_NAMED))
            .map(|number| format!("value {number} of a row"))
            .collect();
        Ok(Answer {
            request,
            status,
            bytes,
            rows,
            unknown,
            remarks,
            device_time: None,
            extra,
        })
    }

    async fn inspect(&self) -> Vec<Finding> {
        self.findings().await
    }
}

/// Which rows of an answer are wanted. Up to the present means up to the newest: a row stamped in the future is kept.
fn limits(window: Window, max_rows: usize) -> Limits {
    let (from, until) = match window {
        Window::Youngest => (Millis::MIN, Millis::MAX),
        Window::Range { from, open: true, .. } => (from, Millis::MAX),
        Window::Range { from, until, .. } => (from, until),
    };
    Limits {
        from,
        until,
        max_rows,
    }
}

/// A remark on rows stamped later than `now`.
fn future(rows: &Rows, now: Millis) -> Option<String> {
    let ahead = rows.len() - rows.stamps().partition_point(|&stamp| stamp <= now);
    let last = iso(*rows.stamps().last()?);
    let plural = if ahead == 1 { "" } else { "s" };
    (ahead > 0).then(|| {
        format!("{ahead} row{plural} stamped in the future, the last {last}: the device's clock is ahead")
    })
}
