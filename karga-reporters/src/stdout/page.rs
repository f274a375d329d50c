//! Lines of styled text that never exceed the width of the page.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The widest line, in columns of a terminal.
pub(crate) const WIDTH: usize = 80;

/// What a piece of text means, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Strong,
    Faint,
    Good,
    Warning,
    Bad,
}

impl Style {
    /// The parameters of the "select graphic rendition" sequence (ECMA-48).
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Good => Some("1;32"),
            Self::Warning => Some("1;33"),
            Self::Bad => Some("1;31"),
        }
    }
}

/// A piece of a line.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    style: Style,
    text: String,
}

impl Span {
    pub(crate) fn new(style: Style, text: impl AsRef<str>) -> Self {
        Self {
            style,
            text: clean(text.as_ref()),
        }
    }

    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(Style::Plain, text)
    }

    pub(crate) fn faint(text: impl AsRef<str>) -> Self {
        Self::new(Style::Faint, text)
    }
}

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Cuts a text to so many columns; an ellipsis says so.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (head, _) = split_at_column(text, columns.saturating_sub(1));
    let mut text = head.to_owned();
    if columns > 0 {
        text.push('…');
    }
    text
}

/// The text in at most so many columns, and filled up with spaces behind.
pub(crate) fn left(text: &str, columns: usize) -> String {
    let text = cut(&clean(text), columns);
    let fill = columns - width(&text);
    text + &" ".repeat(fill)
}

/// The text in at most so many columns, and filled up with spaces before.
pub(crate) fn right(text: &str, columns: usize) -> String {
    let text = cut(&clean(text), columns);
    " ".repeat(columns - width(&text)) + &text
}

/// Splits after as many characters as fit into so many columns.
fn split_at_column(text: &str, columns: usize) -> (&str, &str) {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        // Measured as a whole, as the width of a text is not always the sum
        // of its characters' widths.
        if width(&text[..next]) > columns {
            break;
        }
        end = next;
    }
    text.split_at(end)
}

/// Names come from programs and servers: a control character in one of them
/// must not reach the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c.width() {
            None => '\u{fffd}',
            Some(_) if is_directional(c) => '\u{fffd}',
            Some(_) => c,
        })
        .collect()
}

/// Characters that change the direction of what follows them.
const fn is_directional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The page that is written.
#[derive(Debug)]
pub(crate) struct Page {
    color: bool,
    text: String,
}

impl Page {
    pub(crate) const fn new(color: bool) -> Self {
        Self {
            color,
            text: String::new(),
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line; what does not fit is cut off.
    pub(crate) fn line(&mut self, spans: &[Span]) {
        let mut left = WIDTH;
        let total: usize = spans.iter().map(|span| width(&span.text)).sum();
        for span in spans {
            if total > WIDTH && width(&span.text) >= left {
                self.styled(span.style, &cut(&format!("{}…", span.text), left));
                break;
            }
            self.styled(span.style, &span.text);
            left -= width(&span.text);
        }
        self.end_line();
    }

    /// Items side by side behind a first column; those that do not fit go to
    /// the next line, below the first item.
    pub(crate) fn items(&mut self, first: &[Span], items: &[Vec<Span>]) {
        const GAP: &str = "   ";
        let indent: usize = first.iter().map(|span| width(&span.text)).sum();
        let mut line = first.to_vec();
        let mut used = indent;
        for item in items {
            let wide: usize = item.iter().map(|span| width(&span.text)).sum();
            if used > indent && used + GAP.len() + wide > WIDTH {
                self.line(&line);
                line = vec![Span::plain(" ".repeat(indent))];
                used = indent;
            }
            if used > indent {
                line.push(Span::plain(GAP));
                used += GAP.len();
            }
            line.extend_from_slice(item);
            used += wide;
        }
        self.line(&line);
    }

    /// A text behind a first column, wrapped between words.
    pub(crate) fn wrapped(&mut self, first: &[Span], style: Style, text: &str) {
        let indent: usize = first.iter().map(|span| width(&span.text)).sum();
        let indent = indent.min(WIDTH / 2);
        let mut line = first.to_vec();
        for part in wrap(&clean(text), WIDTH - indent) {
            line.push(Span { style, text: part });
            self.line(&line);
            line = vec![Span::plain(" ".repeat(indent))];
        }
    }

    fn styled(&mut self, style: Style, text: &str) {
        match style.code() {
            Some(code) if self.color && !text.trim().is_empty() => {
                write!(self.text, "\x1b[{code}m{text}\x1b[0m")
                    .expect("invariant: writing to a String cannot fail");
            }
            _ => self.text.push_str(text),
        }
    }

    fn end_line(&mut self) {
        let end = self.text.trim_end_matches(' ').len();
        self.text.truncate(end);
        self.text.push('\n');
    }
}

/// Splits a text into lines of so many columns, between words where it can.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for mut word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        while width(word) > columns {
            let (head, rest) = split_at_column(word, columns);
            // A character wider than the page goes where it does not fit.
            let (head, rest) = if head.is_empty() { (word, "") } else { (head, rest) };
            lines.push(head.to_owned());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(fill: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::new(false);
        fill(&mut page);
        page.finish()
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_with_an_ellipsis() {
        let text = page(|page| page.line(&[Span::plain("a".repeat(70)), Span::plain("b".repeat(70))]));
        assert_eq!(text, format!("{}{}…\n", "a".repeat(70), "b".repeat(9)));
        let exact = page(|page| page.line(&[Span::plain("a".repeat(70)), Span::plain("b".repeat(10))]));
        assert_eq!(exact, format!("{}{}\n", "a".repeat(70), "b".repeat(10)));
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(right("日本", 5), " 日本");
        assert_eq!(left("日本語", 4), "日… ");
    }

    #[test]
    fn items_go_to_the_next_line_whole() {
        let items: Vec<_> = (0..3).map(|_| vec![Span::plain("x".repeat(30))]).collect();
        let x = "x".repeat(30);
        let text = page(|page| page.items(&[Span::plain("first  ")], &items));
        assert_eq!(text, format!("first  {x}   {x}\n       {x}\n"));
    }

    #[test]
    fn words_are_wrapped_and_overlong_ones_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn control_and_directional_characters_do_not_reach_the_terminal() {
        let text = page(|page| page.line(&[Span::plain("a\x1b[31mb\nc\u{202e}d")]));
        assert_eq!(text, "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\n");
    }

    #[test]
    fn colour_is_written_only_where_it_is_wanted() {
        let mut page = Page::new(true);
        page.line(&[Span::new(Style::Bad, "no"), Span::plain(" yes")]);
        assert_eq!(page.finish(), "\x1b[1;31mno\x1b[0m yes\n");
    }
}
