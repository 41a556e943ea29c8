use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::desk::Desk;
use super::{Asked, BackendOptions, Cell, Entry, Fault, Row, SiteOptions, StartError, route};
use crate::readers::Server;

/// A running backend, until it is dropped.
pub struct Backend {
    server: Server,
    desk: Arc<Desk>,
}

/// Names a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The customer's id.
    pub customer: &'a str,
    /// The site's id or uid.
    pub site: &'a str,
    /// The number of the series: 0 is `histdata0`.
    pub series: u8,
}

/// A place names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the backend has no histdata{series} of site {site:?} of customer {customer:?}; add it to its options first"
)]
pub struct NoSuchSeries {
    pub(super) customer: String,
    pub(super) site: String,
    pub(super) series: u8,
}

/// Which requests a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All.
    Everything,
    /// Those whose path names this site of this customer.
    Site(&'a str, &'a str),
    /// Those for the list of any customer's sites.
    Lists,
}

impl Backend {
    /// Starts a backend.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: BackendOptions) -> Result<Self, StartError> {
        let bind = options.bind;
        let desk = Arc::new(Desk::new(options));
        let server = Server::start(bind, Arc::clone(&desk)).await?;
        Ok(Self { server, desk })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The base of all its addresses, with a slash at the end: `http://127.0.0.1:8020/api/1/`.
    pub fn url(&self) -> String {
        format!("http://{}{}/", self.address(), self.desk.options.base)
    }

    /// Makes a row visible from now on. A row with the same stamp is overwritten.
    ///
    /// # Errors
    /// There is no such series.
    pub fn push(&self, place: Place<'_>, stamp_ms: i64, cells: Vec<Cell>) -> Result<(), NoSuchSeries> {
        let visible_ms = self.desk.options.clock.now_ms();
        self.push_row(
            place,
            Row {
                stamp_ms,
                cells,
                visible_ms,
            },
        )
    }

    /// Adds a row that becomes visible at its own time: a late one, or a correction to come. A time that is over means now,
    /// so that the ledger stays true.
    ///
    /// # Errors
    /// There is no such series.
    pub fn push_row(&self, place: Place<'_>, row: Row) -> Result<(), NoSuchSeries> {
        let visible_ms = row.visible_ms.max(self.desk.options.clock.now_ms());
        self.desk.series(place)?.push(Row { visible_ms, ..row });
        Ok(())
    }

    /// Adds a site to a customer, who is added too if need be.
    pub fn add_site(&self, customer: &str, site: SiteOptions) {
        self.desk.add(customer, Some(site));
    }

    /// Takes a site away from a customer, with all its series: neither listed nor answered any more. `false` where there is none.
    pub fn remove_site(&self, customer: &str, site: &str) -> bool {
        self.desk.remove(customer, site)
    }

    /// Every version of every row of a series that is or was visible until now, oldest stamp first.
    ///
    /// # Errors
    /// There is no such series.
    pub fn ledger(&self, place: Place<'_>) -> Result<Vec<Row>, NoSuchSeries> {
        Ok(self.desk.series(place)?.ledger(self.desk.options.clock.now_ms()))
    }

    /// The same for all series of all sites.
    pub fn whole_ledger(&self) -> Vec<Entry> {
        let now_ms = self.desk.options.clock.now_ms();
        let mut entries = Vec::new();
        for site in self.desk.directory().sites.iter() {
            for (number, series) in &site.series {
                entries.extend(series.ledger(now_ms).into_iter().map(|row| Entry {
                    customer: site.customer.clone(),
                    site: site.id.clone(),
                    series: *number,
                    row,
                }));
            }
        }
        entries
    }

    /// Plans a fault for the next `times` requests of a scope (`None`: for ever), after those already planned for it.
    /// A fault for everything comes before one for a site or for lists. A site that is not there does not fail.
    pub fn fail(&self, scope: Scope<'_>, fault: Fault, times: Option<u32>) {
        match scope {
            Scope::Everything => self.desk.script.plan(fault, times),
            Scope::Lists => self.desk.lists.plan(fault, times),
            Scope::Site(customer, site) => {
                if let Some(site) = route::find(&self.desk.directory().sites, customer, site) {
                    site.script.plan(fault, times);
                }
            }
        }
    }

    /// Drops all planned faults.
    pub fn recover(&self) {
        self.desk.script.clear();
        self.desk.lists.clear();
        for site in self.desk.directory().sites.iter() {
            site.script.clear();
        }
    }

    /// How many requests came in.
    pub fn requests(&self) -> u64 {
        self.desk.requests.load(Ordering::SeqCst)
    }

    /// How many requests were being answered at one time at most.
    pub fn most_at_once(&self) -> u32 {
        self.desk.most_at_once.load(Ordering::SeqCst)
    }

    /// The latest requests, oldest first, without credentials.
    pub fn latest(&self) -> Vec<Asked> {
        self.desk.journal.latest()
    }

    /// Ends the backend and returns once its port is closed.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
