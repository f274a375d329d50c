//! Why a run is not healthy, in words and numbers.

use karga_core::{Account, LoadModel};

use super::Judge;
use crate::text::{count, duration, percent};

impl Judge<'_> {
    /// What is asked for: arrivals, or the next iteration of each user.
    const fn unit(&self) -> &'static str {
        match self.model {
            LoadModel::Closed => "iteration",
            _ => "arrival",
        }
    }

    /// How less load is asked for.
    const fn less(&self) -> &'static str {
        match self.model {
            LoadModel::Closed => "use fewer users",
            LoadModel::Paced => "use fewer users or a longer pace",
            _ => "lower the rate",
        }
    }

    /// Whether anything says that no worker was left for an arrival.
    fn ran_out_of_workers(&self) -> bool {
        self.generator.late_with_all_busy > 0
            || self.account.dropped > 0
            || self.generator.peak_in_flight >= self.generator.workers
    }

    /// "1,203 of 50,000 arrivals (2.4 %) started more than 10 ms late, 7
    /// (<0.1 %) were dropped and 12 (<0.1 %) were not completed before the run
    /// ended".
    fn what_was_missing(&self) -> String {
        let planned = self.account.planned;
        let were = |number| if number == 1 { "was" } else { "were" };
        let Account {
            dropped,
            interrupted,
            ..
        } = *self.account;
        let late = self.late();
        let too_late = if late == 0 { " as too late" } else { "" };
        let tolerance = duration(self.generator.tolerance);
        let kinds = [
            (late, format!("started more than {tolerance} late")),
            (dropped, format!("{} dropped{too_late}", were(dropped))),
            (
                interrupted,
                format!("{} not completed before the run ended", were(interrupted)),
            ),
        ];
        let mut parts: Vec<String> = Vec::new();
        for (number, fate) in kinds.into_iter().filter(|&(number, _)| number > 0) {
            // The whole is named once.
            let whole = if parts.is_empty() {
                format!(" of {} {}s", count(planned), self.unit())
            } else {
                String::new()
            };
            let share = percent(number, planned);
            parts.push(format!("{}{whole} ({share}) {fate}", count(number)));
        }
        let last = parts.pop().unwrap_or_default();
        if parts.is_empty() {
            last
        } else {
            format!("{} and {last}", parts.join(", "))
        }
    }

    pub(super) fn why_saturated(&self) -> String {
        let what = self.what_was_missing();
        if self.is_always_busy() {
            let busy = self.generator.busy.unwrap_or_default();
            return format!(
                "{what}, and the generator's threads were busy {:.0} % of the time: it ran out \
                 of CPU; {}, make the action cheaper, build with --release or give the generator \
                 a machine of its own",
                busy.min(1.0) * 100.0,
                self.less()
            );
        }
        let who = match self.model {
            LoadModel::Open => "worker",
            _ => "user",
        };
        let free = match self.not_on_time() - self.generator.late_with_free_worker {
            0 => format!("although a {who} was free"),
            _ => format!(
                "; {} of them found a free {who}",
                count(self.generator.late_with_free_worker)
            ),
        };
        let glue = if free.starts_with(';') { "" } else { " " };
        format!(
            "{what}{glue}{free}: the generator had no CPU or its timer is too coarse; {}, use \
             the fine timer (Precision::Fine), or give the generator a machine of its own",
            self.less()
        )
    }

    pub(super) fn why_limited(&self) -> String {
        if self.model == LoadModel::Closed {
            return format!(
                "{}: the target did not answer in time, and the response times lack the answers \
                 that took longest; let the run last longer, or give it more time at its end",
                self.what_was_missing()
            );
        }
        if !self.ran_out_of_workers() {
            return format!(
                "{}: the target did not answer in time although it was not asked for more than \
                 {} at once; see whether it answers at all, and give it more time at the end of \
                 the run if it is only slow",
                self.what_was_missing(),
                count(self.generator.peak_in_flight)
            );
        }
        if self.model == LoadModel::Paced {
            return format!(
                "{} because their users were still waiting for the target: it is slower than \
                 their pace, and the response times include the wait; use more users with a \
                 longer pace if the target may have more requests in flight, or only a longer \
                 pace",
                self.what_was_missing()
            );
        }
        let workers = match self.generator.workers {
            0 => "every worker was".to_owned(),
            1 => "the only worker was".to_owned(),
            workers => format!("all {} workers were", count(workers)),
        };
        format!(
            "{} because {workers} waiting for the target: it is slower than the load that was \
             offered, and the response times include the wait; raise the number of workers if \
             the target may have more requests in flight, or lower the rate",
            self.what_was_missing()
        )
    }

    pub(super) fn why_empty(&self) -> String {
        let Account {
            planned,
            dropped,
            interrupted,
            ..
        } = *self.account;
        if planned == 0 {
            return format!(
                "the run ended before the first {} was due, so nothing was measured; let it run \
                 longer",
                self.unit()
            );
        }
        format!(
            "none of {} planned {}s was completed ({} dropped, {} interrupted), so nothing was \
             measured; see whether the target answers at all, and let the run last longer than \
             one answer takes",
            count(planned),
            self.unit(),
            count(dropped),
            count(interrupted)
        )
    }
}
