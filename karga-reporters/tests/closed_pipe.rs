//! A program whose standard output is a pipe that its reader closes, as by
//! `program | head -1`.
//!
//! The program is this one, started once more: under the usual harness, which
//! prints to standard output itself, there would be nothing to see.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    env, io,
    io::{BufRead, BufReader, Read},
    process::{Command, ExitCode, Stdio},
};

use common::healthy;
use karga_core::{Report, Reporter};
use karga_reporters::StdoutReporter;
use karga_stats::Summary;

const CHILD: &str = "KARGA_TEST_CHILD";

/// Of the program that found its pipe closed.
const NOBODY_READS: u8 = 3;

fn main() -> ExitCode {
    if env::var_os(CHILD).is_some() {
        return print_a_summary();
    }
    a_pipe_that_is_closed_already_is_an_error_and_no_panic();
    whoever_reads_one_line_gets_one();
    ExitCode::SUCCESS
}

#[tokio::main(flavor = "current_thread")]
async fn print_a_summary() -> ExitCode {
    let summary = Summary::derive(&healthy());
    match StdoutReporter::default().report(&summary).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::from(NOBODY_READS),
        Err(_) => ExitCode::FAILURE,
    }
}

fn child() -> Command {
    let mut child = Command::new(env::current_exe().unwrap());
    child.env(CHILD, "1").stderr(Stdio::piped());
    child
}

fn a_pipe_that_is_closed_already_is_an_error_and_no_panic() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let child = child().stdout(writer).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(NOBODY_READS.into()));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

fn whoever_reads_one_line_gets_one() {
    let mut child = child().stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    assert_eq!(line, "PASSED  produce\n");
    let mut errors = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
    // The text was handed over at once, before the pipe was closed.
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
