//! The names of files of several runs.

use std::{
    collections::HashSet,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The longest name of a run in a file name, in bytes; file systems allow 255
/// for the whole.
const LONGEST: usize = 100;

/// "run.hlog" for "produce" and "fetch": "run-produce.hlog", "run-fetch.hlog".
/// No two are the same, not even where case does not count.
pub(super) fn beside<'a>(path: &Path, names: impl Iterator<Item = &'a str>) -> Vec<PathBuf> {
    let mut taken = HashSet::new();
    names
        .map(|name| {
            let safe = safe(name);
            let mut unique = safe.clone();
            let mut number = 1;
            while !taken.insert(unique.to_lowercase()) {
                number += 1;
                unique = format!("{safe}-{number}");
            }
            inserted(path, &unique)
        })
        .collect()
}

fn inserted(path: &Path, name: &str) -> PathBuf {
    let mut file = OsString::new();
    if let Some(stem) = path.file_stem() {
        file.push(stem);
        file.push("-");
    }
    file.push(name);
    if let Some(extension) = path.extension() {
        file.push(".");
        file.push(extension);
    }
    path.with_file_name(file)
}

/// Without separators, spaces, control characters and what shells and file
/// systems give a meaning.
fn safe(name: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let mut safe = String::new();
    for c in name.chars() {
        let c = if keep(c) { c } else { '-' };
        if safe.len() + c.len_utf8() > LONGEST {
            break;
        }
        safe.push(c);
    }
    if safe.is_empty() {
        safe.push_str("unnamed");
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, names: &[&str]) -> Vec<String> {
        beside(Path::new(path), names.iter().copied())
            .into_iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn the_name_stands_before_the_extension() {
        assert_eq!(
            names("logs/run.hlog", &["produce", "fetch"]),
            ["logs/run-produce.hlog", "logs/run-fetch.hlog"]
        );
        assert_eq!(names("run", &["v1.2"]), ["run-v1.2"]);
        assert_eq!(names("a.b/run.2.hlog", &["x"]), ["a.b/run.2-x.hlog"]);
    }

    #[test]
    fn names_are_made_safe_and_stay_apart() {
        assert_eq!(
            names(
                "r.h",
                &["../etc/passwd", "a b", "a-b", "A/B", "", "\u{202e}\n"]
            ),
            [
                "r-..-etc-passwd.h",
                "r-a-b.h",
                "r-a-b-2.h",
                "r-A-B-3.h",
                "r-unnamed.h",
                "r---.h"
            ]
        );
        let long = "ä".repeat(300);
        assert!(names("r.h", &[&long])[0].len() < 110);
    }
}
