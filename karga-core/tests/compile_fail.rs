//! Pins what the compiler says to someone who forgot to implement a trait.
//!
//! All but our own words belongs to one version of the compiler, so the test
//! runs under that version only. For another, change [`RUSTC`] and run
//! `TRYBUILD=overwrite cargo test -p karga-core --test compile_fail`; then look
//! at the difference.

use std::{env, ffi::OsString, process::Command};

/// Whose words are pinned.
const RUSTC: &str = "rustc 1.95.";

#[test]
#[expect(clippy::print_stderr, reason = "says that nothing was tested, and why")]
fn the_compiler_says_what_is_missing() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("the compiler that built this can be run");
    let version = String::from_utf8_lossy(&output.stdout);
    if version.starts_with(RUSTC) {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    } else {
        eprintln!("not tested: messages of {RUSTC} are pinned, this is {version}");
    }
}
