//! Looks through a request before it is decoded.
//!
//! kafka-protocol's decoder reserves memory by the counts that a request claims, and believes the
//! sizes of tagged fields that it knows. So every request is first walked over by its schema: each
//! count must be borne out by that many elements, each length by that many bytes, each tag by its
//! own size. What passes can be decoded at a cost that its real size bounds.

mod schema;

pub(crate) use schema::schema;

/// Elements of all arrays together, and tagged fields: decoded, an element takes up to a few
/// hundred bytes, however few it takes on the wire.
const MAX_ELEMENTS: usize = 100_000;

/// A structure's fields in their order on the wire, and the tagged fields that the decoder knows.
pub(crate) struct Shape {
    fields: &'static [Field],
    tags: &'static [Tag],
}

/// A field, and the first and last version that has it.
pub(crate) struct Field(Kind, i16, i16);

/// A tagged field: its number and the first version that knows it.
pub(crate) struct Tag(u32, i16, Kind);

enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// Two bytes of length or a varint, nullable.
    Text,
    /// Four bytes of length or a varint, nullable.
    Data,
    /// Elements without a structure of their own.
    List(&'static Kind),
    /// An array of structures.
    Structs(&'static Shape),
    /// One structure.
    Struct(&'static Shape),
    /// A structure behind a byte that is negative when there is none.
    Option(&'static Shape),
}

/// Why a request is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it ends inside a field")]
    CutOff,
    #[error("it has a length that is negative or beyond its end")]
    Length,
    #[error("it has more than {MAX_ELEMENTS} elements")]
    Elements,
    #[error("it has a tagged field that contradicts its own size")]
    Tag,
}

/// The parts of a schema that differ between requests.
pub(crate) struct Schema {
    /// The first version with compact lengths and tagged fields.
    pub(crate) flexible_since: i16,
    body: Shape,
}

impl Schema {
    /// Walks a request's body.
    pub(crate) fn check(&self, version: i16, body: &[u8]) -> Result<(), Refused> {
        let flexible = version >= self.flexible_since;
        let mut walk = Walk {
            rest: body,
            version,
            flexible,
            elements: 0,
        };
        walk.shape(&self.body)
    }
}

/// Skips the tagged fields at the front of a flexible request's header.
pub(crate) fn skip_header_tags(bytes: &[u8]) -> Result<&[u8], Refused> {
    let mut walk = Walk {
        rest: bytes,
        version: 0,
        flexible: true,
        elements: 0,
    };
    walk.tags(&[])?;
    Ok(walk.rest)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl<'a> Walk<'a> {
    fn shape(&mut self, shape: &Shape) -> Result<(), Refused> {
        for Field(kind, since, until) in shape.fields {
            if (*since..=*until).contains(&self.version) {
                self.kind(kind)?;
            }
        }
        if self.flexible {
            self.tags(shape.tags)?;
        }
        Ok(())
    }

    fn kind(&mut self, kind: &Kind) -> Result<(), Refused> {
        match kind {
            Kind::Fixed(len) => self.skip(*len),
            Kind::Text => {
                let len = if self.flexible {
                    self.compact()?
                } else {
                    self.short()?
                };
                self.skip(len)
            }
            Kind::Data => {
                let len = if self.flexible {
                    self.compact()?
                } else {
                    self.long()?
                };
                self.skip(len)
            }
            Kind::List(element) => {
                for _ in 0..self.count()? {
                    self.kind(element)?;
                }
                Ok(())
            }
            Kind::Structs(shape) => {
                for _ in 0..self.count()? {
                    self.shape(shape)?;
                }
                Ok(())
            }
            Kind::Struct(shape) => self.shape(shape),
            Kind::Option(shape) => {
                if self.take::<1>()?[0].cast_signed() < 0 {
                    return Ok(());
                }
                self.shape(shape)
            }
        }
    }

    fn tags(&mut self, known: &[Tag]) -> Result<(), Refused> {
        let count = self.varint()?;
        self.spend(count)?;
        for _ in 0..count {
            let number = self.varint()?;
            let size = self.varint()?;
            let start = self.rest;
            self.skip(size)?;
            let tag = known
                .iter()
                .find(|tag| usize::try_from(tag.0) == Ok(number) && self.version >= tag.1);
            if let Some(Tag(.., kind)) = tag {
                let mut inner = Walk {
                    rest: &start[..size],
                    ..*self
                };
                inner.kind(kind).map_err(|_| Refused::Tag)?;
                if !inner.rest.is_empty() {
                    return Err(Refused::Tag);
                }
                self.elements = inner.elements;
            }
        }
        Ok(())
    }

    /// An array's count; null counts as none.
    fn count(&mut self) -> Result<usize, Refused> {
        let count = if self.flexible {
            self.compact()?
        } else {
            self.long()?
        };
        self.spend(count)?;
        Ok(count)
    }

    fn spend(&mut self, count: usize) -> Result<(), Refused> {
        // No element takes less than a byte.
        if count > self.rest.len() {
            return Err(Refused::Length);
        }
        self.elements += count;
        if self.elements > MAX_ELEMENTS {
            return Err(Refused::Elements);
        }
        Ok(())
    }

    fn short(&mut self) -> Result<usize, Refused> {
        let len = i16::from_be_bytes(self.take()?);
        if len == -1 {
            Ok(0)
        } else {
            usize::try_from(len).map_err(|_| Refused::Length)
        }
    }

    fn long(&mut self) -> Result<usize, Refused> {
        let len = i32::from_be_bytes(self.take()?);
        if len == -1 {
            Ok(0)
        } else {
            usize::try_from(len).map_err(|_| Refused::Length)
        }
    }

    /// A compact length: null and empty are both 0.
    fn compact(&mut self) -> Result<usize, Refused> {
        Ok(self.varint()?.saturating_sub(1))
    }

    fn varint(&mut self) -> Result<usize, Refused> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let value = u32::try_from(value).map_err(|_| Refused::Length)?;
                return usize::try_from(value).map_err(|_| Refused::Length);
            }
        }
        Err(Refused::Length)
    }

    fn skip(&mut self, len: usize) -> Result<(), Refused> {
        self.rest = self.rest.get(len..).ok_or(Refused::CutOff)?;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Refused::CutOff)?;
        self.rest = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests;
