mod rule;

use std::{fmt, future::Future};

pub use rule::ReporterRule;

use super::{Violations, violation::Findings};
use crate::Reporter;
use ReporterRule as Rule;

/// Where a reporter under test writes to: a file in a folder of its own, a
/// service that stands in for the real one.
///
/// The kit makes a new place for each try, fills it, limits it, and looks at
/// what is there afterwards.
pub trait Place {
    /// The reporter.
    type Reporter;

    /// A reporter that writes to this place. The kit asks for more than one.
    fn reporter(&self) -> Self::Reporter;

    /// From now on a reporter can write this many bytes and no more, as on a
    /// full disk; `None` lifts the limit. 0 may as well make the place
    /// unwritable or unreachable.
    fn limit(&self, bytes: Option<u64>);

    /// All that is there; `None` if there is nothing.
    fn read(&self) -> Option<Vec<u8>>;

    /// The names of what lies around beside it, such as temporary files. None
    /// by default.
    fn litter(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Checks a reporter that writes to a [`Place`]: for every number of bytes at
/// which it can fail, what is there afterwards is what was there before, or
/// nothing, or the whole new report; never a part of it.
///
/// `make` gives a new, empty place; `reports` are two that look different.
///
/// # Example
///
/// A reporter that replaces a page on a shelf, which takes a page whole or not
/// at all:
///
/// ```
/// use std::{io, sync::{Arc, Mutex}};
/// use karga_core::{Reporter, testing::{self, Place}};
///
/// #[derive(Clone, Default)]
/// struct Shelf { page: Arc<Mutex<Option<String>>>, limit: Arc<Mutex<Option<u64>>> }
///
/// impl Shelf {
///     fn put(&self, text: &str) -> io::Result<()> {
///         if self.limit.lock().unwrap().is_some_and(|limit| limit < text.len() as u64) {
///             return Err(io::ErrorKind::StorageFull.into());
///         }
///         *self.page.lock().unwrap() = Some(text.to_owned());
///         Ok(())
///     }
/// }
///
/// struct ToShelf(Shelf);
///
/// impl Reporter<str> for ToShelf {
///     type Error = io::Error;
///     async fn report(&self, report: &str) -> io::Result<()> {
///         self.0.put(report)
///     }
/// }
///
/// impl Place for Shelf {
///     type Reporter = ToShelf;
///     fn reporter(&self) -> ToShelf { ToShelf(self.clone()) }
///     fn limit(&self, bytes: Option<u64>) { *self.limit.lock().unwrap() = bytes; }
///     fn read(&self) -> Option<Vec<u8>> { self.page.lock().unwrap().clone().map(String::into_bytes) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// testing::reporter(Shelf::default, ["the first report", "another"]).run().await;
/// # }
/// ```
pub fn reporter<'a, R: ?Sized, P, F>(make: F, reports: [&'a R; 2]) -> ReporterKit<'a, R, F>
where
    F: Fn() -> P,
    P: Place,
    P::Reporter: Reporter<R>,
{
    ReporterKit {
        make,
        reports,
        limits: None,
        skipped: Vec::new(),
    }
}

/// The kit for reporters, made by [`reporter`].
#[must_use = "nothing is checked before `run` or `check` is awaited"]
pub struct ReporterKit<'a, R: ?Sized, F> {
    make: F,
    reports: [&'a R; 2],
    limits: Option<Vec<u64>>,
    skipped: Vec<Rule>,
}

impl<R: ?Sized, F> fmt::Debug for ReporterKit<'_, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReporterKit")
            .field("limits", &self.limits)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

/// Some hundred limits show what a thousand do; beyond this many bytes, the
/// kit takes some of them.
const EVERY: u64 = 512;

