//! The class of an arbitrary error: a name of bounded cardinality.

use std::{
    any::{Any, type_name},
    borrow::Cow,
    fmt::{self, Write as _},
    io,
};

/// The longest class that is kept, in bytes; an error table has to fit a
/// terminal.
const MAX_LEN: usize = 64;

/// Names the class of `error` without formatting the whole of it.
///
/// Strings are their own class and an `io::Error` is its kind. For anything
/// else it is the path that the `Debug` output starts with, because a derived
/// `Debug` begins with the name of the variant or the struct; where the output
/// does not begin with such a name, it is the name of the type.
pub(crate) fn class_of<E: fmt::Debug + 'static>(error: &E) -> Cow<'static, str> {
    let any: &dyn Any = error;
    if let Some(text) = any.downcast_ref::<&'static str>() {
        return shorten(Cow::Borrowed(text));
    }
    if let Some(text) = any.downcast_ref::<String>() {
        return shorten(Cow::Owned(text.clone()));
    }
    if let Some(text) = any.downcast_ref::<Cow<'static, str>>() {
        return shorten(text.clone());
    }
    if let Some(io) = any.downcast_ref::<io::Error>() {
        return io_class(io.kind());
    }
    let mut head = Head::default();
    // Head stops the formatting by an error as soon as the name is complete.
    let _ = write!(head, "{error:?}");
    match head.name() {
        Some(name) => shorten(Cow::Owned(name.to_owned())),
        None => shorten(Cow::Borrowed(short_type_name::<E>())),
    }
}

fn io_class(kind: io::ErrorKind) -> Cow<'static, str> {
    // Display of a kind is a fixed phrase such as "connection refused".
    Cow::Owned(kind.to_string())
}

/// The type's name without the path of its module, generic arguments included.
fn short_type_name<E>() -> &'static str {
    let full = type_name::<E>();
    let generics = full.find('<').unwrap_or(full.len());
    match full[..generics].rfind("::") {
        Some(at) => &full[at + 2..],
        None => full,
    }
}

fn shorten(text: Cow<'static, str>) -> Cow<'static, str> {
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && text.len() <= MAX_LEN {
        return text;
    }
    let mut end = line.len().min(MAX_LEN);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(line[..end].to_owned())
}

/// Collects the path that a `Debug` output starts with.
#[derive(Default)]
struct Head {
    path: String,
    /// What followed the path, if anything did.
    next: Option<char>,
}

impl Head {
    /// The path, if it reads like the name that a derived `Debug` begins with.
    fn name(&self) -> Option<&str> {
        let starts_well = self
            .path
            .starts_with(|c: char| c.is_alphabetic() || c == '_');
        // A space also follows the first word of a sentence, but a sentence
        // does not continue with a brace.
        let ends_well = matches!(self.next, None | Some('(' | '{'));
        (starts_well && ends_well && !self.path.ends_with(':')).then_some(self.path.as_str())
    }
}

impl fmt::Write for Head {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let in_path = c.is_alphanumeric() || c == '_' || c == ':';
            if in_path && self.next.is_none() && self.path.len() < MAX_LEN {
                self.path.push(c);
            } else if c == ' ' && self.next.is_none() {
                self.next = Some(' ');
            } else {
                self.next = Some(c);
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "only its Debug output is looked at")]
    enum Failure {
        Refused,
        Status(u16),
        Broken { at: usize },
    }

    struct Prose;
    impl fmt::Debug for Prose {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("failed to read the configuration")
        }
    }

    #[test]
    fn an_enum_gives_its_variant() {
        assert_eq!(class_of(&Failure::Refused), "Refused");
        assert_eq!(class_of(&Failure::Status(503)), "Status");
        assert_eq!(class_of(&Failure::Broken { at: 3 }), "Broken");
    }

    #[test]
    fn a_boxed_error_gives_the_inner_name() {
        let inner = "x".parse::<i32>().unwrap_err();
        let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(inner);
        assert_eq!(class_of(&boxed), "ParseIntError");
    }

    #[test]
    fn an_io_error_gives_its_kind() {
        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(class_of(&error), "connection refused");
    }

    #[test]
    fn prose_gives_the_type() {
        assert_eq!(class_of(&Prose), "Prose");
    }

    #[test]
    fn unit_gives_something() {
        assert_eq!(class_of(&()), "()");
    }

    #[test]
    fn strings_are_cut_to_one_short_line() {
        assert_eq!(class_of(&"boom"), "boom");
        assert_eq!(class_of(&String::from("one\ntwo")), "one");
        assert_eq!(class_of(&"ä".repeat(100)).len(), MAX_LEN);
    }
}
