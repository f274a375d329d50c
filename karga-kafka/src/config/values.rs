//! Settings that are one of a few words, the same in a URL and in code.

use std::fmt;
use std::str::FromStr;

/// A word that a setting does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is unknown: use {known}")]
#[non_exhaustive]
pub struct UnknownValue {
    /// What was written.
    pub value: String,
    /// What may be written.
    pub known: &'static str,
}

macro_rules! words {
    ($type:ident, $known:literal, $($variant:ident = $word:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }

        impl FromStr for $type {
            type Err = UnknownValue;

            fn from_str(value: &str) -> Result<Self, UnknownValue> {
                match value {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownValue { value: value.to_owned(), known: $known }),
                }
            }
        }
    };
}

/// Whose word a produce request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Acks {
    /// Nobody's: the broker sends no answer at all, and a request is done when it is written.
    None,
    /// The leader's, once the records are in its log.
    Leader,
    /// That of every in-sync replica; the default, as in Kafka's own producer.
    #[default]
    All,
}

words!(Acks, "0, 1 or all", None = "0", Leader = "1", All = "all");

impl Acks {
    pub(crate) const fn to_wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// Which records a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Isolation {
    /// All up to the high watermark; the default.
    #[default]
    ReadUncommitted,
    /// Those below the last stable offset.
    ReadCommitted,
}

words!(
    Isolation,
    "read_uncommitted or read_committed",
    ReadUncommitted = "read_uncommitted",
    ReadCommitted = "read_committed"
);

/// Which client carries the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Backend {
    /// This crate's own; the default.
    #[default]
    Native,
    /// The crate rskafka, behind the feature `rskafka`.
    Rskafka,
}

words!(
    Backend,
    "native or rskafka",
    Native = "native",
    Rskafka = "rskafka"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_both_ways() {
        fn both<T: FromStr<Err = UnknownValue> + fmt::Display>(words: &[&str]) {
            for word in words {
                let value = word.parse::<T>().unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(value.to_string(), *word);
            }
            let error = "no such".parse::<T>().err().expect("an unknown word");
            assert!(
                error
                    .to_string()
                    .starts_with("\"no such\" is unknown: use "),
                "{error}"
            );
        }
        both::<Acks>(&["0", "1", "all"]);
        both::<Isolation>(&["read_uncommitted", "read_committed"]);
        both::<Backend>(&["native", "rskafka"]);
    }
}
