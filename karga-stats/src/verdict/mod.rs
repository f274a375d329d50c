mod reason;

use std::fmt;

use karga_core::{Account, GeneratorHealth, LoadModel, Run};

/// The share of the planned arrivals that may be late, dropped or interrupted
/// in a healthy run: 2 %.
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
    /// The target could not keep up: arrivals were late, or not completed
    /// before the run ended, because every worker was waiting for it. The
    /// response times are true; the load was less than what was asked for.
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
    /// Judges a run, and says why, unless all is well; see [`of`](Self::of).
    ///
    /// In a closed run nothing is late because of the target. Users whose think
    /// time ended some while before they went on are late because of the
    /// generator; apart from them only what was interrupted is missing. Threads
    /// that are always busy are what such a load does to a fast target, and
    /// condemn nothing alone.
    pub fn of_run<A>(run: &Run<A>) -> (Self, Option<String>) {
        Judge {
            account: &run.account,
            generator: &run.generator,
            model: run.model,
        }
        .judge()
    }

    /// Judges a run of the open model by its account and by what the generator
    /// knows of itself, and says why, unless all is well.
    ///
    /// - [`NoSamples`](Self::NoSamples) if nothing was completed.
    /// - Otherwise the late arrivals are counted, and the dropped and the
    ///   interrupted ones with them: a load that was let go, never begun or
    ///   cut off is no less missing than one that came late. Up to
    ///   [`TOLERATED_LATE_SHARE`] of the planned arrivals the run is
    ///   [`Healthy`](Self::Healthy).
    /// - Beyond that it is [`Saturated`](Self::Saturated) if the runtime's
    ///   threads were busy for 95 % of the time or more, or if more late
    ///   arrivals found a free worker than found none or were interrupted, and
    ///   [`InFlightLimit`](Self::InFlightLimit) otherwise.
    pub fn of(account: &Account, generator: &GeneratorHealth) -> (Self, Option<String>) {
        Judge {
            account,
            generator,
            model: LoadModel::Open,
        }
        .judge()
    }
}

struct Judge<'a> {
    account: &'a Account,
    generator: &'a GeneratorHealth,
    model: LoadModel,
}

