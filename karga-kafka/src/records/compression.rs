//! The name of a batch's compression.

use std::{fmt, str::FromStr};

/// How the records of a batch are compressed: the low three bits of its attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all; the default, as in Kafka's own producer.
    #[default]
    None,
    /// gzip (RFC 1952), level 6.
    Gzip,
    /// Snappy in the framing of snappy-java, as Java's clients write it; a bare Snappy block, as
    /// librdkafka writes it, is read as well.
    Snappy,
    /// LZ4 frames of independent 64 KiB blocks, which is all that Java's reader accepts.
    Lz4,
    /// Zstandard (RFC 8878), level 3. Brokers take it from Produce version 7 on.
    Zstd,
}

/// A compression that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {name:?}: use none, gzip, snappy, lz4 or zstd")]
pub struct UnknownCompression {
    /// What was asked for.
    pub name: String,
}

impl Compression {
    /// Every compression, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The code in a batch's attributes, 0 to 4.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The compression that a batch's attributes name; `None` for the codes 5 to 7, which nobody
    /// has defined.
    #[must_use]
    pub fn from_attributes(attributes: i16) -> Option<Self> {
        Self::ALL
            .get(usize::from(attributes.cast_unsigned() & 7))
            .copied()
    }

    /// The name in Kafka's `compression.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|compression| compression.name() == name)
            .ok_or_else(|| UnknownCompression {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_go_both_ways() {
        for compression in Compression::ALL {
            assert_eq!(compression.name().parse(), Ok(compression));
            let attributes = compression.code() | 0b111_1000;
            assert_eq!(Compression::from_attributes(attributes), Some(compression));
        }
        assert_eq!(Compression::from_attributes(5), None);
        assert_eq!(Compression::from_attributes(-1), None);
        let error = "brotli".parse::<Compression>().unwrap_err();
        assert!(error.to_string().contains("\"brotli\""), "{error}");
    }
}
