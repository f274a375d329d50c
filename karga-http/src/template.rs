//! Text with values in it that differ from iteration to iteration.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use karga_core::Iteration;

use crate::{BuildError, fault::Fault, target::without_password};

/// Makes the value of a variable for one iteration.
pub(crate) type Make = Arc<dyn Fn(&Iteration) -> String + Send + Sync>;

/// The names that a template may use, and where their values come from.
#[derive(Clone, Default)]
pub(crate) struct Names {
    /// Made for each iteration.
    variables: Vec<(String, Make)>,
    /// Taken from answers, in the order in which they are first captured.
    captured: Vec<String>,
    /// Captured, but only by a request that comes later.
    later: Vec<String>,
}

/// Those that every template knows.
const BUILT_IN: [(&str, Value); 2] = [("index", Value::Index), ("user", Value::User)];

/// What to say of a value's name in single braces.
pub(crate) fn in_single_braces(name: &str) -> String {
    format!(
        "{{{name}}} is no value: write {{{{{name}}}}}, or in a format! string, which takes doubled \
         braces for single ones, {{{{{{{{{name}}}}}}}}}"
    )
}

impl Names {
    pub(crate) fn new(
        variables: Vec<(String, Make)>,
        later: Vec<String>,
    ) -> Result<Self, BuildError> {
        let mut names = Self {
            later,
            ..Self::default()
        };
        for (name, make) in variables {
            names.check(&name)?;
            if names.variables.iter().any(|(known, _)| *known == name) {
                return Err(BuildError::Name {
                    name,
                    why: "there is a variable of this name already",
                });
            }
            names.variables.push((name, make));
        }
        Ok(names)
    }

    /// From now on this name is captured; gives its place.
    pub(crate) fn capture(&mut self, name: &str) -> Result<usize, BuildError> {
        self.check(name)?;
        if self.variables.iter().any(|(known, _)| known == name) {
            return Err(BuildError::Name {
                name: name.to_owned(),
                why: "a capture cannot have the name of a variable",
            });
        }
        if let Some(place) = self.captured.iter().position(|known| known == name) {
            return Ok(place); // taken anew by a later request
        }
        self.captured.push(name.to_owned());
        Ok(self.captured.len() - 1)
    }

    /// How many captured values an iteration holds.
    pub(crate) fn captures(&self) -> usize {
        self.captured.len()
    }

    /// How many variables there are.
    pub(crate) fn variables(&self) -> usize {
        self.variables.len()
    }

    /// The variables that some of these templates use, with their places.
    pub(crate) fn used<'a>(
        &self,
        templates: impl Iterator<Item = &'a Template>,
    ) -> Vec<(usize, Make)> {
        let pieces = templates.flat_map(Template::pieces);
        let mut places: Vec<usize> = pieces
            .filter_map(|piece| match piece {
                Piece::Value(Value::Made(place)) => Some(*place),
                _ => None,
            })
            .collect();
        places.sort_unstable();
        places.dedup();
        let make = |place: usize| (place, Arc::clone(&self.variables[place].1));
        places.into_iter().map(make).collect()
    }

    /// A name that stands in single braces, as `format!` leaves what was meant for a
    /// template.
    pub(crate) fn in_single_braces<'a>(&self, text: &'a [u8]) -> Option<&'a str> {
        let text = std::str::from_utf8(text).ok()?;
        let mut opened = text.split('{').skip(1);
        opened.find_map(|rest| {
            let (name, _) = rest.split_once('}')?;
            self.find(name).is_ok().then_some(name)
        })
    }

    fn check(&self, name: &str) -> Result<(), BuildError> {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let why = if name.is_empty() || !name.chars().all(fits) {
            "use letters, digits, '_', '-' and '.'"
        } else if BUILT_IN.iter().any(|(known, _)| *known == name) {
            "it is built in"
        } else {
            return Ok(());
        };
        Err(BuildError::Name {
            name: name.to_owned(),
            why,
        })
    }

    fn find(&self, name: &str) -> Result<Value, String> {
        if let Some((_, value)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Ok(value.clone());
        }
        if let Some(place) = self.variables.iter().position(|(known, _)| known == name) {
            return Ok(Value::Made(place));
        }
        if let Some(place) = self.captured.iter().position(|known| known == name) {
            return Ok(Value::Captured(place));
        }
        if self.later.iter().any(|known| known == name) {
            return Err(format!(
                "{{{{{name}}}}} is captured only by this or a later request: use it after that"
            ));
        }
        let mut known: Vec<&str> = BUILT_IN.iter().map(|(known, _)| *known).collect();
        known.extend(self.variables.iter().map(|(known, _)| known.as_str()));
        known.extend(self.captured.iter().map(String::as_str));
        Err(format!(
            "{{{{{name}}}}} is not known here: there are {}; name others by variable() or capture()",
            known.join(", ")
        ))
    }
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Index,
    User,
    /// Its place among the variables.
    Made(usize),
    /// Its place among the captured values.
    Captured(usize),
}

