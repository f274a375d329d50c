//! Reading a message that came from outside: every length and count is checked against the bytes
//! that are really there before anything is allocated or sliced for it.

use bytes::{Buf as _, Bytes};

/// Why bytes are not the message that they should be. Each names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The message ends inside a field.
    #[error("the message ends inside its field {field}: {need} bytes are needed, {have} are left")]
    Short {
        /// The field's name in the protocol.
        field: &'static str,
        /// Bytes that the field needs.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// An array that claims more entries than its bytes could hold.
    #[error("field {field} claims {count} entries, but only {have} bytes are left")]
    Count {
        /// The field's name in the protocol.
        field: &'static str,
        /// Entries claimed.
        count: i64,
        /// Bytes that are left.
        have: usize,
    },
    /// A null, or a length below minus one, where the protocol has a value.
    #[error(
        "field {field} is null or has a negative length, which the protocol does not allow here"
    )]
    Null {
        /// The field's name in the protocol.
        field: &'static str,
    },
    /// A string that is not UTF-8.
    #[error("field {field} is not UTF-8")]
    Text {
        /// The field's name in the protocol.
        field: &'static str,
    },
    /// A variable-length integer of more than 32 bits.
    #[error("field {field} is a variable-length integer of more than 32 bits")]
    Varint {
        /// The field's name in the protocol.
        field: &'static str,
    },
    /// A message longer than one of its kind can be.
    #[error("the message has {len} bytes, and one of its kind at most {max}")]
    TooLong {
        /// Bytes of the message.
        len: usize,
        /// The most that is believed.
        max: usize,
    },
    /// Bytes after the message's end.
    #[error("{extra} bytes follow the end of the message")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// A well-formed answer to something that was not asked.
    #[error("the answer is about {got}, and {asked} was asked")]
    Unasked {
        /// What the answer is about.
        got: String,
        /// What was asked.
        asked: String,
    },
}

/// A position in a message. Slices that it hands out share the message's memory.
///
/// `flexible` names the encoding of a message's version: since KIP-482, flexible versions write
/// lengths as variable-length integers plus one (zero is null) and end each structure with tagged
/// fields.
#[derive(Debug)]
pub struct Cursor {
    rest: Bytes,
    flexible: bool,
}

macro_rules! fixed {
    ($($name:ident: $type:ty, $get:ident, $bits:literal;)*) => {$(
        #[doc = concat!("A big-endian integer of ", $bits, " bits.")]
        ///
        /// # Errors
        /// [`Malformed::Short`].
        pub fn $name(&mut self, field: &'static str) -> Result<$type, Malformed> {
            let have = self.rest.len();
            self.rest.$get().map_err(|_| Malformed::Short {
                field,
                need: size_of::<$type>(),
                have,
            })
        }
    )*};
}

impl Cursor {
    /// At the start of `message`, in the encoding of its version.
    pub fn new(message: Bytes, flexible: bool) -> Self {
        Self {
            rest: message,
            flexible,
        }
    }

