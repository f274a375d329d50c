//! The answer to a request, as far as somebody wants it.

use bytes::BytesMut;
use http::HeaderMap;

use crate::fault::Fault;

/// What an engine keeps of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Want {
    pub(crate) headers: bool,
    /// How many bytes of the body, at most; it is counted and drained in any
    /// case.
    pub(crate) body: Option<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Empty unless they were wanted.
    pub(crate) headers: HeaderMap,
    body: Body,
}

/// A body that is collected, up to a limit.
#[derive(Debug, Default)]
pub(crate) struct Body {
    kept: BytesMut,
    most: usize,
    /// All of it, whether kept or not.
    len: u64,
}

impl Body {
    pub(crate) fn new(want: Want) -> Self {
        Self {
            most: want.body.unwrap_or_default(),
            ..Self::default()
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, part: &[u8]) {
        self.len += part.len() as u64;
        if self.most > 0 {
            let room = self.most - self.kept.len();
            self.kept.extend_from_slice(&part[..part.len().min(room)]);
        }
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }
}

impl Answer {
    pub(crate) const fn new(status: u16, headers: HeaderMap, body: Body) -> Self {
        Self {
            status,
            headers,
            body,
        }
    }

    /// The whole body, for `whom`: what looks at a part could not tell that it
    /// is one.
    pub(crate) fn body(&self, whom: &str) -> Result<&[u8], Fault> {
        if self.body.kept.len() as u64 == self.body.len {
            return Ok(&self.body.kept);
        }
        Err(Fault::failure(
            "check: body",
            format!(
                "the body has {} bytes, more than the {} that are kept for {whom}: \
                 raise max_kept_body",
                self.body.len, self.body.most
            ),
        ))
    }
}
