//! Asks again for what is missing, besides the live window.

use std::time::Duration;

use crate::clock::{Millis, iso};
use crate::source::Window;

use super::aim::{self, Aim};
use super::claim::Held;
use super::record::Known;
use super::report::Report;
use super::window::{halve, millis};
use super::{Poller, Stop, Turn, gaps, read, window};

/// Questions of one tick: many gaps must not hold up the next poll, nor use up a backend's patience.
const QUESTIONS: usize = 8;

impl Poller {
    /// Gives up old gaps and asks for those that are due. A gap inside the overlap is not asked for by itself: the pass just did.
    pub(super) async fn reask(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut Known,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let Some(interval) = aim::interval(turn.config) else {
            return Ok(());
        };
        if let Some(ledger) = &mut held.state.gaps {
            let now = self.clock.now();
            report.gaps(&gaps::give_up(ledger, now), interval);
            match gaps::overdue(ledger, interval, now) {
                Some(true) => report.remark(format!(
                    "overdue: no row since {}, though they are expected to come",
                    iso(ledger.newest)
                )),
                Some(false) => report.remark("rows come again"),
                None => {}
            }
        }
        let mut longest = turn.config.slice;
        for _ in 0..QUESTIONS {
            let now = self.clock.now();
            // Not all that lies above the digest's floor: an overlap that was made shorter lets the window begin later at once, the
            // floor follows with the next row.
            let mark = held.state.mark.unwrap_or(Millis::MIN);
            let live = window::open(mark, digest.known.floor(), turn.config.overlap, now).at;
            let question = held
                .state
                .gaps
                .as_ref()
                .and_then(|ledger| gaps::question(ledger, interval, live, millis(longest), now));
            let Some(question) = question else { break };
            if held.is_blocked() || now >= turn.deadline {
                break;
            }
            let window = Window::Range {
                from: question.from,
                until: question.until,
                open: false,
            };
            let unfinished = report.unfinished;
            let answer = self.read(turn, held, window, report).await?;
            // What is new was read; gaps that were not asked for stay due.
            report.unfinished = unfinished;
            if !matches!(answer, read::Outcome::Shorter | read::Outcome::Later)
                && let Some(ledger) = &mut held.state.gaps
            {
                gaps::asked(ledger, question, self.clock.now());
            }
            match answer {
                read::Outcome::Answer(answered) => {
                    self.record(turn, held, digest, *answered, Aim::Gap, report)
                        .await?;
                    self.drain(turn, held, report).await?;
                }
                read::Outcome::Later => break,
                read::Outcome::Shorter => longest = halve(longest, window).max(Duration::from_millis(1)),
                read::Outcome::Failed(failed) => {
                    self.record_failure(turn, held, &failed, report);
                    break;
                }
            }
        }
        Ok(())
    }
}