    /// Whether the message's version is a flexible one.
    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    /// Goes on in the other encoding: a message's header may have another one than its body.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    fixed! {
        i8: i8, try_get_i8, 8;
        i16: i16, try_get_i16, 16;
        i32: i32, try_get_i32, 32;
        i64: i64, try_get_i64, 64;
        u128: u128, try_get_u128, 128;
    }

    /// One byte, where anything but zero is true.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn bool(&mut self, field: &'static str) -> Result<bool, Malformed> {
        Ok(self.i8(field)? != 0)
    }

    /// A variable-length integer of at most 32 bits, without a sign.
    ///
    /// # Errors
    /// [`Malformed::Short`] and [`Malformed::Varint`].
    pub fn uvarint(&mut self, field: &'static str) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.i8(field)?.cast_unsigned();
            if shift == 28 && byte > 0x0f {
                return Err(Malformed::Varint { field });
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Varint { field })
    }

    /// The count of an array of which each entry takes at least `least` bytes; `None` for null.
    ///
    /// # Errors
    /// [`Malformed::Count`] when the bytes left cannot hold that many.
    pub fn nullable_count(
        &mut self,
        field: &'static str,
        least: usize,
    ) -> Result<Option<usize>, Malformed> {
        let count = if self.flexible {
            i64::from(self.uvarint(field)?) - 1
        } else {
            i64::from(self.i32(field)?)
        };
        if count == -1 {
            return Ok(None);
        }
        let have = self.rest.len();
        match usize::try_from(count) {
            Ok(entries) if entries.saturating_mul(least.max(1)) <= have => Ok(Some(entries)),
            _ => Err(Malformed::Count { field, count, have }),
        }
    }

    /// As [`nullable_count`](Self::nullable_count), where null is not allowed.
    ///
    /// # Errors
    /// Also [`Malformed::Null`].
    pub fn count(&mut self, field: &'static str, least: usize) -> Result<usize, Malformed> {
        self.nullable_count(field, least)?
            .ok_or(Malformed::Null { field })
    }

    /// A string, or null.
    ///
    /// # Errors
    /// When it is longer than the bytes left, or not UTF-8.
    pub fn nullable_text(&mut self, field: &'static str) -> Result<Option<String>, Malformed> {
        let len = if self.flexible {
            i64::from(self.uvarint(field)?) - 1
        } else {
            i64::from(self.i16(field)?)
        };
        let Some(bytes) = self.slice(field, len)? else {
            return Ok(None);
        };
        let text = str::from_utf8(&bytes).map_err(|_| Malformed::Text { field })?;
        Ok(Some(text.to_owned()))
    }

    /// A string.
    ///
    /// # Errors
    /// When it is null, longer than the bytes left, or not UTF-8.
    pub fn text(&mut self, field: &'static str) -> Result<String, Malformed> {
        self.nullable_text(field)?.ok_or(Malformed::Null { field })
    }

    /// Bytes (such as a set of record batches), or null. They share the message's memory.
    ///
    /// # Errors
    /// When they are longer than the bytes left.
    pub fn nullable_bytes(&mut self, field: &'static str) -> Result<Option<Bytes>, Malformed> {
        let len = if self.flexible {
            i64::from(self.uvarint(field)?) - 1
        } else {
            i64::from(self.i32(field)?)
        };
        self.slice(field, len)
    }

    /// Passes over the tagged fields at the end of a structure; nothing in a version that is not
    /// flexible.
    ///
    /// # Errors
    /// When one of them is longer than the bytes left.
    pub fn skip_tags(&mut self) -> Result<(), Malformed> {
        const FIELD: &str = "tagged_fields";
        if !self.flexible {
            return Ok(());
        }
        // Each takes at least two bytes, so a false count fails as soon as the bytes are used up.
        for _ in 0..self.uvarint(FIELD)? {
            self.uvarint(FIELD)?;
            let len = i64::from(self.uvarint(FIELD)?);
            self.slice(FIELD, len)?;
        }
        Ok(())
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`Malformed::Trailing`].
    pub fn finish(self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(Malformed::Trailing { extra }),
        }
    }

    fn slice(&mut self, field: &'static str, len: i64) -> Result<Option<Bytes>, Malformed> {
        if len == -1 {
            return Ok(None);
        }
        let have = self.rest.len();
        let need = usize::try_from(len).map_err(|_| Malformed::Null { field })?;
        if need > have {
            return Err(Malformed::Short { field, need, have });
        }
        Ok(Some(self.rest.split_to(need)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(bytes: &'static [u8], flexible: bool) -> Cursor {
        Cursor::new(Bytes::from_static(bytes), flexible)
    }

    #[test]
    fn a_false_count_is_refused_in_both_encodings() {
        let error = cursor(&[0x7f, 0xff, 0xff, 0xff, 0], false).count("topics", 1);
        let text = error.unwrap_err().to_string();
        assert!(text.contains("topics claims 2147483647"), "{text}");
        let error = cursor(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], true).count("topics", 1);
        let text = error.unwrap_err().to_string();
        assert!(text.contains("topics claims 4294967294"), "{text}");
        let error = cursor(&[0xff, 0xff, 0xff, 0xfe], false).count("topics", 1);
        assert!(matches!(error, Err(Malformed::Count { count: -2, .. })));
    }

    #[test]
    fn counts_that_fit_pass() {
        assert_eq!(
            cursor(&[0, 0, 0, 2, 1, 1, 1, 1], false).count("x", 2),
            Ok(2)
        );
        assert!(cursor(&[0, 0, 0, 2, 1, 1, 1], false).count("x", 2).is_err());
        assert_eq!(cursor(&[3, 1, 1], true).count("x", 1), Ok(2));
        assert_eq!(cursor(&[0], true).nullable_count("x", 1), Ok(None));
        assert_eq!(
            cursor(&[0], true).count("x", 1),
            Err(Malformed::Null { field: "x" })
        );
    }

    #[test]
    fn a_varint_is_read_up_to_32_bits() {
        assert_eq!(cursor(&[0x96, 0x01], true).uvarint("x"), Ok(150));
        assert_eq!(
            cursor(&[0xff, 0xff, 0xff, 0xff, 0x0f], true).uvarint("x"),
            Ok(u32::MAX)
        );
        for long in [
            [0xff, 0xff, 0xff, 0xff, 0x10, 0],
            [0x80, 0x80, 0x80, 0x80, 0x80, 0],
        ] {
            let mut cursor = Cursor::new(Bytes::copy_from_slice(&long), true);
            assert_eq!(cursor.uvarint("x"), Err(Malformed::Varint { field: "x" }));
        }
        assert!(matches!(
            cursor(&[0x80], true).uvarint("x"),
            Err(Malformed::Short { .. })
        ));
    }

    #[test]
    fn text_and_bytes_end_where_the_message_ends() {
        assert_eq!(
            cursor(&[0, 2, b'h', b'i'], false).text("x"),
            Ok("hi".to_owned())
        );
        assert_eq!(
            cursor(&[3, b'h', b'i'], true).text("x"),
            Ok("hi".to_owned())
        );
        assert_eq!(cursor(&[0xff, 0xff], false).nullable_text("x"), Ok(None));
        assert_eq!(
            cursor(&[0, 1, 0xff], false).text("x"),
            Err(Malformed::Text { field: "x" })
        );
        assert_eq!(
            cursor(&[0, 3, b'h', b'i'], false).text("x"),
            Err(Malformed::Short {
                field: "x",
                need: 3,
                have: 2
            })
        );
        assert!(cursor(&[0x80, 0, 0, 0], false).nullable_bytes("x").is_err());
    }

    #[test]
    fn tags_are_passed_over_and_leftovers_seen() {
        let mut with_tags = cursor(&[1, 0, 2, 9, 9, 7], true);
        with_tags.skip_tags().unwrap();
        assert_eq!(with_tags.remaining(), 1);
        assert_eq!(with_tags.finish(), Err(Malformed::Trailing { extra: 1 }));
        assert!(
            cursor(&[0xff, 0xff, 0xff, 0xff, 0x0f], true)
                .skip_tags()
                .is_err()
        );
        assert_eq!(cursor(&[], false).skip_tags(), Ok(()));
    }
}
