//! From the parts of a path to an answer. Nothing here knows of sockets, logins or faults.

use std::sync::Arc;

use serde_json::{Value, json};

use super::BackendOptions;
use super::query::{Bound, Query};
use super::series::Series;
use super::site::Site;
use super::walk::{self, Answered, Shape, Walk, Window};

/// An error of the backend: the status and the text of its `err`.
pub(super) type Refusal = (u16, String);

/// What the routes look at.
pub(super) struct View<'a> {
    pub(super) options: &'a BackendOptions,
    /// All customers' ids.
    pub(super) customers: &'a [String],
    pub(super) sites: &'a [Arc<Site>],
    pub(super) now_ms: i64,
}

impl View<'_> {
    /// Answers `GET` for the decoded parts of a path after the base.
    pub(super) fn answer(&self, parts: &[&str], json: Option<&Value>) -> Result<Answered, Refusal> {
        match parts {
            ["me"] => {
                let customer = self.customers.first();
                document(
                    &json!({ "user_id": self.options.user, "name": self.options.user, "customer_id": customer }),
                )
            }
            ["customers"] => document(
                &self
                    .customers
                    .iter()
                    .map(|id| json!({ "customer_id": id, "name": id }))
                    .collect(),
            ),
            ["sites"] => document(&self.sites.iter().map(|site| site.describe(self.now_ms)).collect()),
            ["customers", customer, rest @ ..] => {
                if !self.customers.iter().any(|id| id == customer) {
                    return Err(not_found("customer", customer));
                }
                match rest {
                    [] => document(&json!({ "customer_id": customer, "name": customer })),
                    ["sites"] => {
                        let own = self.sites.iter().filter(|site| site.customer == *customer);
                        document(&own.map(|site| site.describe(self.now_ms)).collect())
                    }
                    ["sites", site, rest @ ..] => self.site(customer, site, rest, json),
                    _ => Err(not_found("resource", &parts.join("/"))),
                }
            }
            _ => Err(not_found("resource", &parts.join("/"))),
        }
    }

    fn site(
        &self,
        customer: &str,
        site: &str,
        rest: &[&str],
        json: Option<&Value>,
    ) -> Result<Answered, Refusal> {
        let site = find(self.sites, customer, site).ok_or_else(|| not_found("site", site))?;
        match rest {
            [] => document(&site.describe(self.now_ms)),
            ["blueprint"] => document(&site.blueprint()),
            ["pos", "youngest"] => Ok(Answered::Whole(site.youngest_position(self.now_ms).into())),
            [name] | [name, "youngest"] => {
                let number = name
                    .strip_prefix("histdata")
                    .filter(|digits| digits.len() == 1)
                    .and_then(|digit| digit.parse().ok());
                let series = number
                    .and_then(|number: u8| site.series.get(&number))
                    .ok_or_else(|| not_found("resource", name))?;
                self.rows(series, rest.len() == 2, json)
            }
            _ => Err(not_found("resource", &rest.join("/"))),
        }
    }

    fn rows(&self, series: &Arc<Series>, youngest: bool, json: Option<&Value>) -> Result<Answered, Refusal> {
        let query = Query::read(json).map_err(|text| (400, text))?;
        let names = query.select.unwrap_or_default();
        let columns = names
            .iter()
            .map(|name| series.position(name).ok_or_else(|| not_found("channel", name)))
            .collect::<Result<Vec<_>, _>>()?;
        let newest = || series.youngest(self.now_ms);
        let window = if youngest {
            newest().map(|at| Window {
                from_ms: at,
                until_ms: at,
            })
        } else {
            let from_ms = match query.from {
                Some(Bound::Newest) => newest(),
                Some(Bound::At(ms)) => Some(if self.options.from_inclusive { ms } else { ms + 1 }),
                None => Some(i64::MIN),
            };
            let until_ms = if let Some(Bound::At(ms)) = query.until {
                ms
            } else {
                i64::MAX
            };
            from_ms.map(|from_ms| Window { from_ms, until_ms })
        };
        let Some(window) = window else {
            return Ok(Answered::Whole("[]".into()));
        };
        let BackendOptions {
            strip_stamps,
            max_rows,
            order,
            ..
        } = *self.options;
        let walk = Walk::new(
            Arc::clone(series),
            window,
            Shape {
                columns,
                strip_stamps,
                max_rows,
            },
            self.now_ms,
        );
        Ok(walk::answer(walk, order))
    }
}

/// A site of a customer, by id or uid.
pub(super) fn find<'a>(sites: &'a [Arc<Site>], customer: &str, site: &str) -> Option<&'a Arc<Site>> {
    sites
        .iter()
        .find(|candidate| candidate.customer == customer && candidate.is(site))
}

fn document(value: &Value) -> Result<Answered, Refusal> {
    Ok(Answered::Whole(value.to_string().into()))
}

fn not_found(what: &str, name: &str) -> Refusal {
    (404, format!("E_NOT_FOUND {what} {name}"))
}
