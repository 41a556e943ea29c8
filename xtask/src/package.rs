//! `cargo xtask package`: what is uploaded to Azure, or copied to a small machine: `dist/` and `dist.zip`.
//!
//! # Layout
//!
//! - `musl`: builds the handler so that it runs on any Linux, on machines with and without that target.
//! - `layout`: what belongs in it, and whether it is there.
//! - `elf`: whether a program needs nothing but a kernel.
//! - `archive`: the zip, the same bytes for the same files.
//! - `bare`: the proof, on a root that holds nothing else.

mod archive;
mod bare;
mod elf;
mod layout;
mod musl;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::project::Project;
use layout::Layout;

/// Azure takes more, but a small package starts sooner.
const LIMIT: u64 = 10 * 1024 * 1024;

/// Builds dist/ and dist.zip, or checks them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build nothing; check what would be packed, and what was packed if it is there.
    #[arg(long)]
    check: bool,
    /// Start what was packed on a bare root (as root), and let it answer, poll and send over TLS.
    #[arg(long)]
    prove: bool,
    /// Take the handler that was built last.
    #[arg(long)]
    no_build: bool,
    /// Build for this machine only and put the handler beside host.json, so that `func start` works from here.
    #[arg(long, conflicts_with_all = ["check", "prove", "no_build"])]
    local: bool,
}

/// Does what the arguments say.
pub(crate) fn run(project: &Project, args: &Args) -> Result<(), Failure> {
    let layout = Layout::read(&project.root)?;
    if args.local {
        return local(project, &layout);
    }
    let dist = project.root.join("dist");
    if args.check {
        layout.print();
        if !dist.exists() {
            println!("dist/ is not there; `cargo xtask package` makes it.");
            return Ok(());
        }
    } else {
        let built = if args.no_build {
            musl::built(project)
        } else {
            musl::build(project)?
        };
        make(&layout, &built, &dist)?;
    }
    check(project, &layout, &dist)?;
    if args.prove {
        bare::prove(project, &dist)?;
    }
    Ok(())
}

/// Makes the folder and the zip.
fn make(layout: &Layout, built: &Path, dist: &Path) -> Result<(), Failure> {
    if dist.exists() {
        fs::remove_dir_all(dist).map_err(Failure::file(dist))?;
    }
    for (name, from) in layout.files(built) {
        let to = dist.join(&name);
        let folder = to.parent().unwrap_or(dist);
        fs::create_dir_all(folder).map_err(Failure::file(folder))?;
        fs::copy(&from, &to).map_err(Failure::file(&from))?;
        let mode = if name == layout.executable { 0o755 } else { 0o644 };
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).map_err(Failure::file(&to))?;
    }
    archive::write(dist, &zip_of(dist))
}

/// Checks folder and zip, and prints what is in them.
fn check(project: &Project, layout: &Layout, dist: &Path) -> Result<(), Failure> {
    let zip = zip_of(dist);
    let mut faults = layout.faults(&project.root);
    let expected: Vec<String> = layout.names();
    let found = archive::list(&zip)?;
    let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
    if names != expected {
        faults.push(format!("dist.zip holds {names:?}, not {expected:?}"));
    }
    for entry in &found {
        let runs = entry.mode & 0o111 != 0;
        if runs != (entry.name == layout.executable) {
            faults.push(format!("{} has mode {:o} in the zip", entry.name, entry.mode));
        }
        println!(
            "{:<28} {:>9}  {:>9} zipped",
            entry.name, entry.bytes, entry.zipped
        );
    }
    let program = dist.join(&layout.executable);
    let bytes = fs::read(&program).map_err(Failure::file(&program))?;
    faults.extend(elf::faults(&bytes));
    let size = fs::metadata(&zip).map_err(Failure::file(&zip))?.len();
    println!("{:<28} {:>9}  {size:>9} in all", "dist.zip", "");
    if size > LIMIT {
        faults.push(format!("dist.zip has {size} bytes, more than {LIMIT}"));
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(faults.join("\n")))
}

/// The handler for this machine, beside host.json.
fn local(project: &Project, layout: &Layout) -> Result<(), Failure> {
    project
        .cargo()
        .args(["build", "--release", "--package", "meterbridge"])
        .run()?;
    let from = project.target.join("release/meterbridge");
    let to = project.root.join(&layout.executable);
    // Another name first: a handler that runs cannot be written over.
    let fresh = to.with_extension("new");
    fs::copy(&from, &fresh).map_err(Failure::file(&from))?;
    fs::rename(&fresh, &to).map_err(Failure::file(&to))?;
    println!("{} is here; `func start` finds it.", layout.executable);
    Ok(())
}

fn zip_of(dist: &Path) -> PathBuf {
    dist.with_extension("zip")
}