impl Judge<'_> {
    fn judge(&self) -> (Verdict, Option<String>) {
        let verdict = self.verdict();
        let reason = match verdict {
            Verdict::Healthy => None,
            Verdict::Saturated => Some(self.why_saturated()),
            Verdict::InFlightLimit => Some(self.why_limited()),
            Verdict::NoSamples => Some(self.why_empty()),
        };
        (verdict, reason)
    }

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
        let GeneratorHealth {
            late_with_free_worker,
            late_with_all_busy,
            ..
        } = *self.generator;
        match self.model {
            // A user who waits for the target is not late for anything.
            LoadModel::Closed => late_with_free_worker,
            _ => late_with_free_worker.saturating_add(late_with_all_busy),
        }
    }

    fn not_on_time(&self) -> u64 {
        // The executor may be anyone's, and say anything.
        self.late()
            .saturating_add(self.account.dropped)
            .saturating_add(self.account.interrupted)
    }

    fn is_always_busy(&self) -> bool {
        self.generator.busy.is_some_and(|busy| busy >= ALWAYS_BUSY)
    }

    fn mostly_with_free_worker(&self) -> bool {
        let without = self.generator.late_with_all_busy;
        self.generator.late_with_free_worker > without.saturating_add(self.account.interrupted)
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
    fn interrupted_arrivals_are_missing_load() {
        assert_eq!(
            judge((1000, 980, 0, 20), (0, 0), Some(0.2)),
            (Verdict::Healthy, String::new())
        );
        assert_eq!(
            judge((1000, 979, 0, 21), (0, 0), Some(0.2)).0,
            Verdict::InFlightLimit
        );

        let (verdict, reason) = judge((3200, 1588, 0, 1612), (0, 3), Some(0.2));
        assert_eq!(verdict, Verdict::InFlightLimit);
        assert!(
            reason.starts_with(
                "3 of 3,200 arrivals (0.1 %) started more than 10 ms late and 1,612 (50.4 %) \
                 were not completed before the run ended because all 64 workers were waiting"
            ),
            "{reason}"
        );
        let (_, reason) = judge((3200, 1580, 8, 1612), (0, 3), Some(0.2));
        assert!(
            reason.contains("10 ms late, 8 (0.2 %) were dropped and 1,612 (50.4 %) were not"),
            "{reason}"
        );
    }

    #[test]
    fn interrupted_arrivals_count_as_those_that_found_no_worker() {
        let (verdict, _) = judge((1000, 900, 0, 100), (100, 0), Some(0.2));
        assert_eq!(verdict, Verdict::InFlightLimit);
        let (verdict, reason) = judge((1000, 900, 0, 100), (101, 0), Some(0.2));
        assert_eq!(verdict, Verdict::Saturated);
        assert!(
            reason.contains("before the run ended; 101 of them found a free worker: "),
            "{reason}"
        );
        let (verdict, reason) = judge((1000, 900, 0, 100), (0, 0), Some(0.95));
        assert_eq!(verdict, Verdict::Saturated);
        assert!(
            reason.starts_with(
                "100 of 1,000 arrivals (10.0 %) were not completed before the run ended, and \
                 the generator's threads were busy 95 % of the time"
            ),
            "{reason}"
        );
    }

    #[test]
    fn a_silent_target_is_not_blamed_on_workers_that_were_free() {
        let mut generator = GeneratorHealth::default();
        (generator.workers, generator.peak_in_flight) = (64, 60);
        let silent = |generator: &GeneratorHealth| {
            let (verdict, reason) = Verdict::of(&Account::new(3200, 3100, 0, 100), generator);
            assert_eq!(verdict, Verdict::InFlightLimit);
            reason.unwrap_or_default()
        };
        let reason = silent(&generator);
        assert!(
            reason.starts_with(
                "100 of 3,200 arrivals (3.1 %) were not completed before the run ended: the \
                 target did not answer in time although it was not asked for more than 60 at once"
            ),
            "{reason}"
        );
        generator.peak_in_flight = 64;
        let reason = silent(&generator);
        assert!(
            reason.contains("ended because all 64 workers were waiting"),
            "{reason}"
        );
    }

    fn of_model(
        model: LoadModel,
        account: Account,
        generator: GeneratorHealth,
    ) -> (Verdict, String) {
        let mut run = Run::new("run", (), account, Duration::from_secs(1));
        (run.model, run.generator) = (model, generator);
        let (verdict, reason) = Verdict::of_run(&run);
        (verdict, reason.unwrap_or_default())
    }

    #[test]
    fn a_closed_loop_that_keeps_every_thread_busy_is_healthy() {
        let mut generator = GeneratorHealth::default();
        (generator.workers, generator.peak_in_flight) = (8, 8);
        generator.busy = Some(1.0);
        // Whatever an executor says of its own lateness.
        generator.late_with_all_busy = 900;
        let closed = |account| of_model(LoadModel::Closed, account, generator);
        assert_eq!(closed(Account::new(1000, 992, 0, 8)).0, Verdict::Healthy);
        let (verdict, reason) = closed(Account::new(1000, 0, 0, 8));
        assert_eq!(verdict, Verdict::NoSamples);
        assert!(
            reason.starts_with("none of 1,000 planned iterations"),
            "{reason}"
        );
        let (_, reason) = closed(Account::new(0, 0, 0, 0));
        assert!(
            reason.contains("before the first iteration was due"),
            "{reason}"
        );
    }

    #[test]
    fn users_who_go_on_late_are_the_generators_fault() {
        let mut generator = GeneratorHealth::default();
        generator.tolerance = Duration::from_millis(10);
        generator.late_with_free_worker = 21;
        let closed = |account| of_model(LoadModel::Closed, account, generator);
        assert_eq!(closed(Account::new(1050, 1050, 0, 0)).0, Verdict::Healthy);
        let (verdict, reason) = closed(Account::new(1000, 1000, 0, 0));
        assert_eq!(verdict, Verdict::Saturated);
        assert!(
            reason.starts_with(
                "21 of 1,000 iterations (2.1 %) started more than 10 ms late although a user was \
                 free: the generator had no CPU"
            ),
            "{reason}"
        );
    }

    #[test]
    fn a_closed_run_that_was_cut_off_lacks_its_slowest_answers() {
        let mut generator = GeneratorHealth::default();
        (generator.workers, generator.peak_in_flight) = (8, 8);
        generator.busy = Some(0.1);
        let account = Account::new(28, 20, 0, 8);
        let (verdict, reason) = of_model(LoadModel::Closed, account, generator);
        assert_eq!(verdict, Verdict::InFlightLimit);
        assert_eq!(
            reason,
            "8 of 28 iterations (28.6 %) were not completed before the run ended: the target did \
             not answer in time, and the response times lack the answers that took longest; let \
             the run last longer, or give it more time at its end"
        );
        generator.busy = Some(0.98);
        let (verdict, reason) = of_model(LoadModel::Closed, account, generator);
        assert_eq!(verdict, Verdict::Saturated);
        assert!(
            reason.contains("ran out of CPU; use fewer users, make"),
            "{reason}"
        );
    }

    #[test]
    fn a_paced_run_speaks_of_its_users() {
        let mut generator = GeneratorHealth::default();
        generator.tolerance = Duration::from_millis(10);
        generator.late_with_all_busy = 50;
        let account = Account::new(100, 100, 0, 0);
        let (verdict, reason) = of_model(LoadModel::Paced, account, generator);
        assert_eq!(verdict, Verdict::InFlightLimit);
        assert!(
            reason.starts_with(
                "50 of 100 arrivals (50.0 %) started more than 10 ms late because their users \
                 were still waiting for the target: it is slower than their pace"
            ),
            "{reason}"
        );
        generator.late_with_free_worker = 60;
        let (verdict, reason) = of_model(LoadModel::Paced, account, generator);
        assert_eq!(verdict, Verdict::Saturated);
        assert!(
            reason.contains(
                "60 of them found a free user: the generator had no CPU or its timer \
                             is too coarse; use fewer users or a longer pace, "
            ),
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
