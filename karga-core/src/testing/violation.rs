use std::{
    error::Error,
    fmt::{self, Write as _},
};

/// A promise that a conformance kit checks, as its trait's documentation makes
/// it.
pub trait Rule: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The promise, in the words of the contract.
    fn sentence(self) -> &'static str;

    /// Where the contract makes it, such as "`Executor`".
    fn source(self) -> &'static str;
}

/// Makes the enum of a kit's rules.
macro_rules! rules {
    (
        $(#[$doc:meta])* $rules:ident
        $($(#[$meta:meta])* $name:ident: $source:literal, $sentence:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $rules {
            $(#[doc = $sentence] $(#[$meta])* $name,)*
        }

        impl $rules {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }

        impl $crate::testing::Rule for $rules {
            fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }

            fn source(self) -> &'static str {
                match self {
                    $(Self::$name => $source,)*
                }
            }
        }
    };
}

pub(super) use rules;

/// One broken promise: which, and by what it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation<R> {
    /// The promise that is broken.
    pub rule: R,
    /// What the kit did when it saw that, such as "every seventh call panics".
    pub when: &'static str,
    /// What should have been seen.
    pub expected: String,
    /// What was seen.
    pub saw: String,
}

impl<R: Rule> fmt::Display for Violation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:?}: \"{}\" ({})",
            self.rule,
            self.rule.sentence(),
            self.rule.source()
        )?;
        writeln!(f, "    when      {}", self.when)?;
        writeln!(f, "    expected  {}", self.expected)?;
        write!(f, "    saw       {}", self.saw)
    }
}

/// Every promise that was found broken, in the order of the checks, each at
/// most once; never empty.
///
/// Its `Debug` output is the same table as its `Display` output, so that
/// `unwrap` in a test prints something that a person can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Violations<R> {
    of: &'static str,
    these: &'static str,
    found: Vec<Violation<R>>,
}

impl<R: Rule> Violations<R> {
    /// The broken promises.
    pub fn iter(&self) -> impl Iterator<Item = &Violation<R>> {
        self.found.iter()
    }

    /// The rules that are broken.
    pub fn rules(&self) -> Vec<R> {
        self.found.iter().map(|violation| violation.rule).collect()
    }
}

impl<R: Rule> fmt::Display for Violations<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, of, these) = (self.found.len(), self.of, self.these);
        let promises = if count == 1 { "promise" } else { "promises" };
        write!(
            f,
            "`{of}` breaks {count} {promises} of the contract of {these}"
        )?;
        for (number, violation) in (1..).zip(&self.found) {
            write!(f, "\n\n {number}. {violation}")?;
        }
        Ok(())
    }
}

impl<R: Rule> fmt::Debug for Violations<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<R: Rule> Error for Violations<R> {}

/// Collects what the checks find.
#[derive(Debug)]
pub(super) struct Findings<R> {
    of: &'static str,
    these: &'static str,
    skipped: Vec<R>,
    found: Vec<Violation<R>>,
}

impl<R: Rule> Findings<R> {
    /// For the checks of a `T`, which is one of these.
    pub(super) fn new<T>(these: &'static str, skipped: Vec<R>) -> Self {
        Self {
            of: std::any::type_name::<T>(),
            these,
            skipped,
            found: Vec::new(),
        }
    }

    /// Whether a rule is to be checked.
    pub(super) fn wants(&self, rule: R) -> bool {
        !self.skipped.contains(&rule)
    }

    /// Whether a rule is known to be broken.
    pub(super) fn has(&self, rule: R) -> bool {
        self.found.iter().any(|known| known.rule == rule)
    }

    /// Notes a broken rule, unless it is known already or switched off.
    pub(super) fn add(
        &mut self,
        rule: R,
        when: &'static str,
        expected: impl fmt::Display,
        saw: impl fmt::Display,
    ) {
        if self.wants(rule) && !self.has(rule) {
            self.found.push(Violation {
                rule,
                when,
                expected: expected.to_string(),
                saw: saw.to_string(),
            });
        }
    }

    pub(super) fn finish(self) -> Result<(), Violations<R>> {
        if self.found.is_empty() {
            Ok(())
        } else {
            Err(Violations {
                of: self.of,
                these: self.these,
                found: self.found,
            })
        }
    }
}

/// The first few of many, in one line.
pub(super) fn some<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 5;
    let mut text = String::new();
    let mut count = 0_usize;
    for item in items {
        if count < SHOWN {
            let comma = if count == 0 { "" } else { ", " };
            let _ = write!(text, "{comma}{item}");
        }
        count += 1;
    }
    if count > SHOWN {
        let _ = write!(text, ", and {} more", count - SHOWN);
    }
    text
}
