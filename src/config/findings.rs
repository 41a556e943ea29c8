//! What is wrong or doubtful, collected so that a person sees all of it at once.

use std::cell::RefCell;

use super::Fault;

/// Faults and warnings in the order they were found. Shared by reference while the configuration is read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<String>>,
}

impl Findings {
    /// Adds a fault, once.
    pub(super) fn fault(&self, place: impl Into<String>, text: impl Into<String>) {
        let fault = Fault {
            place: place.into(),
            text: text.into(),
        };
        let mut faults = self.faults.borrow_mut();
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }

    /// Whether a fault's place ends in `what`.
    pub(super) fn has(&self, what: &str) -> bool {
        self.faults
            .borrow()
            .iter()
            .any(|fault| fault.place.ends_with(what))
    }

    /// Adds a warning, once. It is shown as `place: text`, as a fault is.
    pub(super) fn warning(&self, place: &str, text: &str) {
        let line = format!("{place}: {text}");
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&line) {
            warnings.push(line);
        }
    }

    /// Takes `result`'s value, or notes its error as a fault of `place`.
    pub(super) fn keep<T>(&self, place: &str, result: Result<T, impl Into<String>>) -> Option<T> {
        result.map_err(|text| self.fault(place, text)).ok()
    }

    /// Puts the faults of `file` in the order of its lines, behind all others.
    pub(super) fn sort_by_line(&self, file: &str) {
        let line = |fault: &Fault| -> Option<usize> {
            let rest = fault.place.strip_prefix(file)?.strip_prefix(':')?;
            rest.split(' ').next()?.parse().ok()
        };
        self.faults.borrow_mut().sort_by_key(line);
    }

    /// Everything found: faults, then warnings.
    pub(super) fn into_parts(self) -> (Vec<Fault>, Vec<String>) {
        (self.faults.into_inner(), self.warnings.into_inner())
    }
}
