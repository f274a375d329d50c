use std::fmt;

use karga_core::{Account, GeneratorHealth};

use crate::text::{count, duration, percent};

/// The share of the planned arrivals that may be late or dropped in a healthy
/// run: 2 %.
///
/// Below it the load that was offered is, for every practical purpose, the
/// load that was asked for, and the odd arrival that a busy machine delays
/// does not condemn a run. Above it the 98th percentile and those beyond it
/// (p99, p99.9) are made of arrivals that did not happen when they should
/// have; that has to be known to whoever reads them.
pub const TOLERATED_LATE_SHARE: f64 = 0.02;

/// The share of the time from which on the runtime's threads count as always
/// busy: what is late then is late for want of CPU, whether or not a worker
/// was free.
const ALWAYS_BUSY: f64 = 0.95;

/// Whether the figures of a run say something about its target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Verdict {
    /// The load that was offered is the load that was asked for.
    Healthy,
    /// The generator could not keep up: arrivals were late although a worker
    /// was free, or the machine had no CPU left. The figures say more about
    /// the generator than about the target.
    Saturated,
    /// The target could not keep up: arrivals were late because every worker
    /// was waiting for it. The response times are true; the load was less than
    /// what was asked for.
    InFlightLimit,
    /// No iteration was completed: there are no figures.
    #[default]
    NoSamples,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Saturated => "saturated",
            Self::InFlightLimit => "in-flight limit",
            Self::NoSamples => "no samples",
        })
    }
}

impl Verdict {
    /// Judges a run by its account and by what the generator knows of itself,
    /// and says why, unless all is well.
    ///
    /// - [`NoSamples`](Self::NoSamples) if nothing was completed.
    /// - Otherwise the late arrivals are counted, and the dropped ones with
    ///   them: an overload policy that lets arrivals go does not make the
    ///   missing load less missing. Up to [`TOLERATED_LATE_SHARE`] of the
    ///   planned arrivals the run is [`Healthy`](Self::Healthy).
    /// - Beyond that it is [`Saturated`](Self::Saturated) if the runtime's
    ///   threads were busy for 95 % of the time or more, or if more late
    ///   arrivals found a free worker than found none, and
    ///   [`InFlightLimit`](Self::InFlightLimit) otherwise.
    pub fn of(account: &Account, generator: &GeneratorHealth) -> (Self, Option<String>) {
        let judge = Judge { account, generator };
        let verdict = judge.verdict();
        let reason = match verdict {
            Self::Healthy => None,
            Self::Saturated => Some(judge.why_saturated()),
            Self::InFlightLimit => Some(judge.why_limited()),
            Self::NoSamples => Some(judge.why_empty()),
        };
        (verdict, reason)
    }
}

struct Judge<'a> {
    account: &'a Account,
    generator: &'a GeneratorHealth,
}

