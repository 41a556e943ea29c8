//! A file endpoint: one JSON document a line.

use std::path::PathBuf;

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::endpoint::Job;

/// A file that is appended to; opened when the first message comes.
pub(super) struct Lines {
    path: PathBuf,
    file: Option<File>,
}

impl Lines {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Appends a line. After a failure the file is opened anew.
    pub(super) async fn write(&mut self, job: &Job) -> Result<(), String> {
        let line = format!("{}\n", job.document);
        let written = self.append(line.as_bytes()).await;
        written.map_err(|error| {
            self.file = None;
            format!("{}: {error}", self.path.display())
        })
    }

    async fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&self.path)
                    .await?,
            ),
        };
        file.write_all(line).await?;
        file.flush().await
    }
}
