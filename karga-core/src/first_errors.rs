use std::{
    error::Error,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

/// Keeps the first error of each class in full words, for
/// [`Scenario::remarks`](crate::Scenario::remarks).
///
/// The class of an error is short, so that errors can be counted by it; what
/// went wrong with which partition or address is told by the first of each.
/// One is shared by all users of a scenario, and touched only where something
/// failed. The first 8 classes are kept: more would not be read.
///
/// ```
/// use karga_core::{FirstErrors, error_chain};
///
/// let firsts = FirstErrors::new();
/// let error = "x".parse::<u8>().unwrap_err();
/// firsts.note("bad answer", || error_chain(&error));
/// firsts.note("bad answer", || unreachable!("only the first is put into words"));
/// assert_eq!(firsts.remarks(), ["first bad answer: invalid digit found in string"]);
/// ```
#[derive(Debug, Default)]
pub struct FirstErrors {
    /// Class and words, in the order in which the classes came.
    seen: Mutex<Vec<(String, String)>>,
}

impl FirstErrors {
    /// Most classes that are kept.
    const MOST: usize = 8;

    /// None yet.
    pub const fn new() -> Self {
        Self {
            seen: Mutex::new(Vec::new()),
        }
    }

    /// Keeps what `words` says, if it is the first of its class. The closure is
    /// called under a lock, and not at all for any other.
    pub fn note(&self, class: &str, words: impl FnOnce() -> String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < Self::MOST && seen.iter().all(|(known, _)| known != class) {
            seen.push((class.to_owned(), words()));
        }
    }

    /// Forgets everything: another run begins. For
    /// [`Scenario::setup`](crate::Scenario::setup).
    pub fn clear(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clear();
    }

    /// A line for each class, "first CLASS: WORDS", in the order in which the
    /// classes came.
    pub fn remarks(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .map(|(class, words)| format!("first {class}: {words}"))
            .collect()
    }
}

/// An error and all that caused it, in one line: "outer: inner: innermost".
///
/// For where an error becomes text, such as a warning, and its
/// [`source`](Error::source) would be lost. A cause whose words are there
/// already, because some errors print their sources themselves, is left out.
///
/// ```
/// use karga_core::{ExecuteError, error_chain};
///
/// let source = std::io::Error::other("connection refused");
/// let error = ExecuteError::Connect { user: 7, source };
/// assert_eq!(error_chain(&error),
///     "user 7 could not connect; no load was offered: connection refused"
/// );
/// ```
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {words}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[test]
    fn the_first_of_each_class_is_kept_until_the_next_run() {
        let firsts = FirstErrors::new();
        assert!(firsts.remarks().is_empty());
        firsts.note("A", || "one".to_owned());
        firsts.note("B", || "two".to_owned());
        firsts.note("A", || unreachable!("only the first is put into words"));
        assert_eq!(firsts.remarks(), ["first A: one", "first B: two"]);
        firsts.clear();
        for class in 0..20 {
            firsts.note(&class.to_string(), String::new);
        }
        assert_eq!(firsts.remarks().len(), FirstErrors::MOST);
        assert_eq!(firsts.remarks()[0], "first 0: ");
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Quiet(#[source] fmt::Error);
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Loud(#[source] fmt::Error);
        let cause = fmt::Error.to_string();
        assert_eq!(error_chain(&Quiet(fmt::Error)), format!("outer: {cause}"));
        assert_eq!(error_chain(&Loud(fmt::Error)), format!("outer: {cause}"));
    }
}
