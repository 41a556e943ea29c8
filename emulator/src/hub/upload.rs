//! File upload: a device asks for a place, writes the file there, and tells the hub how it went.
//!
//! At Azure the place is a container of a storage account; here it is on the hub's own HTTPS port, and takes what
//! the storage SDKs write there.
//!
//! # Layout
//!
//! - [`Upload`]: one of them. `Uploads`: all. `pass`: the token that opens the place of one.
//! - `https`: what the device asks of the hub. `blob`: what the storage client asks, with `refusal` and `blocks`.
//! - `shelf`: the files that came.

mod blob;
mod blocks;
pub(super) mod https;
mod pass;
mod refusal;
mod shelf;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::Key;
use super::reply::{guid, rfc3339};

pub(super) use blob::{answer, is_asked_for};
pub use shelf::Blob;
pub(super) use shelf::Shelf;

/// The container that files go into.
const CONTAINER: &str = "uploads";

/// Uploads that a device may have begun and not yet told the end of [docs: 403006].
const ACTIVE: usize = 10;

/// How long a token and an upload last, milliseconds: what a hub is set to at first [docs: configure file upload].
const LIFE_MS: i64 = 3_600_000;

/// Uploads that are remembered.
const REMEMBERED: usize = 10_000;

/// A file upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What the device tells the end of it by.
    pub correlation_id: String,
    /// Whose it is.
    pub device: String,
    /// The blob's name: device id, slash, and the name that the device chose.
    pub blob: String,
    /// When it began, milliseconds since 1970.
    pub began_ms: i64,
    /// When it ends by itself.
    pub expires_ms: i64,
    /// What the device told.
    pub told: Option<Told>,
}

/// What a device tells of an upload's end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Whether the file is there.
    pub is_success: bool,
    /// What the storage answered, as the device says.
    pub status_code: i64,
    /// The same in words.
    pub status_description: String,
}

/// Why an upload does not begin or end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// 403006.
    TooMany,
    /// 400015.
    Unknown,
    /// 400016.
    Expired,
    /// 400020: told to be there, and is not.
    NoBlob,
}

/// All uploads of a hub.
pub(super) struct Uploads {
    all: Mutex<VecDeque<Upload>>,
    /// Signs the tokens; nobody else knows it.
    secret: Key,
    pub(super) shelf: Shelf,
}

impl Uploads {
    /// None yet. Files are also written into `directory`, if there is one.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub(super) fn new(directory: Option<PathBuf>) -> Result<Self, rustls::Error> {
        Ok(Self {
            all: Mutex::default(),
            secret: Key::random()?,
            shelf: Shelf::new(directory),
        })
    }

    /// Begins an upload of `device`; returns it, and the token for its blob.
    pub(super) fn begin(&self, device: &str, name: &str, now_ms: i64) -> Result<(Upload, String), Refused> {
        let mut all = self.lock();
        let active = |one: &&Upload| one.device == device && one.told.is_none() && one.expires_ms > now_ms;
        if all.iter().filter(active).count() >= ACTIVE {
            return Err(Refused::TooMany);
        }
        // The hub's are base64 of a time, a GUID and names; they have characters that a path has to encode.
        let id = STANDARD.encode(format!("{}_{}_{name}", rfc3339(now_ms), guid()));
        let upload = Upload {
            correlation_id: id,
            device: device.to_owned(),
            blob: format!("{device}/{name}"),
            began_ms: now_ms,
            expires_ms: now_ms.saturating_add(LIFE_MS),
            told: None,
        };
        let pass = pass::write(&self.secret, &upload.blob, upload.expires_ms);
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back(upload.clone());
        Ok((upload, pass))
    }

    /// Ends an upload of `device` as it tells; returns the blob that is there by it. Told twice, the first counts, as a
    /// repeated request must do no harm.
    pub(super) fn end(
        &self,
        device: &str,
        id: &str,
        told: Told,
        now_ms: i64,
    ) -> Result<Option<String>, Refused> {
        let mut all = self.lock();
        let found = all
            .iter_mut()
            .find(|one| one.device == device && one.correlation_id == id);
        let upload = found.ok_or(Refused::Unknown)?;
        if upload.told.is_some() {
            return Ok(None);
        }
        if upload.expires_ms <= now_ms {
            return Err(Refused::Expired);
        }
        if told.is_success && self.shelf.get(&upload.blob).is_none() {
            return Err(Refused::NoBlob);
        }
        let there = told.is_success.then(|| upload.blob.clone());
        upload.told = Some(told);
        Ok(there)
    }

    /// Whether a query opens the place of `blob`.
    pub(super) fn opens(&self, query: &str, blob: &str, now_ms: i64) -> Result<(), pass::Wrong> {
        pass::check(&self.secret, query, blob, now_ms)
    }

    /// Those of a device, oldest first.
    pub(super) fn of(&self, device: &str) -> Vec<Upload> {
        let all = self.lock();
        all.iter().filter(|one| one.device == device).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Upload>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
