//! The answer to a request, as far as somebody wants it.

use std::sync::OnceLock;

use http::{HeaderMap, HeaderValue};

use crate::fault::Fault;

/// What an engine keeps of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Want {
    pub(crate) headers: bool,
    /// How many bytes of the body, at most; it is counted and drained in any
    /// case.
    pub(crate) body: Option<usize>,
}

/// It is moved several times for each request, so it is small: what few want
/// stands elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// None unless they were wanted.
    headers: Option<Box<HeaderMap>>,
    body: Body,
}

/// A body that is collected, up to a limit, if it is wanted.
#[derive(Debug, Default)]
pub(crate) struct Body {
    kept: Option<Box<Kept>>,
    /// All of it, whether kept or not.
    len: u64,
}

#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    most: usize,
}

impl Body {
    pub(crate) fn new(want: Want) -> Self {
        let kept = |most| {
            let bytes = Vec::new();
            Box::new(Kept { bytes, most })
        };
        Self {
            kept: want.body.map(kept),
            len: 0,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, part: &[u8]) {
        self.len += part.len() as u64;
        if let Some(kept) = &mut self.kept {
            let room = kept.most - kept.bytes.len();
            kept.bytes.extend_from_slice(&part[..part.len().min(room)]);
        }
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }
}

impl Answer {
    pub(crate) const fn new(status: u16, headers: Option<Box<HeaderMap>>, body: Body) -> Self {
        Self {
            status,
            headers,
            body,
        }
    }

    /// The headers; none of them if none were wanted.
    pub(crate) fn headers(&self) -> &HeaderMap {
        static NONE: OnceLock<HeaderMap> = OnceLock::new();
        match &self.headers {
            Some(headers) => headers,
            None => NONE.get_or_init(HeaderMap::new),
        }
    }

    /// The values of a header, if headers were wanted.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &HeaderValue> {
        let headers = self.headers.iter();
        headers.flat_map(move |headers| headers.get_all(name))
    }

    /// The whole body as JSON.
    pub(crate) fn json(&self, body: &[u8]) -> Result<serde_json::Value, String> {
        serde_json::from_slice(body)
            .map_err(|error| format!("the body is no JSON: {error}: {}", self.beginning()))
    }

    /// What came, for those whom it surprises.
    pub(crate) fn beginning(&self) -> String {
        let kept = self.body.kept.as_deref();
        let bytes = kept.map_or(&b""[..], |kept| kept.bytes.as_slice());
        format!(
            "the answer {} begins with {:?}",
            self.status,
            excerpt(bytes)
        )
    }

    /// The whole body, for `whom`: what looks at a part could not tell that it
    /// is one.
    pub(crate) fn body(&self, whom: &str) -> Result<&[u8], Fault> {
        let (bytes, most) = match self.body.kept.as_deref() {
            Some(Kept { bytes, most }) => (bytes.as_slice(), *most),
            None => (&b""[..], 0),
        };
        let len = self.body.len;
        if bytes.len() as u64 == len {
            return Ok(bytes);
        }
        Err(Fault::failure(
            "check: body",
            format!(
                "the body has {len} bytes, more than the {most} that are kept for {whom}: raise \
                 max_kept_body"
            ),
        ))
    }
}

/// The beginning of what came, as text.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const MOST: usize = 80;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    if bytes.len() > MOST {
        format!("{text}...")
    } else {
        text.into_owned()
    }
}
