//! A certificate in files, for a broker that is measured beside the hub. Of the same kind as the hub's own: ECDSA, P-256.

use std::path::PathBuf;

use super::Error;

/// Where the certificate goes.
#[derive(Debug, clap::Args)]
pub struct Certificate {
    /// A folder; `cert.pem` (to present and to trust) and `key.pem` are written there.
    #[arg(long)]
    dir: PathBuf,
}

impl Certificate {
    pub(super) fn write(&self) -> Result<(), Error> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
            .map_err(|error| Error::Part("the certificate", error.to_string()))?;
        std::fs::write(self.dir.join("cert.pem"), made.cert.pem())?;
        Ok(std::fs::write(
            self.dir.join("key.pem"),
            made.signing_key.serialize_pem(),
        )?)
    }
}
