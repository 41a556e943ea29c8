//! Tells the linker of a glibc system to pack the program's relocations.
//!
//! A position-independent program is full of addresses that the loader mends at start. Packed (`DT_RELR`) their list shrinks from
//! 1.6 MB to a few kilobytes, which are no longer read at start and do not stay in memory: 2 MB less at rest. Needs glibc 2.36 to
//! run; linkers that do not know the option (GNU ld before 2.38) leave it out with a warning. The packaged program is linked
//! without relocations and needs nothing of it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|found| found == wanted);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
