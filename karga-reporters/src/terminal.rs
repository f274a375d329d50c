//! What the environment says of the terminal.

use std::{env, ffi::OsStr};

/// Whether the terminal understands no escapes: `TERM=dumb`, as editors and
/// build tools set it for the output that they show.
pub(crate) fn is_dumb() -> bool {
    dumb(env::var_os("TERM").as_deref())
}

/// Whether the person wants no colour, by <https://no-color.org>: `NO_COLOR` is
/// set and not empty.
pub(crate) fn is_color_unwanted() -> bool {
    unwanted(env::var_os("NO_COLOR").as_deref())
}

fn dumb(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| term == "dumb")
}

fn unwanted(no_color: Option<&OsStr>) -> bool {
    no_color.is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_dumb_is_dumb() {
        let dumb_ones = [None, Some(""), Some("xterm-256color"), Some("dumb")]
            .map(|term| dumb(term.map(OsStr::new)));
        assert_eq!(dumb_ones, [false, false, false, true]);
    }

    #[test]
    fn an_empty_no_color_asks_for_nothing() {
        let unwanted_ones =
            [None, Some(""), Some("1")].map(|value| unwanted(value.map(OsStr::new)));
        assert_eq!(unwanted_ones, [false, false, true]);
    }
}
