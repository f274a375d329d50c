//! The headers of a request, put together and checked.

use http::{HeaderName, HeaderValue};

use crate::{
    BuildError,
    template::{Escape, Names, Piece, Template, Values, in_single_braces},
};

/// Those that say how a message is framed: the engine writes them.
const FRAMING: [&str; 5] = [
    "content-length",
    "transfer-encoding",
    "expect",
    "upgrade",
    "te",
];

/// Headers as they are put together.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    pub(crate) given: Vec<(HeaderName, Template)>,
    pub(crate) host: Option<Template>,
}

impl Headers {
    pub(crate) fn add(&mut self, name: &str, value: &str, names: &Names) -> Result<(), BuildError> {
        let refuse = |why: &str| BuildError::Header {
            name: name.to_owned(),
            value: shown(name, value),
            why: why.to_owned(),
        };
        let parsed = HeaderName::try_from(name).map_err(|_| {
            refuse(
                "its name is none: use letters, digits and dashes, without spaces or line breaks",
            )
        })?;
        if FRAMING.contains(&parsed.as_str()) {
            return Err(refuse("how a message is framed is for the engine to write"));
        }
        // What a value may be is a matter of its bytes (RFC 9110, 5.5).
        if HeaderValue::from_str(value).is_err() {
            return Err(refuse(
                "its value has a line break or another control character in it",
            ));
        }
        let template = Template::parse(value, names, &format!("the header {name:?}"))?;
        for piece in template.pieces() {
            if let Piece::Text(literal) = piece
                && let Some(name) = names.in_single_braces(literal)
            {
                return Err(refuse(&in_single_braces(name)));
            }
        }
        if parsed == http::header::HOST {
            if value.trim().is_empty() {
                return Err(refuse("a host has a name"));
            }
            self.host = Some(template);
        } else {
            self.given.push((parsed, template));
        }
        Ok(())
    }

    /// Adds those of the scenario that the request does not have.
    pub(crate) fn add_common(
        &mut self,
        common: &[(String, String)],
        names: &Names,
    ) -> Result<(), BuildError> {
        let mut others = Self::default();
        for (name, value) in common {
            others.add(name, value, names)?;
        }
        let there: Vec<HeaderName> = self.given.iter().map(|(name, _)| name.clone()).collect();
        others.given.retain(|(name, _)| !there.contains(name));
        self.given.append(&mut others.given);
        self.host = self.host.take().or(others.host);
        Ok(())
    }

    /// Whether they ask for the connection to be closed. One with a value in it may:
    /// its connection is not used again either.
    pub(crate) fn close(&self) -> bool {
        let mut connection = self
            .given
            .iter()
            .filter(|(name, _)| *name == http::header::CONNECTION);
        connection.any(|(_, value)| {
            let mut text = Vec::new();
            value.render(&Values::none(), Escape::Nothing, &mut text);
            let text = text.to_ascii_lowercase();
            !value.is_fixed() || text.windows(5).any(|window| window == b"close")
        })
    }

    pub(crate) fn add_unless_there(&mut self, name: &'static str, value: &str) {
        let name = HeaderName::from_static(name);
        if self.given.iter().all(|(known, _)| *known != name) {
            self.given.push((name, Template::text(value)));
        }
    }
}

/// A header's value, unless it is nobody's business.
fn shown(name: &str, value: &str) -> String {
    let secret = ["authorization", "proxy-authorization", "cookie"];
    let secret = secret.iter().any(|known| name.eq_ignore_ascii_case(known));
    if secret { "..." } else { value }.to_owned()
}
