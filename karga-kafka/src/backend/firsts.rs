//! Keeps the first error of each class in full words.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
};

/// What a class's name leaves out, told by the first error of each class in a run.
///
/// Shared by all users of a scenario. It is touched only where something failed.
#[derive(Debug, Default)]
pub(crate) struct Firsts {
    /// Class and words, in the order in which the classes came.
    seen: Mutex<Vec<(String, String)>>,
}

impl Firsts {
    /// Most classes that are kept: more would not be read.
    const MOST: usize = 8;

    /// Keeps what `words` says, if it is the first of its class.
    pub(crate) fn note(&self, class: &str, words: impl FnOnce() -> String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < Self::MOST && seen.iter().all(|(known, _)| known != class) {
            seen.push((class.to_owned(), words()));
        }
    }

    /// Forgets everything: another run begins.
    pub(crate) fn clear(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clear();
    }

    /// A line for each class.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .map(|(class, words)| format!("first {class}: {words}"))
            .collect()
    }
}

/// An error and its causes in one line. A cause whose words are there already, because some errors
/// print their sources themselves, is left out.
pub(crate) fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_class_is_kept_until_the_next_run() {
        let firsts = Firsts::default();
        assert!(firsts.remarks().is_empty());
        firsts.note("A", || "one".to_owned());
        firsts.note("B", || "two".to_owned());
        firsts.note("A", || unreachable!("only the first is put into words"));
        assert_eq!(firsts.remarks(), ["first A: one", "first B: two"]);
        firsts.clear();
        for class in 0..20 {
            firsts.note(&class.to_string(), String::new);
        }
        assert_eq!(firsts.remarks().len(), Firsts::MOST);
        assert_eq!(firsts.remarks()[0], "first 0: ");
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Quiet(#[source] std::fmt::Error);
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Loud(#[source] std::fmt::Error);
        let cause = std::fmt::Error.to_string();
        assert_eq!(in_full(&Quiet(std::fmt::Error)), format!("outer: {cause}"));
        assert_eq!(in_full(&Loud(std::fmt::Error)), format!("outer: {cause}"));
    }
}
