//! Sends through the source's own device, which DPS names: asked once, and again only when the hub refuses it for good.

use crate::clock::Millis;
use crate::forward::{Error, Message};

use super::claim::Held;
use super::report::Report;
use super::{Poller, Stop, Turn};

/// DPS is asked for one source no more often than this, over processes and restarts (the bound of Microsoft's device bridge).
const PAUSE: Millis = 60_000;
/// How long one request to the hub, and one registration, may take in all.
const CALL: std::time::Duration = std::time::Duration::from_secs(90);

impl Poller {
    /// Sends one request; the outer error ends the tick. Gives the billing units.
    pub(super) async fn send(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        batch: &[Message],
    ) -> Result<Result<u32, Error>, Stop> {
        if held.state.assignment.is_none()
            && self.forward.registers()
            && let Err(error) = self.register(turn, held, false).await?
        {
            return Ok(Err(error));
        }
        let cached = held.state.assignment.as_ref();
        let to = match self.forward.device(&turn.config.id, cached, false).await {
            Ok(to) => to,
            Err(error) => return Ok(Err(error)),
        };
        // Last of all: whatever was waited for before, the request begins within the lease and ends within it.
        held.cover(self, CALL).await?;
        let delivered = match self.forward.send(&to, batch).await {
            Ok(delivered) => delivered,
            Err(error) => return Ok(Err(error)),
        };
        held.state.assignment = Some(to);
        if let Some(skew) = delivered.skew.filter(|skew| skew.abs() > 60_000) {
            tracing::warn!(
                skew_ms = skew,
                "This machine's clock differs from the hub's; tokens are made by the hub's clock"
            );
        }
        Ok(Ok(delivered.units))
    }

    /// After a probe was refused as the first try was: the device may live at another hub by now. `true` where DPS has named it
    /// anew and the message is to be sent again.
    pub(super) async fn moved(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        error: &Error,
        report: &mut Report,
    ) -> Result<bool, Stop> {
        let lasting = held.state.parked.as_ref().is_some_and(|parked| parked.device);
        let device = matches!(error, Error::Unauthorized { .. } | Error::Device { .. });
        if !lasting || !device || held.registered || !self.forward.registers() {
            return Ok(false);
        }
        held.registered = true;
        match self.register(turn, held, true).await? {
            Ok(()) => Ok(true),
            Err(refusal) => {
                if refusal.is_transient() {
                    self.hold(held, report, &refusal);
                } else {
                    report.remark(refusal.to_string());
                }
                Ok(false)
            }
        }
    }

    /// Asks DPS. That it is asked is stored before, so that no crash makes a second question of it.
    async fn register(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        fresh: bool,
    ) -> Result<Result<(), Error>, Stop> {
        let now = self.clock.now();
        let due = held.state.sending.registered.map(|at| at.saturating_add(PAUSE));
        // A clock that was set back must not put it off for long.
        if let Some(wait) = due.map(|due| due - now).filter(|wait| (1..=PAUSE).contains(wait)) {
            return Ok(Err(Error::Unavailable {
                hub: "DPS".into(),
                status: 0,
                detail: "this source was registered less than a minute ago".into(),
                after: Some(std::time::Duration::from_millis(wait.unsigned_abs())),
            }));
        }
        held.state.sending.registered = Some(now);
        held.commit(self, Vec::new()).await?;
        held.cover(self, CALL).await?;
        let cached = held.state.assignment.as_ref();
        Ok(match self.forward.device(&turn.config.id, cached, fresh).await {
            Ok(assignment) => {
                held.state.assignment = Some(assignment);
                Ok(())
            }
            Err(error) => Err(error),
        })
    }
}
