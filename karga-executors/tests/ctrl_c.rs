//! Ctrl-C, in child processes: a signal hits the whole process. On the real
//! clock, because a paused one would not wait for a signal to arrive.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{
    ops::ControlFlow,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitStatus, Stdio},
};

use karga_core::{Observer, Run, Snapshot, StopReason};
use karga_executors::StageExecutor;
use signal_hook::{consts::SIGINT, low_level::raise};
use support::{Plain, flat, ms, run_with, secs, sure, takes};

/// Says which part this process plays, if it is the child of a test.
const PART: &str = "KARGA_TEST_CTRL_C";

fn child(part: &str) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process", "--ignored"])
        .env(PART, part)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn the_first_ctrl_c_ends_every_run_in_good_order() {
    assert_eq!(child("once").code(), Some(0));
}

#[test]
fn the_second_ctrl_c_ends_the_process() {
    assert_eq!(child("twice").signal(), Some(SIGINT));
}

#[test]
fn between_runs_ctrl_c_has_its_default_effect() {
    assert_eq!(child("between").signal(), Some(SIGINT));
}

#[test]
fn a_run_after_an_interrupted_one_listens_again() {
    assert_eq!(child("again").code(), Some(0));
}

#[test]
fn a_handler_of_the_program_is_left_alone() {
    assert_eq!(child("own handler").code(), Some(0));
}

#[tokio::test]
#[ignore = "the child process of the tests above"]
async fn child_process() {
    // By hand, with `--ignored`, there is no part to play.
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    match part.as_str() {
        "once" => {
            let (one, other) = (executor(true), executor(true));
            let (mut press, mut nobody) = (Press(1), ());
            let runs = tokio::join!(go(&one, &mut press), go(&other, &mut nobody));
            for run in [runs.0, runs.1] {
                assert_eq!(run.stop, StopReason::CtrlC);
                // What had begun had the time to finish; 100 s were planned.
                assert!(run.account.completed > 0 && run.account.planned < 10_000);
                assert_eq!(run.aggregate.0, run.account.completed);
            }
        }
        "twice" => drop(go(&executor(true), &mut Press(2)).await),
        "between" => {
            let executor = flat(100.0, ms(50)).stop_on_ctrl_c(true).build().unwrap();
            let run = go(&executor, &mut ()).await;
            assert_eq!(run.stop, StopReason::Completed);
            raise(SIGINT).unwrap();
        }
        "again" => {
            for _ in 0..2 {
                let run = go(&executor(true), &mut Press(1)).await;
                assert_eq!(run.stop, StopReason::CtrlC);
            }
        }
        "own handler" => {
            let executor = executor(false);
            let handle = executor.handle();
            // Listens from here on, not from its first poll.
            let interrupt = tokio::signal::unix::SignalKind::interrupt();
            let mut signal = tokio::signal::unix::signal(interrupt).unwrap();
            let stopper = tokio::spawn(async move {
                signal.recv().await;
                handle.stop();
            });
            let run = go(&executor, &mut Press(1)).await;
            stopper.await.unwrap();
            assert_eq!(run.stop, StopReason::Requested);
        }
        other => panic!("no part {other:?}"),
    }
}

/// 100/s for 100 s, observed every 50 ms.
fn executor(stop_on_ctrl_c: bool) -> StageExecutor {
    flat(100.0, secs(100))
        .stop_on_ctrl_c(stop_on_ctrl_c)
        .interval(ms(50))
        .build()
        .unwrap()
}

async fn go(executor: &StageExecutor, observer: &mut impl Observer<Plain>) -> Run<Plain> {
    sure(run_with(executor, &takes(ms(300)), Plain(0), observer).await)
}

/// Presses Ctrl-C so many times, once at each snapshot.
struct Press(u32);

impl<A> Observer<A> for Press {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        let begun = snapshot.account.completed > 0;
        if begun && self.0 > 0 && snapshot.stopped.is_none() {
            self.0 -= 1;
            raise(SIGINT).unwrap();
        }
        ControlFlow::Continue(())
    }
}
