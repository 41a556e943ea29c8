//! What a person wants to know before the first poll: the login, the site, its channels, and how old its newest row is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::site::Site;
use super::{DOCUMENT_LIMIT, RapidM2m};
use crate::clock::{Millis, iso};
use crate::source::{Error, Finding, Source, Window};

impl RapidM2m {
    /// Asks for everything that can be wrong, in the order in which it goes wrong; stops where going on is of no use.
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.login_form());
        match self.login().await {
            Ok(found) => findings.push(found),
            Err(error) => {
                findings.push(bad(error.to_string()));
                return findings;
            }
        }
        match self.site().await {
            Ok(found) => findings.push(found),
            Err(error) => {
                findings.push(bad(error.to_string()));
                return findings;
            }
        }
        self.channels(&mut findings).await;
        self.youngest(&mut findings).await;
        findings
    }

    /// A login that cannot be one, seen before it is sent.
    fn login_form(&self) -> Option<Finding> {
        let basic = self.config.basic.as_ref()?;
        let decoded = STANDARD.decode(basic.reveal().trim()).ok();
        let is_login = decoded.is_some_and(|text| text.contains(&b':'));
        let text =
            "the login is not the base64 of user:password; see `basic` or `Base64encodedUsernamePassword`";
        (!is_login).then(|| bad(text.into()))
    }

    async fn login(&self) -> Result<Finding, Error> {
        let what = &self.backend.what;
        let answer = self.backend.json(
            self.address.me(),
            "the login's own account (`me`)",
            DOCUMENT_LIMIT,
        );
        match answer.await {
            Ok(Value::Object(_) | Value::Array(_)) => Ok(good(format!("{what} accepts the login"))),
            Ok(_) | Err(Error::Protocol { .. }) => Ok(bad(format!(
                "{what} answers, but not as a rapidM2M backend does; `url` should end in /api/1/"
            ))),
            // Only some servers have the call; a path that is wrong altogether shows at the site.
            Err(Error::Unknown { .. }) => Ok(good(format!(
                "{what} answers; it has no `me` to check the login with"
            ))),
            Err(error) => Err(error),
        }
    }

    async fn site(&self) -> Result<Finding, Error> {
        let subject = self.subject();
        let document = self
            .backend
            .json(self.address.site(), &subject, DOCUMENT_LIMIT)
            .await?;
        let Some(site) = Site::read(&document) else {
            return Ok(good(format!("{subject} is known, but not described")));
        };
        let mut text = format!("{subject} is known");
        for (label, value) in [("name", &site.name), ("uid", &site.uid), ("device", &site.device)] {
            if !value.is_empty() && *value != self.config.site {
                text.push_str(&format!(", {label} {value}"));
            }
        }
        Ok(good(text))
    }

    async fn channels(&self, findings: &mut Vec<Finding>) {
        let series = format!("histdata{}", self.config.histdata);
        let blueprint = match self.blueprint().await {
            Ok(Some(blueprint)) => blueprint,
            Ok(None) => {
                findings.push(bad(format!(
                    "the blueprint does not describe {series}; see `histdata`"
                )));
                return;
            }
            Err(error) => {
                findings.push(bad(format!("channels cannot be checked: {error}")));
                return;
            }
        };
        for mapped in &self.config.channels {
            let name = &mapped.channel.name;
            findings.push(if blueprint.get(name).is_none() {
                bad(format!("{name} is not in {series}; see `channels`"))
            } else {
                let channel = blueprint.describe(mapped);
                let title = channel.title.unwrap_or_else(|| "no title".into());
                let unit = channel.unit.unwrap_or_else(|| "no unit".into());
                good(format!("{name}: {title}, {unit}"))
            });
        }
        let selected = |name: &str, alias: &str| {
            let mut configured = self.config.channels.iter().map(|m| m.channel.name.as_str());
            configured.any(|c| c == name || !alias.is_empty() && c == alias)
        };
        let others: Vec<String> = blueprint
            .iter()
            .filter(|(name, field)| !selected(name, &field.alias))
            .map(|(name, field)| match field.title.as_str() {
                "" => name.to_owned(),
                title => format!("{name} ({title})"),
            })
            .collect();
        if !others.is_empty() {
            findings.push(good(format!("{series} also has {}", others.join(", "))));
        }
    }

    async fn youngest(&self, findings: &mut Vec<Finding>) {
        findings.push(match self.read(Window::Youngest).await {
            Ok(answer) => match answer.rows.stamps().last() {
                Some(&stamp) => good(format!(
                    "the newest row is of {}, {}",
                    iso(stamp),
                    age(self.backend.clock.now() - stamp)
                )),
                None => bad(format!(
                    "there is no row with a value in the selected channels yet{}",
                    answer
                        .remarks
                        .iter()
                        .map(|r| format!("; {r}"))
                        .collect::<String>()
                )),
            },
            Err(error) => bad(error.to_string()),
        });
    }
}

fn good(text: String) -> Finding {
    Finding { good: true, text }
}

fn bad(text: String) -> Finding {
    Finding { good: false, text }
}

/// `3 h 20 min old`, in the two largest units that matter.
fn age(milliseconds: Millis) -> String {
    let minutes = milliseconds / 60_000;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        _ if milliseconds < 0 => "in the future: the device's clock is ahead".into(),
        (0, 0, minutes) => format!("{minutes} min old"),
        (0, hours, minutes) => format!("{hours} h {minutes} min old"),
        (days, hours, _) => format!("{days} d {hours} h old"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_readable() {
        let check = |minutes: Millis, expected: &str| assert_eq!(age(minutes * 60_000), expected);
        check(0, "0 min old");
        check(59, "59 min old");
        check(200, "3 h 20 min old");
        check(1440, "1 d 0 h old");
        check(-1, "in the future: the device's clock is ahead");
    }
}
