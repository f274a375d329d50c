//! Text in columns, measured as a terminal shows it.

use console::measure_text_width;

/// Replaces what would move the cursor (line breaks, escapes) by a space, and
/// what would turn the direction of the text: names and error classes come
/// from outside.
pub(crate) fn plain(text: &str) -> String {
    let is_harmful = |c: char| c.is_control() || turns_direction(c);
    text.chars()
        .map(|c| if is_harmful(c) { ' ' } else { c })
        .collect()
}

/// The marks, embeddings, overrides and isolates of Unicode's bidirectional
/// algorithm (UAX #9).
const fn turns_direction(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// `text` in at most `width` columns, ending with an ellipsis if it was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = plain(text);
    if measure_text_width(&text) <= width {
        return text;
    }
    let (head, _) = split(&text, width.saturating_sub(1));
    let ellipsis = if width > 0 { "…" } else { "" };
    format!("{head}{ellipsis}")
}

/// Breaks `text` between words into lines of at most `width` columns; a word
/// that is longer is broken where it must be.
pub(crate) fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for mut word in plain(text).split_whitespace() {
        if !line.is_empty() {
            let longer = format!("{line} {word}");
            if measure_text_width(&longer) <= width {
                line = longer;
                continue;
            }
            lines.push(std::mem::take(&mut line));
        }
        while measure_text_width(word) > width {
            let (head, rest) = split(word, width);
            if head.is_empty() {
                // Not even one character fits: there is no better place.
                break;
            }
            lines.push(head.to_owned());
            word = rest;
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Splits behind as many characters as fit into `width` columns.
fn split(text: &str, width: usize) -> (&str, &str) {
    // The head is measured as a whole: a character may widen the one before
    // it, as the emoji selector does.
    let fits = |&end: &usize| measure_text_width(&text[..end]) <= width;
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(fits).last().unwrap_or(0);
    text.split_at(end)
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
        // Each cloud is one column wide, and two with the emoji selector.
        assert_eq!(lines(&"☁\u{fe0f}".repeat(2), 3), ["☁\u{fe0f}☁", "\u{fe0f}"]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(cut("a\nb\x1b[31mc", 20), "a b [31mc");
        assert_eq!(cut("a\u{202e}b", 20), "a b");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
    }
}
