//! A text, character by character.

/// A text and how far it is read.
pub(super) struct Reader {
    pub(super) chars: Vec<char>,
    /// How many characters are read.
    pub(super) at: usize,
}

/// What is wrong at which place.
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) problem: String,
    /// What is known there.
    pub(super) known: String,
}

pub(super) type Parsed<T> = Result<T, Problem>;

pub(super) fn wrong<T>(
    at: usize,
    problem: impl Into<String>,
    known: impl Into<String>,
) -> Parsed<T> {
    Err(Problem {
        at,
        problem: problem.into(),
        known: known.into(),
    })
}

impl Reader {
    pub(super) fn new(text: &str) -> Self {
        Self {
            chars: text.chars().collect(),
            at: 0,
        }
    }

    /// Skips spaces and gives the next place.
    pub(super) fn next_at(&mut self) -> usize {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.at
    }

    pub(super) fn peek(&mut self) -> Option<char> {
        let at = self.next_at();
        self.chars.get(at).copied()
    }

    pub(super) fn takes(&mut self, wanted: char) -> bool {
        let takes = self.peek() == Some(wanted);
        self.at += usize::from(takes);
        takes
    }

    /// The next character, in words.
    pub(super) fn found(&mut self) -> String {
        match self.peek() {
            Some(c) => format!("\"{}\"", c.escape_debug()),
            None => "nothing more".to_owned(),
        }
    }

    /// Letters, digits, _ and points that begin with a letter.
    pub(super) fn word(&mut self) -> Option<String> {
        self.peek().filter(|c| c.is_alphabetic())?;
        Some(self.run(|c| c.is_alphanumeric() || matches!(c, '_' | '.')))
    }

    pub(super) fn run(&mut self, takes: impl Fn(char) -> bool) -> String {
        let begin = self.at;
        while self.chars.get(self.at).is_some_and(|&c| takes(c)) {
            self.at += 1;
        }
        self.chars[begin..self.at].iter().collect()
    }

    /// A text in quotes, in which \ takes the meaning from what follows.
    pub(super) fn string(&mut self) -> Parsed<String> {
        let begin = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(&c) = self.chars.get(self.at) else {
                return wrong(begin, "the quote is never closed", "");
            };
            self.at += 1;
            match c {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped(begin)?),
                c => text.push(c),
            }
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self, begin: usize) -> Parsed<char> {
        let at = self.at - 1;
        let Some(&c) = self.chars.get(self.at) else {
            return wrong(begin, "the quote is never closed", "");
        };
        self.at += 1;
        Ok(match c {
            '"' | '\\' => c,
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'u' if self.chars.get(self.at) == Some(&'{') => {
                self.at += 1;
                let digits = self.run(|c| c.is_ascii_hexdigit());
                let named = u32::from_str_radix(&digits, 16)
                    .ok()
                    .and_then(char::from_u32);
                match (named, self.chars.get(self.at)) {
                    (Some(named), Some('}')) => {
                        self.at += 1;
                        named
                    }
                    _ => {
                        return wrong(
                            at,
                            "this names no character",
                            "\\u{7f}: 1 to 6 digits 0 to f",
                        );
                    }
                }
            }
            _ => {
                let problem = format!("\"\\{c}\" has no meaning");
                return wrong(at, problem, "in quotes: \\\" \\\\ \\n \\t \\r \\u{7f}");
            }
        })
    }
}
