//! The scenario that the kit has executed.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    log::{Fate, Moment, Span, Stage},
    script::{Calls, Fails, MARK},
};
use crate::{Action, BoxFuture, Detail, Iteration, Metric, Outcome, Scenario};

/// The scenario that an executor under test is handed: `E: Executor<Probe>`.
pub struct Probe {
    pub(super) stage: Stage,
}

/// One of its users.
pub struct ProbeUser {
    stage: Stage,
    user: u64,
}

/// What one of its calls measured: nothing, and that it went well.
pub struct Reading {
    stage: Stage,
    /// The number of the call, from 0.
    pub(super) call: usize,
}

/// What goes wrong in it, when the kit lets it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{MARK} {during} error")]
pub struct ProbeError {
    during: &'static str,
}

macro_rules! debug {
    ($($type:ident)*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    )*};
}

debug!(Probe ProbeUser Reading);

/// Panics as the script says, without the panic hook, which would print some
/// hundred of them.
pub(super) fn panic(during: &str) -> ! {
    std::panic::resume_unwind(Box::new(format!("{MARK} {during} panic")))
}

impl Probe {
    fn outcome(&self, panics: bool, during: &'static str) -> Result<(), ProbeError> {
        if panics {
            panic(during);
        }
        Err(ProbeError { during })
    }

    async fn wait(&self, time: Duration) {
        if !time.is_zero() {
            self.stage.clock.sleep(time).await;
        }
    }
}

#[diagnostic::do_not_recommend]
impl Scenario for Probe {
    type Action = ProbeUser;
    type Error = ProbeError;

    fn name(&self) -> &str {
        "conformance"
    }

    async fn setup(&self) -> Result<(), ProbeError> {
        let stage = &self.stage;
        stage.note(|log, now| log.setups.push(now.span()));
        self.wait(stage.script.connect).await;
        let result = match stage.script.fails {
            Some(Fails::Setup { panics }) => self.outcome(panics, "setup"),
            _ => Ok(()),
        };
        stage.note(|log, now| close(log.setups.last_mut(), now));
        result
    }

    async fn connect(&self, user: u64) -> Result<ProbeUser, ProbeError> {
        let stage = &self.stage;
        let place = stage.note(|log, now| {
            log.connects.push((user, now.span()));
            log.connects.len() - 1
        });
        self.wait(stage.script.connect).await;
        match stage.script.fails {
            Some(Fails::Connect { user: who, panics }) if who == user => {
                self.outcome(panics, "connect")?;
            }
            _ => {}
        }
        stage.note(|log, now| {
            log.live.actions += 1;
            close(log.connects.get_mut(place).map(|(_, span)| span), now);
        });
        let stage = stage.clone();
        Ok(ProbeUser { stage, user })
    }

    async fn teardown(&self) -> Result<(), ProbeError> {
        let stage = &self.stage;
        stage.note(|log, now| log.teardowns.push(now.span()));
        let result = match stage.script.fails {
            Some(Fails::Teardown { panics }) => self.outcome(panics, "teardown"),
            _ => Ok(()),
        };
        stage.note(|log, now| close(log.teardowns.last_mut(), now));
        result
    }

    fn remarks(&self) -> Vec<String> {
        self.stage.note(|log, now| log.remarks.push(now));
        vec![format!("{MARK} remark")]
    }

    fn details(&self) -> Vec<Detail> {
        self.stage.note(|log, now| log.details.push(now));
        vec![Detail::new(MARK, "detail")]
    }
}

fn close(span: Option<&mut Span>, now: Moment) {
    if let Some(span) = span {
        span.ended = Some(now);
    }
}

impl Drop for ProbeUser {
    fn drop(&mut self) {
        self.stage.log().live.actions -= 1;
    }
}

#[diagnostic::do_not_recommend]
impl Action for ProbeUser {
    type Metric = Reading;

    fn call(&self, iteration: Iteration) -> impl Future<Output = Reading> + Send {
        let call = Call {
            stage: self.stage.clone(),
            user: self.user,
            iteration,
            state: State::New,
        };
        // Half of the panics come while there is no future yet.
        let number = self.stage.log().calls.len();
        if self.stage.script.calls == Calls::Panic && number % 10 == 2 {
            let number = call.begin();
            call.end(number, Fate::Panicked);
            panic("call");
        }
        call
    }
}

/// The future of a call. Written by hand, so that it is seen being dropped
/// after it is done.
struct Call {
    stage: Stage,
    user: u64,
    iteration: Iteration,
    state: State,
}

/// Calls beyond this many never end, so that an executor without an end comes
/// to the limit of time before it has eaten all memory.
pub(super) const MOST_CALLS: usize = 100_000;

enum State {
    New,
    Running(usize, BoxFuture<'static, ()>),
    Done,
}

impl Call {
    /// Notes that the call has begun; gives its number.
    fn begin(&self) -> usize {
        self.stage.note(|log, now| {
            let call = super::log::Call {
                user: self.user,
                iteration: self.iteration,
                begun: now,
                ended: None,
                fate: Fate::Running,
                live: log.live,
            };
            log.live.running += 1;
            log.calls.push(call);
            log.calls.len() - 1
        })
    }

    fn end(&self, number: usize, fate: Fate) {
        self.stage.note(|log, now| {
            log.live.running -= 1;
            if let Some(call) = log.calls.get_mut(number) {
                call.ended = Some(now);
                call.fate = fate;
            }
        });
    }

    /// What the call does.
    fn work(&self, number: usize) -> BoxFuture<'static, ()> {
        let script = &self.stage.script;
        if number >= MOST_CALLS {
            return Box::pin(std::future::pending());
        }
        let time = match script.calls {
            Calls::Hang { call } if number as u64 == call => {
                return Box::pin(std::future::pending());
            }
            Calls::Stall { from, to, time } if (from..to).contains(&(number as u64)) => time,
            _ => script.service,
        };
        self.stage.clock.sleep(time)
    }
}

impl Future for Call {
    type Output = Reading;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reading> {
        let this = &mut *self;
        if matches!(this.state, State::New) {
            let number = this.begin();
            this.state = State::Running(number, this.work(number));
        }
        let State::Running(number, work) = &mut this.state else {
            panic!("an action's future was polled after it was done");
        };
        let number = *number;
        if work.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.state = State::Done;
        let panics = this.stage.script.calls == Calls::Panic && number % 10 == 7;
        this.end(number, if panics { Fate::Panicked } else { Fate::Ended });
        this.stage.log().live.done_calls += 1;
        if panics {
            panic("call");
        }
        this.stage.log().live.metrics += 1;
        Poll::Ready(Reading {
            stage: this.stage.clone(),
            call: number,
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        match self.state {
            State::New => {}
            State::Running(number, _) => self.end(number, Fate::Cut),
            State::Done => self.stage.log().live.done_calls -= 1,
        }
    }
}

#[diagnostic::do_not_recommend]
impl Metric for Reading {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stage.log().live.metrics -= 1;
    }
}
