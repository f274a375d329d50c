//! How an example ends: what it says, and its exit status.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

/// 0 if it passed, 1 if it did not, 2 if it could not be run, and why.
pub(crate) fn exit_code(passed: Result<bool, Box<dyn Error>>) -> ExitCode {
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(":\n  {cause}"));
                source = cause.source();
            }
            say(&text);
            ExitCode::from(2)
        }
    }
}

/// Tells the person who runs this; if nobody listens, that is no reason to stop.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