impl<R, P, F> ReporterKit<'_, R, F>
where
    R: ?Sized,
    F: Fn() -> P,
    P: Place,
    P::Reporter: Reporter<R>,
{
    /// The numbers of bytes at which to fail, for a place that cannot fail at
    /// any. By default each one below the size of a report; of a report of more
    /// than 512 bytes, the first and the last 128 and some between.
    pub fn limits(mut self, limits: impl IntoIterator<Item = u64>) -> Self {
        self.limits = Some(limits.into_iter().collect());
        self
    }

    /// Leaves a rule out, because the reporter does not make this promise;
    /// `because` is for those who read the test.
    pub fn skip(mut self, rule: Rule, because: &'static str) -> Self {
        let _ = because;
        self.skipped.push(rule);
        self
    }

    /// Runs every check.
    ///
    /// # Panics
    ///
    /// With the list of every promise that is broken.
    #[track_caller]
    pub fn run(self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            if let Err(violations) = self.check().await {
                panic!("{violations}\n\nchecked at {at}");
            }
        }
    }

    /// Runs every check and gives what is broken.
    pub async fn check(self) -> Result<(), Violations<Rule>> {
        let mut findings = Findings::new::<P::Reporter>("reporters", self.skipped.clone());
        self.check_all(&mut findings).await;
        findings.finish()
    }

    async fn check_all(&self, findings: &mut Findings<Rule>) {
        let [old, new] = self.reports;
        let (Some(old_text), Some(new_text)) = (
            self.shipped(old, findings).await,
            self.shipped(new, findings).await,
        ) else {
            return;
        };
        if old_text == new_text {
            let when = "two reports are shipped";
            findings.add(Rule::Ships, when, "two texts", "the same text of both");
            return;
        }
        let Some(both) = self.again(&old_text, &new_text, findings).await else {
            return;
        };
        let limits = match &self.limits {
            Some(limits) => limits.clone(),
            None => limits(new_text.len() as u64),
        };
        for limit in limits {
            for (before, whole) in [(None, &new_text), (Some(&*old_text), &both)] {
                let known = Known {
                    before,
                    new: &new_text,
                    whole,
                };
                self.fails(limit, &known, findings).await;
            }
        }
    }

    /// What a report looks like in an empty place.
    async fn shipped(&self, report: &R, findings: &mut Findings<Rule>) -> Option<Vec<u8>> {
        let when = "one report is shipped to an empty place";
        let place = (self.make)();
        let shipped = place.reporter().report(report).await;
        match (shipped, place.read()) {
            (Ok(()), Some(text)) if !text.is_empty() => Some(text),
            (Ok(()), _) => {
                findings.add(Rule::Ships, when, "the report", "nothing there");
                None
            }
            (Err(error), _) => {
                findings.add(
                    Rule::Ships,
                    when,
                    "the report",
                    format!("the error \"{error}\""),
                );
                None
            }
        }
    }

    /// What is there after the old and then the new report: the new one, or
    /// both where reports are appended.
    async fn again(
        &self,
        old_text: &[u8],
        new_text: &[u8],
        findings: &mut Findings<Rule>,
    ) -> Option<Vec<u8>> {
        let [old, new] = self.reports;
        let both = [old_text, new_text].concat();
        let mut text = None;
        for same in [true, false] {
            let when = match same {
                true => "a reporter ships two reports",
                false => "another reporter ships to the same place",
            };
            let place = (self.make)();
            let first = place.reporter();
            let mut results = vec![first.report(old).await];
            results.push(match same {
                true => first.report(new).await,
                false => place.reporter().report(new).await,
            });
            if let Some(error) = results.into_iter().find_map(Result::err) {
                findings.add(Rule::Again, when, "both", format!("the error \"{error}\""));
                return None;
            }
            let there = place.read().unwrap_or_default();
            if there != new_text && there != both {
                let expected = "the second report, alone or after the first";
                findings.add(Rule::Again, when, expected, excerpt(&there));
                return None;
            }
            text = Some(there);
        }
        text
    }

    /// Ships the new report to a place that fails after `limit` bytes, and
    /// then once more.
    async fn fails(&self, limit: u64, known: &Known<'_>, findings: &mut Findings<Rule>) {
        let [old, new] = self.reports;
        let when = match known.before {
            None => "a report is shipped to an empty place that becomes full",
            Some(_) => "a report is shipped over an older one, to a place that becomes full",
        };
        let place = (self.make)();
        if known.before.is_some() && place.reporter().report(old).await.is_err() {
            return; // It has been seen to work.
        }
        let reporter = place.reporter();
        place.limit(Some(limit));
        let result = reporter.report(new).await;
        place.limit(None);
        let there = place.read().unwrap_or_default();
        let whole = there == known.whole;
        let kept = there.is_empty() || known.before == Some(&*there);
        let saw = || format!("after {limit} bytes: {}", excerpt(&there));
        if result.is_ok() && !whole {
            let expected = "an error, or the whole report";
            findings.add(
                Rule::Tells,
                when,
                expected,
                format!("no error, and {}", saw()),
            );
        } else if !whole && !kept {
            let expected = "what was there before, nothing, or the whole report";
            findings.add(Rule::Whole, when, expected, saw());
        }
        let litter = place.litter();
        if result.is_err() && !litter.is_empty() {
            let saw = format!("after {limit} bytes: {}", litter.join(", "));
            findings.add(Rule::Litter, when, "nothing beside the report", saw);
        }

        let when = "there is room again, after a failure";
        if findings.has(Rule::Whole) || findings.has(Rule::Tells) {
            return;
        }
        if let Err(error) = reporter.report(new).await {
            findings.add(
                Rule::Recovers,
                when,
                "the report",
                format!("the error \"{error}\""),
            );
            return;
        }
        let there = place.read().unwrap_or_default();
        let before = known.before.unwrap_or_default();
        let replaced = known.whole == known.new;
        // One that appends may do so to what was kept, or to the whole report.
        let appended = [before, known.new].concat();
        let twice = [before, known.new, known.new].concat();
        let as_expected = there == known.new
            || (!(replaced && known.before.is_some()) && (there == appended || there == twice));
        if !as_expected {
            findings.add(Rule::Recovers, when, "the whole report", excerpt(&there));
        }
    }
}

/// What may be there.
struct Known<'a> {
    /// What the old report left.
    before: Option<&'a [u8]>,
    /// The new report alone.
    new: &'a [u8],
    /// What is there once it is shipped.
    whole: &'a [u8],
}

/// The numbers of bytes at which to fail, below `size`.
fn limits(size: u64) -> Vec<u64> {
    const ENDS: u64 = 128;
    if size <= EVERY {
        return (0..size).collect();
    }
    let step = ((size - 2 * ENDS) / ENDS).max(1) as usize;
    let between = (ENDS..size - ENDS).step_by(step);
    (0..ENDS).chain(between).chain(size - ENDS..size).collect()
}

/// The beginning of what is there.
fn excerpt(text: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
    let more = if text.len() > SHOWN { "..." } else { "" };
    format!("{} bytes, {shown:?}{more}", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_small_report_and_both_ends_of_a_large_one() {
        assert_eq!(limits(3), [0, 1, 2]);
        assert_eq!(limits(EVERY).len(), 512);
        let large = limits(100_000);
        assert!(large.len() < 400, "{}", large.len());
        assert_eq!((large[127], large[large.len() - 1]), (127, 99_999));
        assert!(large.is_sorted_by(|a, b| a < b));
    }
}
