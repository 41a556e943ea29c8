//! What only shows when sources are seen together and beside the settings.

use std::collections::HashMap;
use std::time::Duration;

use super::duration::show;
use super::findings::Findings;
use super::{Identity, Kind, Schedule, Settings, SourceConfig, address, id, schedule};

/// Readers lose answers when they are asked more often (their web server serves one client at a time).
const READERS_PACE: Duration = Duration::from_secs(10);

/// Ids that are taken, and by whom.
#[derive(Debug, Default)]
pub struct Ids {
    /// Whether each source is a device of its own.
    are_devices: bool,
    /// By id: where it was defined.
    firsts: HashMap<String, String>,
    /// By registration id, which is the source's in small letters: id and where it was defined.
    devices: HashMap<String, (String, String)>,
}

/// Checks the sources of `sources.toml` and of the old settings.
pub(super) fn check(sources: &[SourceConfig], settings: &Settings, found: &Findings) {
    let (mut ids, mut doubts) = (Ids::new(settings), Doubts::new(settings, found));
    for source in sources {
        let place = place(source);
        // Two ids that the file itself repeats are told by their lines already.
        let told = found.has(&format!("[{}].id", source.id));
        for fault in ids.admit(source) {
            if !(told && fault.starts_with(SAME)) {
                found.fault(&place, fault);
            }
        }
        doubts.look(source);
    }
}

/// Looks for what is allowed, but doubtful.
pub(super) struct Doubts<'a> {
    settings: &'a Settings,
    found: &'a Findings,
    /// Thousands of sources share a few schedules.
    crons: HashMap<String, Option<Duration>>,
}

impl<'a> Doubts<'a> {
    pub(super) fn new(settings: &'a Settings, found: &'a Findings) -> Self {
        Self {
            settings,
            found,
            crons: HashMap::new(),
        }
    }

    /// Warns of what is doubtful in a source.
    pub(super) fn look(&mut self, source: &SourceConfig) {
        let every = match &source.schedule {
            Schedule::Every(every) => Some(*every),
            Schedule::Cron(text) => *self
                .crons
                .entry(text.clone())
                .or_insert_with(|| schedule::closest(&schedule::cron(text).ok()?).ok()),
        };
        if let Some(every) = every {
            doubts(source, every, self.settings, self.found);
        }
    }
}

fn doubts(source: &SourceConfig, every: Duration, settings: &Settings, found: &Findings) {
    let place = place(source);
    let here = source.runner == settings.runner;
    if let Kind::Tasmota(reader) = &source.kind {
        if every < READERS_PACE {
            let text = format!(
                "is asked every {}; readers answer badly below {}",
                show(every),
                show(READERS_PACE)
            );
            found.warning(&place, &text);
        }
        if here && settings.in_azure && address::is_private(&reader.url) {
            found.warning(
                &place,
                "has an address that Azure reaches through a VPN or tunnel only; else run meterbridge near the reader",
            );
        }
    }
    if let Some(period) = settings.timer_period().filter(|period| here && every < *period) {
        let text = format!(
            "is due every {}, but the timer runs every {} only",
            show(every),
            show(period)
        );
        found.warning(&place, &text);
    }
}

/// `sources.toml:12 [home]`.
pub(super) fn place(source: &SourceConfig) -> String {
    format!("{} [{}]", source.origin, source.id)
}

impl Ids {
    /// None taken yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            are_devices: matches!(settings.identity, Identity::Group { .. }),
            ..Self::default()
        }
    }

    /// Takes a source's id, or says why it cannot be had; a later source does not take it from an earlier one.
    pub fn admit(&mut self, source: &SourceConfig) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(other) = self.firsts.get(&source.id) {
            faults.push(format!("{SAME} as the source of {other}; give one another `id`"));
        }
        if self.are_devices {
            faults.extend(id::check_registration(&source.id).err());
            let other = self.devices.get(&source.id.to_ascii_lowercase());
            if let Some((other, origin)) = other.filter(|(other, _)| *other != source.id) {
                faults.push(format!(
                    "differs from `{other}` of {origin} in letter case only, and both would be one device of the Device Provisioning \
                     Service; give one another `id`"
                ));
            }
        }
        if faults.is_empty() {
            self.firsts.insert(source.id.clone(), source.origin.clone());
            self.devices.insert(
                source.id.to_ascii_lowercase(),
                (source.id.clone(), source.origin.clone()),
            );
        }
        faults
    }
}

/// How the fault of a repeated id begins.
const SAME: &str = "has the same id";
