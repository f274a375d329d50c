use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use karga_core::{Action, Count, Iteration, Outcome, Part, Step, Volume};
use tokio::time::Instant;

use super::{Fixed, Plan, Planned};
use crate::{
    HttpMetric,
    engine::{
        Events, Exchange,
        dial::Dialer,
        lean::{self, LeanUser},
        reqwest::{Message, ReqwestUser},
    },
    fault::Fault,
    metric::{Extra, Measured, add_counts},
    prepared::Prepared,
    status,
    template::Values,
};

/// One virtual user of an [`HttpScenario`](crate::HttpScenario), with connections
/// of its own.
pub struct HttpUser {
    plan: Arc<Plan>,
    user: u64,
    carrier: Carrier,
    /// The user's own, where there are TLS sessions to be kept apart.
    dialers: Option<Box<[Dialer]>>,
    /// What requests are written into that differ from iteration to iteration;
    /// kept for its memory.
    scratch: Mutex<Vec<u8>>,
}

/// What carries this user's requests.
pub(super) enum Carrier {
    Lean(LeanUser),
    Reqwest(ReqwestUser),
}

impl HttpUser {
    pub(super) fn new(
        plan: Arc<Plan>,
        user: u64,
        carrier: Carrier,
        dialers: Option<Box<[Dialer]>>,
    ) -> Self {
        Self {
            plan,
            user,
            carrier,
            dialers,
            scratch: Mutex::default(),
        }
    }

    #[inline]
    async fn iterate(&self, iteration: Iteration) -> HttpMetric {
        let mut values = Values {
            iteration,
            made: nones(self.plan.variables),
            captured: nones(self.plan.captures),
        };
        if let [only] = &*self.plan.requests {
            let measured = self.send(only, &mut values).await;
            return HttpMetric::of_one(measured, only.prepared.label.clone());
        }
        let start = Instant::now();
        let mut metric = HttpMetric::of_flow(self.plan.requests.len());
        let mut part_start = start;
        for planned in &self.plan.requests {
            let measured = self.send(planned, &mut values).await;
            let part_end = Instant::now();
            let ends_here = measured.outcome != Outcome::Success;
            let label = planned.prepared.label.clone().unwrap_or_default();
            let part = Part::new(label, part_start - start, part_end - start);
            metric.add(measured, part);
            if ends_here {
                break;
            }
            part_start = part_end;
        }
        metric
    }

    /// Sends one request and judges its answer.
    #[inline]
    async fn send(&self, planned: &Planned, values: &mut Values) -> Measured {
        let made = values.make(&planned.prepared.variables.0);
        let exchange = match (&self.carrier, made) {
            (_, Err(fault)) => unsent(fault),
            (Carrier::Lean(user), _) => self.send_lean(user, planned, values).await,
            (Carrier::Reqwest(user), _) => self.send_reqwest(user, planned, values).await,
        };
        self.judge(exchange, &planned.prepared, values)
    }

    #[inline]
    async fn send_lean(&self, user: &LeanUser, planned: &Planned, values: &Values) -> Exchange {
        let prepared = &planned.prepared;
        let dialers = self.dialers.as_ref().unwrap_or(&self.plan.dialers);
        let dialer = &dialers[prepared.origin];
        if let Fixed::Lean(message) = &planned.fixed {
            return user.send(prepared, dialer, message).await;
        }
        let mut message = std::mem::take(&mut *self.scratch());
        let exchange = match lean::render(prepared, &dialer.origin, values, &mut message) {
            Ok(()) => user.send(prepared, dialer, &message).await,
            Err(fault) => unsent(fault),
        };
        *self.scratch() = message;
        exchange
    }

    async fn send_reqwest(
        &self,
        user: &ReqwestUser,
        planned: &Planned,
        values: &Values,
    ) -> Exchange {
        let prepared = &planned.prepared;
        let origin = &self.plan.dialers[prepared.origin].origin;
        let fixed = match &planned.fixed {
            Fixed::Reqwest(message) => message.again(),
            _ => None,
        };
        let message = match fixed {
            Some(message) => Ok(message),
            None => Message::new(prepared, origin, values),
        };
        match message {
            Ok(message) => {
                let version = &self.plan.version;
                user.send(prepared, origin, message, version).await
            }
            Err(fault) => unsent(fault),
        }
    }

    fn scratch(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn judge(&self, exchange: Exchange, prepared: &Prepared, values: &mut Values) -> Measured {
        let mut answers = u64::from(exchange.status.is_some());
        let extra = exchange.events.map(|events| {
            answers += events.redirects.len() as u64;
            if let Some(said) = &events.said {
                self.plan.firsts.note("unsolicited answer", || {
                    let title = &prepared.title;
                    format!("before {title}, user {} was told {said:?}", self.user)
                });
            }
            if let Some(idle) = events.lost {
                self.plan.firsts.note("lost connection", || {
                    let title = &prepared.title;
                    format!(
                        "{title}, sent by user {}, needed another, twice in a row, although \
                         the answer before had kept it open, {idle:.1?} ago: the server closes \
                         connections without a word, or its answers are longer than they say, \
                         which the lean engine can tell",
                        self.user
                    )
                });
            }
            extra(*events, exchange.status)
        });
        let judged = match exchange.result {
            Ok(answer) => prepared.judge(&answer, values),
            Err(fault) => Err(fault),
        };
        let (outcome, class) = match judged {
            Ok(()) => (Outcome::Success, None),
            Err(fault) => (fault.outcome, Some(self.note(fault, prepared))),
        };
        Measured {
            outcome,
            class,
            status: exchange.status,
            volume: Volume::new(answers, exchange.sent, exchange.received),
            extra,
        }
    }

    /// Keeps the words of a class's first fault, and gives the class.
    #[cold]
    fn note(&self, fault: Fault, prepared: &Prepared) -> Cow<'static, str> {
        let Fault { class, words, .. } = fault;
        self.plan.firsts.note(&class, || {
            format!("{}, sent by user {}: {words}", prepared.title, self.user)
        });
        class
    }
}

/// What comes of a request that could not be made.
fn unsent(fault: Fault) -> Exchange {
    let mut exchange = Exchange::new();
    exchange.result = Err(fault);
    exchange
}

/// Places for so many values. Most requests have none, and a vector of none is
/// made for less.
#[inline]
fn nones(places: usize) -> Vec<Option<String>> {
    match places {
        0 => Vec::new(),
        places => vec![None; places],
    }
}

/// What there is to tell beside the status, which is told with it.
fn extra(events: Events, status: Option<u16>) -> Box<Extra> {
    let Events {
        connects,
        reconnects,
        unsolicited,
        redirects,
        ..
    } = events;
    let mut counts = Vec::new();
    let statuses = redirects.iter().copied().map(Some).chain([status]);
    statuses.for_each(|status| add_counts(&mut counts, status::count(status)));
    for (name, count) in [
        ("reconnects", reconnects),
        ("unsolicited_answers", unsolicited),
        ("redirects", redirects.len() as u64),
    ] {
        if count > 0 {
            counts.push(Count::new(name, count));
        }
    }
    let steps = connects.into_iter().map(|took| Step::new("connect", took));
    Box::new(Extra {
        steps: steps.collect(),
        counts,
        parts: Vec::new(),
    })
}

impl Action for HttpUser {
    type Metric = HttpMetric;

    #[inline]
    fn call(&self, iteration: Iteration) -> impl Future<Output = HttpMetric> + Send {
        self.iterate(iteration)
    }
}

impl fmt::Debug for HttpUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUser")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
