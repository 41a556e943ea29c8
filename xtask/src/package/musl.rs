//! Builds the handler for `x86_64-unknown-linux-musl`: one file that runs on any Linux, whatever its C library.
//!
//! Where that target is installed (`rustup target add x86_64-unknown-linux-musl`), with it. Elsewhere, on Debian, with
//! parts of Debian's own packages, unpacked below `target/` and installed nowhere: a compiler that comes with the standard
//! library's source, and LLVM's unwinder, since GNU's ends in a crash in a static program. Both need musl-gcc for what is written in C.

mod debian;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::process::Program;
use crate::project::Project;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Builds it and gives its path.
pub(super) fn build(project: &Project) -> Result<PathBuf, Failure> {
    if !project.program("musl-gcc").args(["--version"]).succeeds() {
        crate::debian::install(project, &["musl-tools"])?;
    }
    let folder = folder(project);
    let includes = kernel_headers(&folder)?;
    let mut maps = vec![
        (project.root.clone(), "/meterbridge"),
        (folder.clone(), "/target"),
        (cargo_home(), "/cargo"),
    ];
    // The C parts count bits with a function of GCC's, which Rust's own library does not have.
    let mut flags = vec!["-Clink-arg=-lgcc".to_owned()];
    let mut cargo = project
        .cargo()
        .args([
            "build",
            "--profile",
            "dist",
            "--package",
            "meterbridge",
            "--target",
            TARGET,
        ])
        .args(["--target-dir".as_ref(), folder.as_os_str()])
        .env("CC_x86_64_unknown_linux_musl", "musl-gcc");
    if has_target(project)? {
        println!("Building with the installed target {TARGET}.");
    } else {
        println!("The target {TARGET} is not installed; building with Debian's parts.");
        let parts = debian::parts(project, &folder.join("debian"))?;
        maps.push((parts.library.clone(), "/rust"));
        flags.extend(parts.flags());
        cargo = cargo
            .args(["-Zbuild-std=std,panic_unwind"])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", &parts.rustc)
            .env("LD_LIBRARY_PATH", &parts.libraries)
            .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", "musl-gcc");
    }
    // No path of this machine in the program: the same commit gives the same bytes wherever it is built.
    let mut c_flags = format!("-isystem {}", includes.display());
    for (from, to) in &maps {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        c_flags += &format!(" -ffile-prefix-map={}={to}", from.display());
    }
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CFLAGS_x86_64_unknown_linux_musl", c_flags)
        // A date in the program would be another each day.
        .env("SOURCE_DATE_EPOCH", "315532800")
        .run()?;
    Ok(built(project))
}

/// Where the handler lies that was built last.
pub(super) fn built(project: &Project) -> PathBuf {
    folder(project).join(TARGET).join("dist/meterbridge")
}

fn folder(project: &Project) -> PathBuf {
    project.target.join("package")
}

fn has_target(project: &Project) -> Result<bool, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let root = project.program(rustc).args(["--print", "sysroot"]).output()?;
    Ok(Path::new(root.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .exists())
}

/// The kernel's own headers, which C libraries ask the kernel's random numbers with, and musl's folder does not have.
fn kernel_headers(folder: &Path) -> Result<PathBuf, Failure> {
    let includes = folder.join("include");
    fs::create_dir_all(&includes).map_err(Failure::file(&includes))?;
    for (name, from) in [
        ("linux", "/usr/include/linux"),
        ("asm-generic", "/usr/include/asm-generic"),
        ("asm", "/usr/include/x86_64-linux-gnu/asm"),
    ] {
        let link = includes.join(name);
        if !link.exists() {
            symlink(from, &link).map_err(Failure::file(&link))?;
        }
    }
    Ok(includes)
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// Runs a program whose failure is told with what was wanted of it.
fn run(program: Program, wanted: &str) -> Result<(), Failure> {
    program
        .run()
        .map_err(|failure| Failure::Check(format!("{wanted}: {failure}")))
}
