use std::fmt;

/// How the kit tells whether two aggregates hold the same.
///
/// Implemented for the three ways that [`AggregateKit`](super::AggregateKit)
/// offers; there is no need for another.
pub trait Compare<A>: sealed::Sealed {
    #[doc(hidden)]
    fn same(&self, expected: &A, saw: &A) -> bool;

    /// How they differ, if it can be told.
    #[doc(hidden)]
    fn tell(&self, expected: &A, saw: &A) -> (String, String);
}

mod sealed {
    #[expect(unnameable_types, reason = "it seals `Compare`")]
    pub trait Sealed {}
}

/// By `PartialEq`, the default.
#[derive(Debug, Clone, Copy)]
pub struct ByEq;

/// By a closure, see [`AggregateKit::eq_by`](super::AggregateKit::eq_by).
#[derive(Clone, Copy)]
pub struct EqBy<F>(pub(super) F);

/// By figures, see [`AggregateKit::figures`](super::AggregateKit::figures).
#[derive(Clone, Copy)]
pub struct ByFigures<F>(pub(super) F);

impl<F> fmt::Debug for EqBy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EqBy").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ByFigures<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByFigures").finish_non_exhaustive()
    }
}

impl sealed::Sealed for ByEq {}
impl<F> sealed::Sealed for EqBy<F> {}
impl<F> sealed::Sealed for ByFigures<F> {}

impl<A: PartialEq + fmt::Debug> Compare<A> for ByEq {
    fn same(&self, expected: &A, saw: &A) -> bool {
        expected == saw
    }
    fn tell(&self, expected: &A, saw: &A) -> (String, String) {
        excerpts(&format!("{expected:?}"), &format!("{saw:?}"))
    }
}

impl<A, F: Fn(&A, &A) -> bool> Compare<A> for EqBy<F> {
    fn same(&self, expected: &A, saw: &A) -> bool {
        (self.0)(expected, saw)
    }
    fn tell(&self, _: &A, _: &A) -> (String, String) {
        ("the same".to_owned(), "something else".to_owned())
    }
}

impl<A, T: PartialEq + fmt::Debug, F: Fn(&A) -> T> Compare<A> for ByFigures<F> {
    fn same(&self, expected: &A, saw: &A) -> bool {
        (self.0)(expected) == (self.0)(saw)
    }
    fn tell(&self, expected: &A, saw: &A) -> (String, String) {
        let (expected, saw) = ((self.0)(expected), (self.0)(saw));
        excerpts(&format!("{expected:?}"), &format!("{saw:?}"))
    }
}

/// The places at which two texts begin to differ.
fn excerpts(expected: &str, saw: &str) -> (String, String) {
    const BEFORE: usize = 60;
    const SHOWN: usize = 200;
    let same = expected
        .chars()
        .zip(saw.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let excerpt = |text: &str| {
        let skipped = same.saturating_sub(BEFORE);
        let shown: String = text.chars().skip(skipped).take(SHOWN).collect();
        let before = if skipped > 0 { "..." } else { "" };
        let after = if text.chars().count() > skipped + SHOWN {
            "..."
        } else {
            ""
        };
        format!("{before}{shown}{after}")
    };
    (excerpt(expected), excerpt(saw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_where_it_does() {
        let same = "x".repeat(500);
        let (expected, saw) = excerpts(&format!("{same}left"), &format!("{same}right"));
        assert!(
            expected.starts_with("...xxx") && expected.ends_with("left"),
            "{expected}"
        );
        assert!(saw.ends_with("right") && saw.len() == 68, "{saw}");
    }
}
