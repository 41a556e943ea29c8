//! The zip: sorted names, one fixed time, the modes of the folder; so the same files give the same bytes.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::failure::Failure;

/// One file in a zip.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Path, with slashes.
    pub(super) name: String,
    /// Unix mode, the kind of file left out.
    pub(super) mode: u32,
    /// Size.
    pub(super) bytes: u64,
    /// Size in the zip.
    pub(super) zipped: u64,
}

/// Writes all files below `folder` to `zip`.
pub(super) fn write(folder: &Path, zip: &Path) -> Result<(), Failure> {
    let file = File::create(zip).map_err(Failure::file(zip))?;
    let mut writer = ZipWriter::new(BufWriter::new(file));
    let failed = |error: zip::result::ZipError| Failure::Check(format!("{}: {error}", zip.display()));
    for name in names(folder, "")? {
        let path = folder.join(&name);
        let bytes = fs::read(&path).map_err(Failure::file(&path))?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            // 1980-01-01, the first that a zip knows.
            .last_modified_time(DateTime::default())
            .unix_permissions(mode(&path)?);
        writer.start_file(name, options).map_err(failed)?;
        writer.write_all(&bytes).map_err(Failure::file(zip))?;
    }
    let mut file = writer.finish().map_err(failed)?;
    file.flush().map_err(Failure::file(zip))
}

/// What a zip holds, in its order.
pub(super) fn list(zip: &Path) -> Result<Vec<Entry>, Failure> {
    let failed = |error: zip::result::ZipError| Failure::Check(format!("{}: {error}", zip.display()));
    let file = File::open(zip).map_err(Failure::file(zip))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(failed)?;
    let mut entries = Vec::new();
    for at in 0..archive.len() {
        let file = archive.by_index(at).map_err(failed)?;
        entries.push(Entry {
            name: file.name().map_err(failed)?.into_owned(),
            mode: file.unix_mode().unwrap_or_default() & 0o7777,
            bytes: file.size(),
            zipped: file.compressed_size(),
        });
    }
    Ok(entries)
}

/// Unpacks a zip, modes included.
pub(super) fn unpack(zip: &Path, to: &Path) -> Result<(), Failure> {
    let file = File::open(zip).map_err(Failure::file(zip))?;
    ZipArchive::new(BufReader::new(file))
        .and_then(|mut archive| archive.extract(to))
        .map_err(|error| Failure::Check(format!("{}: {error}", zip.display())))
}

fn names(root: &Path, below: &str) -> Result<Vec<String>, Failure> {
    let folder = root.join(below);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Failure::file(&folder))? {
        let entry = entry.map_err(Failure::file(&folder))?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            names.extend(self::names(root, &format!("{name}/"))?);
        } else {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn mode(path: &Path) -> Result<u32, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).map_err(Failure::file(path))?;
    Ok(metadata.permissions().mode() & 0o777)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(order: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in order {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name.repeat(1000)).unwrap();
            let mode = if *name == "handler" { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    #[test]
    fn the_same_files_give_the_same_bytes_whenever_they_were_written() {
        let zips = tempfile::tempdir().unwrap();
        let (a, b) = (zips.path().join("a.zip"), zips.path().join("b.zip"));
        let (first, second) = (
            folder(&["A/function.json", "handler", "host.json"]),
            folder(&["host.json", "handler", "A/function.json"]),
        );
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        File::open(second.path().join("handler"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        write(first.path(), &a).unwrap();
        write(second.path(), &b).unwrap();
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    }

    #[test]
    fn names_are_sorted_and_modes_kept() {
        let folder = folder(&["host.json", "handler", "A/function.json"]);
        let elsewhere = tempfile::tempdir().unwrap();
        let zip = elsewhere.path().join("a.zip");
        write(folder.path(), &zip).unwrap();
        let entries = list(&zip).unwrap();
        let told: Vec<(&str, u32)> = entries.iter().map(|e| (e.name.as_str(), e.mode)).collect();
        assert_eq!(
            told,
            [
                ("A/function.json", 0o644),
                ("handler", 0o755),
                ("host.json", 0o644)
            ]
        );
        assert!(entries.iter().all(|entry| entry.zipped < entry.bytes));
        unpack(&zip, &elsewhere.path().join("out")).unwrap();
        let handler = elsewhere.path().join("out/handler");
        assert_eq!(mode(&handler).unwrap(), 0o755);
    }
}
