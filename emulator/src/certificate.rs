//! Certificates for devices at the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::tls::{self, Authority, Certificate, Identity};

/// Make a certificate for a test device.
///
/// It is signed by the emulator's own authority, which `emulator hub` with the same --dir knows, or by itself. Its
/// common name is the device's id, or its registration id at the DPS.
#[derive(Debug, Clone, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Device id, or registration id.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Signed by nobody but itself: registered by its thumbprint.
    #[arg(long)]
    pub self_signed: bool,
    /// How long it lasts, days.
    #[arg(long, default_value_t = 365, value_name = "DAYS")]
    pub days: u64,
    /// Where the emulator's authority is kept.
    #[arg(long, default_value = ".emulator", value_name = "DIR")]
    pub dir: PathBuf,
    /// Where ID.pem and ID.key are written.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  # a device whose certificate the hub's authority signed
  emulator certificate meter-001
  curl -X PUT localhost:8445/devices/meter-001 --json '{\"authentication\":\"certificateAuthority\"}'

  # one that is known by its thumbprint, which is printed
  emulator certificate meter-002 --self-signed
  curl -X PUT localhost:8445/devices/meter-002 --json '{\"primary_thumbprint\":\"…\"}'";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It cannot be made.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// What was made cannot be read back.
    #[error(transparent)]
    Unreadable(#[from] tls::NotACertificate),
    /// It cannot be written.
    #[error("cannot write {path}: {source}")]
    File {
        /// The file at fault.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes key and certificate, writes them, and prints where they are and the thumbprints.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let made = if args.self_signed {
        Identity::self_signed(&args.id, args.days)?
    } else {
        Authority::load_or_create(&args.dir)?.client_certificate(&args.id, args.days)?
    };
    // An id may hold characters that a file's name may not.
    let name = crate::hub::token::encode(&args.id);
    let (certificate, key) = (
        args.out.join(format!("{name}.pem")),
        args.out.join(format!("{name}.key")),
    );
    let read = Certificate::parse(&made.certificate)?;
    write(&args.out, &certificate, &made.certificate)?;
    write(&args.out, &key, &made.key)?;
    println!("certificate  {}", certificate.display());
    println!("key          {}", key.display());
    println!("sha256       {}", read.sha256());
    println!("sha1         {}", read.sha1());
    Ok(())
}

/// Writes a file that its owner alone can read.
fn write(dir: &Path, path: &Path, text: &str) -> Result<(), CommandError> {
    let failed = |source| CommandError::File {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(failed)?;
    let new = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    fs::write(new.path(), text).map_err(failed)?;
    new.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn key_and_certificate_are_written() {
        Args::command().debug_assert();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for flags in [&[][..], &["--self-signed"]] {
            let places = [
                format!("--dir={}", path("ca").display()),
                format!("--out={}", path("out").display()),
            ];
            let words = ["certificate", "m/1"]
                .into_iter()
                .chain(places.iter().map(String::as_str));
            let args = Args::parse_from(words.chain(flags.iter().copied()));
            run(&args).unwrap();
            let certificate = fs::read_to_string(path("out/m%2F1.pem")).unwrap();
            let certificate = Certificate::parse(&certificate).unwrap();
            assert_eq!(certificate.common_name(), Some("m/1"));
            let issuer = if args.self_signed {
                "CN=m/1"
            } else {
                "CN=meterbridge emulator CA"
            };
            assert_eq!(certificate.info()["issuerName"], issuer);
            assert!(
                fs::read_to_string(path("out/m%2F1.key"))
                    .unwrap()
                    .contains("PRIVATE KEY")
            );
        }
    }
}