/// The values of one iteration.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) iteration: Iteration,
    /// Those of the variables that the request uses: the same wherever it does.
    pub(crate) made: Vec<Option<String>>,
    /// Those that were captured so far. What a template asks for is there: a
    /// flow ends at the first request that does not succeed.
    pub(crate) captured: Vec<Option<String>>,
}

impl Values {
    /// For what has no values in it.
    pub(crate) const fn none() -> Self {
        Self {
            iteration: Iteration::new(0, 0, Duration::ZERO),
            made: Vec::new(),
            captured: Vec::new(),
        }
    }

    /// Makes what a request uses anew.
    pub(crate) fn make(&mut self, variables: &[(usize, Make)]) -> Result<(), Fault> {
        for (place, make) in variables {
            let iteration = &self.iteration;
            let made = catch_unwind(AssertUnwindSafe(|| make(iteration)));
            self.made[*place] =
                Some(made.map_err(|_| {
                    Fault::failure("request", "the function of a variable panicked")
                })?);
        }
        Ok(())
    }
}

/// How values are written so that they stay values where they are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As they are.
    Nothing,
    /// Inside of a JSON text's strings: quotes, backslashes and control
    /// characters.
    Json,
    /// In a URL: all but unreserved characters (RFC 3986, 2.3) as `%XX`.
    Url,
}

/// Text with values in it: `{{name}}` stands for the value of that name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Value(Value),
}

impl Template {
    /// Reads a template. `what` names it in an error.
    pub(crate) fn parse(text: &str, names: &Names, what: &str) -> Result<Self, BuildError> {
        let refuse = |mut why: String| {
            if what == "the body" {
                why.push_str("; a body with such braces of its own is given by bytes()");
            }
            BuildError::Template {
                what: what.to_owned(),
                template: match what {
                    "the URL" => without_password(text),
                    _ => text.to_owned(),
                },
                why,
            }
        };
        let mut template = Self::default();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            template.push_text(&rest.as_bytes()[..open]);
            let inside = &rest[open + 2..];
            let Some(close) = inside.find("}}") else {
                return Err(refuse("a {{ is not closed by }}".to_owned()));
            };
            let value = names.find(inside[..close].trim()).map_err(&refuse)?;
            template.pieces.push(Piece::Value(value));
            rest = &inside[close + 2..];
        }
        template.push_text(rest.as_bytes());
        Ok(template)
    }

    /// Text without values, whatever is in it.
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self {
            pieces: vec![Piece::Text(text.into())],
        }
    }

    pub(crate) const fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }

    fn push_text(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.pieces.push(Piece::Text(text.to_vec()));
        }
    }

    /// Whether it is the same for every iteration.
    pub(crate) fn is_fixed(&self) -> bool {
        let fixed = |piece: &Piece| matches!(piece, Piece::Text(_));
        self.pieces.iter().all(fixed)
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Appends the text with the values of an iteration.
    pub(crate) fn render(&self, values: &Values, escape: Escape, to: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => to.extend_from_slice(text),
                Piece::Value(Value::Index) => push_number(values.iteration.index, to),
                Piece::Value(Value::User) => push_number(values.iteration.user, to),
                Piece::Value(Value::Made(place)) => {
                    let value = values.made.get(*place).and_then(Option::as_deref);
                    escape.push(value.unwrap_or_default(), to);
                }
                Piece::Value(Value::Captured(place)) => {
                    let value = values.captured.get(*place).and_then(Option::as_deref);
                    escape.push(value.unwrap_or_default(), to);
                }
            }
        }
    }
}