impl Judge<'_> {
    fn verdict(&self) -> Verdict {
        if self.account.completed == 0 {
            Verdict::NoSamples
        } else if self.not_on_time() as f64 <= TOLERATED_LATE_SHARE * self.account.planned as f64 {
            Verdict::Healthy
        } else if self.is_always_busy() || self.mostly_with_free_worker() {
            Verdict::Saturated
        } else {
            Verdict::InFlightLimit
        }
    }

    fn late(&self) -> u64 {
        self.generator.late_with_free_worker + self.generator.late_with_all_busy
    }

    fn not_on_time(&self) -> u64 {
        self.late() + self.account.dropped
    }

    fn is_always_busy(&self) -> bool {
        self.generator.busy.is_some_and(|busy| busy >= ALWAYS_BUSY)
    }

    fn mostly_with_free_worker(&self) -> bool {
        self.generator.late_with_free_worker > self.generator.late_with_all_busy
    }

    /// "1,203 of 50,000 arrivals (2.4 %) started more than 10 ms late and 7
    /// were dropped".
    fn what_was_late(&self) -> String {
        let planned = self.account.planned;
        let share = |part| {
            format!(
                "of {} arrivals ({})",
                count(planned),
                percent(part, planned)
            )
        };
        let late = self.late();
        let dropped = self.account.dropped;
        let started_late = format!(
            "{} {} started more than {} late",
            count(late),
            share(late),
            duration(self.generator.tolerance),
        );
        match (late, dropped) {
            (_, 0) => started_late,
            (0, _) => format!(
                "{} {} were dropped as too late",
                count(dropped),
                share(dropped)
            ),
            _ => format!(
                "{started_late} and {} ({}) were dropped",
                count(dropped),
                percent(dropped, planned)
            ),
        }
    }

    fn why_saturated(&self) -> String {
        let what = self.what_was_late();
        if self.is_always_busy() {
            let busy = self.generator.busy.unwrap_or_default();
            return format!(
                "{what}, and the generator's threads were busy {:.0} % of the time: it ran out \
                 of CPU; lower the rate, make the action cheaper, build with --release or give \
                 the generator a machine of its own",
                busy.min(1.0) * 100.0
            );
        }
        let free = match (self.generator.late_with_all_busy, self.account.dropped) {
            (0, 0) => "although a worker was free".to_owned(),
            _ => format!(
                "; {} of them found a free worker",
                count(self.generator.late_with_free_worker)
            ),
        };
        let glue = if free.starts_with(';') { "" } else { " " };
        format!(
            "{what}{glue}{free}: the generator had no CPU or its timer is too coarse; lower the \
             rate, use the fine timer (Precision::Fine), or give the generator a machine of its own"
        )
    }

    fn why_limited(&self) -> String {
        let workers = match self.generator.workers {
            0 => "every worker was".to_owned(),
            1 => "the only worker was".to_owned(),
            workers => format!("all {} workers were", count(workers)),
        };
        format!(
            "{} because {workers} waiting for the target: it is slower than the load that was \
             offered, and the response times include the wait; raise the number of workers if \
             the target may have more requests in flight, or lower the rate",
            self.what_was_late()
        )
    }

    fn why_empty(&self) -> String {
        let Account {
            planned,
            dropped,
            interrupted,
            ..
        } = *self.account;
        if planned == 0 {
            return "the run ended before the first arrival was due, so nothing was measured; \
                    let it run longer"
                .to_owned();
        }
        format!(
            "none of {} planned arrivals was completed ({} dropped, {} interrupted), so nothing \
             was measured; see whether the target answers at all, and let the run last longer \
             than one answer takes",
            count(planned),
            count(dropped),
            count(interrupted)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judge(
        account: (u64, u64, u64, u64),
        late: (u64, u64),
        busy: Option<f64>,
    ) -> (Verdict, String) {
        let mut generator = GeneratorHealth::default();
        generator.workers = 64;
        generator.tolerance = Duration::from_millis(10);
        (
            generator.late_with_free_worker,
            generator.late_with_all_busy,
        ) = late;
        generator.busy = busy;
        let (planned, completed, dropped, interrupted) = account;
        let account = Account::new(planned, completed, dropped, interrupted);
        let (verdict, reason) = Verdict::of(&account, &generator);
        (verdict, reason.unwrap_or_default())
    }

    #[test]
    fn few_late_arrivals_are_healthy() {
        let (verdict, reason) = judge((1000, 1000, 0, 0), (10, 10), Some(0.5));
        assert_eq!((verdict, reason.as_str()), (Verdict::Healthy, ""));
        assert_eq!(
            judge((1000, 1000, 0, 0), (21, 0), None).0,
            Verdict::Saturated
        );
        assert_eq!(
            judge((1000, 1000, 0, 0), (0, 21), None).0,
            Verdict::InFlightLimit
        );
    }

    #[test]
    fn late_with_a_free_worker_is_the_generators_fault() {
        let (verdict, reason) = judge((50_000, 50_000, 0, 0), (1203, 0), Some(0.5));
        assert_eq!(verdict, Verdict::Saturated);
        assert_eq!(
            reason,
            "1,203 of 50,000 arrivals (2.4 %) started more than 10 ms late although a worker was \
             free: the generator had no CPU or its timer is too coarse; lower the rate, use the \
             fine timer (Precision::Fine), or give the generator a machine of its own"
        );
    }

    #[test]
    fn late_with_all_workers_waiting_is_the_targets() {
        let (verdict, reason) = judge((1000, 900, 100, 0), (3, 500), Some(0.2));
        assert_eq!(verdict, Verdict::InFlightLimit);
        assert!(
            reason.starts_with(
                "503 of 1,000 arrivals (50.3 %) started more than 10 ms late and 100 (10.0 %) \
                 were dropped because all 64 workers were waiting for the target: "
            ),
            "{reason}"
        );
    }

    #[test]
    fn without_cpu_it_is_the_generators_fault_even_with_all_workers_busy() {
        let (verdict, reason) = judge((1000, 1000, 0, 0), (3, 500), Some(0.97));
        assert_eq!(verdict, Verdict::Saturated);
        assert!(reason.contains("busy 97 % of the time"), "{reason}");
    }

    #[test]
    fn dropped_arrivals_are_missing_load() {
        let (verdict, reason) = judge((1000, 970, 30, 0), (0, 0), Some(0.2));
        assert_eq!(verdict, Verdict::InFlightLimit);
        assert!(
            reason.starts_with("30 of 1,000 arrivals (3.0 %) were dropped as too late because"),
            "{reason}"
        );
        let (verdict, reason) = judge((1000, 970, 30, 0), (15, 2), Some(0.2));
        assert_eq!(verdict, Verdict::Saturated);
        assert!(
            reason.contains("were dropped; 15 of them found a free worker: "),
            "{reason}"
        );
    }

    #[test]
    fn nothing_completed_is_said_with_what_became_of_it() {
        let (verdict, reason) = judge((1000, 0, 990, 10), (990, 0), None);
        assert_eq!(verdict, Verdict::NoSamples);
        assert!(
            reason.starts_with("none of 1,000 planned arrivals was completed (990 dropped, 10 "),
            "{reason}"
        );
        let (verdict, reason) = judge((0, 0, 0, 0), (0, 0), None);
        assert_eq!(verdict, Verdict::NoSamples);
        assert!(
            reason.starts_with("the run ended before the first arrival"),
            "{reason}"
        );
    }
}
