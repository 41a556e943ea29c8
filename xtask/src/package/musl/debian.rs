//! The parts of Debian 12 that stand in for a target that is not installed.
//!
//! `rustc-web` and `rust-web-src` are the compiler that Debian keeps up to date for its browsers, and its library's source.
//! The newer compiler matters not: it is used for this one build.

use std::fs;
use std::path::{Path, PathBuf};

use super::run;
use crate::failure::Failure;
use crate::project::Project;

const PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "libunwind-14-dev"];

/// What Debian's unwinder asks of glibc and musl does not have: the checked form of one function.
const CHECKED: &str = "#include <stdio.h>\n#include <stdarg.h>\n\
int __fprintf_chk(FILE *file, int level, const char *format, ...) {\n\
  (void)level; va_list rest; va_start(rest, format);\n\
  int written = vfprintf(file, format, rest); va_end(rest); return written;\n}\n";

/// Where they lie.
pub(super) struct Parts {
    /// The compiler.
    pub(super) rustc: PathBuf,
    /// The shared libraries that it needs.
    pub(super) libraries: PathBuf,
    /// The standard library's source.
    pub(super) library: PathBuf,
    /// `libunwind.a`.
    unwinder: PathBuf,
}

impl Parts {
    /// What the compiler is told so that it links with musl, statically.
    pub(super) fn flags(&self) -> Vec<String> {
        let unwinder = self.unwinder.display();
        [
            "-Clink-self-contained=no".to_owned(),
            format!("-Lnative={unwinder}"),
            "-Lnative=/usr/lib/x86_64-linux-musl".to_owned(),
            "-Ctarget-feature=+crt-static".to_owned(),
            "-Crelocation-model=static".to_owned(),
        ]
        .into()
    }
}

/// Fetches and unpacks them, unless they are there.
pub(super) fn parts(project: &Project, folder: &Path) -> Result<Parts, Failure> {
    let done = folder.join("complete");
    if !done.exists() {
        fetch(project, folder)?;
        unwinder(project, folder)?;
        fs::write(&done, "").map_err(Failure::file(&done))?;
    }
    let sources = folder.join("usr/src");
    let library = fs::read_dir(&sources)
        .map_err(Failure::file(&sources))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.join("library/std").is_dir())
        .ok_or_else(|| Failure::Check(format!("{} holds no library", sources.display())))?;
    Ok(Parts {
        rustc: folder.join("usr/bin/rustc"),
        libraries: folder.join("usr/lib/x86_64-linux-gnu"),
        library,
        unwinder: folder.join("unwinder"),
    })
}

fn fetch(project: &Project, folder: &Path) -> Result<(), Failure> {
    if !crate::debian::has_apt(project) {
        return Err(Failure::Missing {
            what: "The target x86_64-unknown-linux-musl".to_owned(),
            remedy: "Install it: rustup target add x86_64-unknown-linux-musl".to_owned(),
        });
    }
    if crate::debian::is_root(project) {
        project.program("apt-get").args(["update", "--quiet"]).run()?;
    }
    let archives = folder.join("archives");
    fs::create_dir_all(&archives).map_err(Failure::file(&archives))?;
    // What would be installed besides: libraries of the compiler.
    let plan = project
        .program("apt-get")
        .args(["install", "--simulate", "--no-install-recommends"])
        .args(PACKAGES)
        .output()?;
    let apt = crate::process::Program::new("apt-get", &archives).args(["download"]);
    run(apt.args(needed(&plan)), "fetching Debian's parts")?;
    for entry in fs::read_dir(&archives).map_err(Failure::file(&archives))? {
        let archive = entry.map_err(Failure::file(&archives))?.path();
        let unpack = project
            .program("dpkg")
            .args(["-x".as_ref(), archive.as_os_str(), folder.as_os_str()]);
        run(unpack, "unpacking Debian's parts")?;
    }
    fs::remove_dir_all(&archives).map_err(Failure::file(&archives))
}

/// The names in what apt-get says it would install, and those that were asked for.
fn needed(plan: &str) -> Vec<&str> {
    let mut names: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .chain(PACKAGES)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `libunwind.a` with the one function that it lacks.
fn unwinder(project: &Project, folder: &Path) -> Result<(), Failure> {
    let to = folder.join("unwinder");
    fs::create_dir_all(&to).map_err(Failure::file(&to))?;
    let (library, source, object) = (to.join("libunwind.a"), to.join("checked.c"), to.join("checked.o"));
    let from = folder.join("usr/lib/llvm-14/lib/libunwind.a");
    fs::copy(&from, &library).map_err(Failure::file(&from))?;
    fs::write(&source, CHECKED).map_err(Failure::file(&source))?;
    let compile = project.program("musl-gcc").args(["-O2", "-c"]).args([
        source.as_os_str(),
        "-o".as_ref(),
        object.as_os_str(),
    ]);
    run(compile, "compiling a part of the unwinder")?;
    // D: no dates and owners, so that every machine has the same archive.
    let pack = project
        .program("ar")
        .args(["rD".as_ref(), library.as_os_str(), object.as_os_str()]);
    run(pack, "packing the unwinder")
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn libraries_of_the_compiler_are_fetched_too() {
        let plan = "NOTE: This is only a simulation!\nInst libllvm22 (1:22 Debian:12 [amd64])\nInst rustc-web (1.96)\nConf libllvm22\n";
        assert_eq!(
            needed(plan),
            ["libllvm22", "libunwind-14-dev", "rust-web-src", "rustc-web"]
        );
        assert_eq!(needed(""), ["libunwind-14-dev", "rust-web-src", "rustc-web"]);
    }
}