fn push_number(number: u64, to: &mut Vec<u8>) {
    to.extend_from_slice(number.to_string().as_bytes());
}

impl Escape {
    fn push(self, value: &str, to: &mut Vec<u8>) {
        match self {
            Self::Nothing => to.extend_from_slice(value.as_bytes()),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                // Without the quotes around it: the template has its own.
                to.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
            }
            Self::Url => {
                for &byte in value.as_bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        to.push(byte);
                    } else {
                        const HEX: &[u8; 16] = b"0123456789ABCDEF";
                        let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                        to.push(b'%');
                        to.extend_from_slice(&digits);
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("captured", &self.captured)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            iteration: Iteration::new(7, 3, Duration::ZERO),
            made: vec![None],
            captured: vec![Some("a \"b\"/ä".to_owned())],
        }
    }

    fn names() -> Names {
        let make: Make = Arc::new(|iteration| format!("<{}>", iteration.index * 2));
        let mut names =
            Names::new(vec![("twice".to_owned(), make)], vec!["late".to_owned()]).unwrap();
        assert_eq!(names.capture("token").unwrap(), 0);
        names
    }

    fn render(text: &str, escape: Escape) -> String {
        let template = Template::parse(text, &names(), "the body").unwrap();
        let mut rendered = Vec::new();
        let mut values = values();
        values.make(&names().used([&template].into_iter())).unwrap();
        template.render(&values, escape, &mut rendered);
        String::from_utf8(rendered).unwrap()
    }

    #[test]
    fn values_stand_where_their_names_stood() {
        assert_eq!(
            render("{{index}}/{{ user }}-{{twice}}{\"a\":{}}", Escape::Nothing),
            "7/3-<14>{\"a\":{}}"
        );
        assert!(Template::parse("{a}", &names(), "").unwrap().is_fixed());
        assert!(
            !Template::parse("{{index}}", &names(), "")
                .unwrap()
                .is_fixed()
        );
    }

    #[test]
    fn values_are_escaped_for_their_place_and_text_is_not() {
        assert_eq!(render("\"{{token}}\"", Escape::Json), r#""a \"b\"/ä""#);
        assert_eq!(
            render("/?q={{token}}", Escape::Url),
            "/?q=a%20%22b%22%2F%C3%A4"
        );
        assert_eq!(render("{{token}}", Escape::Nothing), "a \"b\"/ä");
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        let error = |text: &str| {
            let refused = Template::parse(text, &names(), "the body").unwrap_err();
            refused.to_string()
        };
        let unknown = error("{{tokn}}");
        assert!(unknown.contains("{{tokn}} is not known here"), "{unknown}");
        assert!(unknown.contains("index, user, twice, token"), "{unknown}");
        assert!(error("{{late}}").contains("later request"));
        assert!(error("{{index").contains("not closed"));
    }

    #[test]
    fn names_are_checked() {
        let make: Make = Arc::new(|_| String::new());
        for bad in ["", "a b", "index", "{"] {
            let named = Names::new(vec![(bad.to_owned(), Arc::clone(&make))], Vec::new());
            assert!(named.is_err(), "{bad:?}");
        }
        assert!(names().capture("twice").is_err());
        assert_eq!(names().capture("token").unwrap(), 0);
    }
}
