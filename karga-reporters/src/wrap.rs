//! Text in columns, measured as a terminal shows it.

use console::{measure_text_width, truncate_str};

/// Replaces what would move the cursor (line breaks, escapes) by a space: names
/// and error classes come from outside.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// `text` in at most `width` columns, ending with an ellipsis if it was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    truncate_str(&plain(text), width, "…").into_owned()
}

/// Breaks `text` between words into lines of at most `width` columns; a word
/// that is longer is broken where it must be.
pub(crate) fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in plain(text).split_whitespace() {
        let wide = measure_text_width(word);
        let taken = measure_text_width(&line);
        if taken > 0 && taken + 1 + wide <= width {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        if taken > 0 {
            lines.push(std::mem::take(&mut line));
        }
        if wide <= width {
            line.push_str(word);
            continue;
        }
        for c in word.chars() {
            let one = measure_text_width(c.encode_utf8(&mut [0; 4]));
            if measure_text_width(&line) + one > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_between_words_and_inside_of_long_ones() {
        assert_eq!(lines("one two three", 7), ["one two", "three"]);
        assert_eq!(lines("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(lines("", 3), [""]);
        assert_eq!(lines("漢字漢字", 4), ["漢字", "漢字"]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(cut("a\nb\x1b[31mc", 20), "a b [31mc");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
