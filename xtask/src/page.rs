//! The emulated hub's page in headless Chromium, with a device of Microsoft's SDK at the other end; pictures go to `target/page`.

use std::path::PathBuf;

use crate::conformance::hub::Hub;
use crate::failure::Failure;
use crate::project::Project;
use crate::{debian, npm};

/// Whether the page was looked at.
pub(crate) enum Looked {
    Passed,
    /// There is no browser, and none can be installed.
    NoBrowser(String),
}

/// Drives the page.
pub(crate) fn run(project: &Project) -> Result<Looked, Failure> {
    let browser = match browser(project) {
        Ok(browser) => browser,
        Err(why) => return Ok(Looked::NoBrowser(why)),
    };
    // The features of the whole workspace, so that what its tests have built is used again.
    let build = project
        .cargo()
        .args(["build", "--workspace", "--bin", "emulator"]);
    build.run()?;
    let scripts = project.root.join("tests/page");
    let directory = project.target.join("page");
    std::fs::create_dir_all(&directory).map_err(Failure::file(&directory))?;
    let modules = npm::install(
        project,
        &scripts.join("package.json"),
        &directory.join("node"),
        false,
    )?;
    let work = tempfile::tempdir_in(&directory).map_err(Failure::file(&directory))?;
    let hub = Hub::start(project, work.path())?;
    println!("{}", hub.told());
    let node = project.program("node").args(["--dns-result-order=ipv4first"]);
    let node = match hub.remap(&project.root.join("tests/conformance")) {
        Some(preload) => node.args(["--require".into(), preload]),
        None => node,
    };
    hub.tell(node.args([scripts.join("page.js")]))
        .env("NODE_PATH", modules)
        .env("CHROMIUM", browser)
        .env("PICTURES", &directory)
        .run()?;
    println!("Pictures: {}", directory.display());
    Ok(Looked::Passed)
}

/// Chromium, installed where that is possible; else why there is none.
fn browser(project: &Project) -> Result<PathBuf, String> {
    let find = || {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let there = |name: &&str| project.program(name).args(["--version"]).succeeds();
        names.into_iter().find(there)
    };
    let found = find().or_else(|| {
        let installed = debian::install(project, &["chromium"]);
        installed.ok().and_then(|()| find())
    });
    // The driver wants a path, not a name.
    let path = found.and_then(|name| {
        std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|folder| folder.join(name))
            .find(|path| path.exists())
    });
    path.ok_or_else(|| {
        "the page at / was NOT looked at: Chromium is missing and cannot be installed here (Debian: apt-get install chromium)"
            .to_owned()
    })
}
