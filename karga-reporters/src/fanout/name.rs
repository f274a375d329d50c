//! What a reporter is called that nobody named.

use std::any::type_name;

/// The type's name without the paths of modules: "Derived<JsonReporter>".
pub(super) fn of<T>() -> String {
    short(type_name::<T>())
}

fn short(path: &str) -> String {
    let mut name = String::new();
    for c in path.chars() {
        name.push(c);
        if name.ends_with("::") {
            let begin = name.rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            name.truncate(begin.map_or(0, |at| at + 1));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_left_out_at_every_level() {
        assert_eq!(of::<String>(), "String");
        assert_eq!(of::<Option<Vec<std::io::Error>>>(), "Option<Vec<Error>>");
        assert_eq!(of::<(u8, std::path::PathBuf)>(), "(u8, PathBuf)");
    }
}
