//! Which rate to try next: pure, without a clock or a runtime.

use super::builder::Settings;

/// How a probe came out, as far as the search is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// The generator was the bottleneck.
    Saturated,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    Probe(f64),
    /// Not even the first rate passed.
    NothingPassed,
    /// The bounds are as near as they should be.
    Near,
    /// The highest rate that may be asked for passed.
    MaxRate,
    /// The upper bound is the generator's.
    Generator,
}

/// Rises until a rate fails, then halves the interval on a logarithmic scale.
///
/// A rate fails by the majority of its probes. On the way up one probe that
/// passes is enough to go on; a rate that becomes the lower bound is probed
/// until its majority is known, and gives way to the one below if it fails.
#[derive(Debug, Clone)]
pub(super) struct Search {
    settings: Settings,
    /// The rates of the way up that passed, at least once, ascending.
    rungs: Vec<Trial>,
    /// The rate that is being tried, if its majority is not known.
    trial: Option<Trial>,
    /// The lowest rate that failed, and whether it was the generator's fault.
    failing: Option<(f64, bool)>,
    /// The highest rate that passed by majority.
    passing: Option<f64>,
}

/// A rate and its probes.
#[derive(Debug, Clone, Copy)]
struct Trial {
    rate: f64,
    passed: u32,
    failed: u32,
    saturated: u32,
}

impl Trial {
    const fn new(rate: f64) -> Self {
        Self {
            rate,
            passed: 0,
            failed: 0,
            saturated: 0,
        }
    }

    const fn has_passed(&self, repeats: u32) -> bool {
        self.passed * 2 > repeats
    }

    const fn has_failed(&self, repeats: u32) -> bool {
        (self.failed + self.saturated) * 2 > repeats
    }
}

impl Search {
    pub(super) const fn new(settings: Settings) -> Self {
        Self {
            trial: Some(Trial::new(settings.start_rate)),
            settings,
            rungs: Vec::new(),
            failing: None,
            passing: None,
        }
    }

    pub(super) fn passing(&self) -> Option<f64> {
        self.passing
    }

    pub(super) fn failing(&self) -> Option<f64> {
        self.failing.map(|(rate, _)| rate)
    }

    pub(super) fn next(&self) -> Next {
        match (self.trial, self.passing, self.failing) {
            (Some(trial), ..) => Next::Probe(trial.rate),
            (None, None, _) => Next::NothingPassed,
            (None, Some(_), None) => Next::MaxRate,
            (None, Some(_), Some((_, true))) => Next::Generator,
            (None, Some(_), Some((_, false))) => Next::Near,
        }
    }

    /// Takes in how the probe of the rate that [`next`](Self::next) named came
    /// out.
    pub(super) fn take(&mut self, outcome: Outcome) {
        let Some(mut trial) = self.trial.take() else {
            return;
        };
        match outcome {
            Outcome::Passed => trial.passed += 1,
            Outcome::Failed => trial.failed += 1,
            Outcome::Saturated => trial.saturated += 1,
        }
        let repeats = self.settings.repeats;
        if trial.has_failed(repeats) {
            self.failing = Some((trial.rate, trial.saturated > trial.failed));
            self.settle();
        } else if trial.has_passed(repeats) {
            self.passed(trial);
        } else if self.is_rising() && trial.failed + trial.saturated == 0 {
            // Good enough to go on; whether it is good enough to stay will be
            // asked if it has to.
            self.rungs.push(trial);
            self.rise(trial.rate);
        } else {
            self.trial = Some(trial);
        }
    }

    const fn is_rising(&self) -> bool {
        self.failing.is_none() && self.passing.is_none()
    }

    /// The rate passed by majority.
    fn passed(&mut self, trial: Trial) {
        let is_rising = self.failing.is_none();
        if is_rising && trial.rate < self.settings.max_rate {
            self.rungs.push(trial);
            self.rise(trial.rate);
        } else {
            self.passing = Some(trial.rate);
            self.bisect();
        }
    }

    /// Goes on to the next rate of the way up.
    fn rise(&mut self, from: f64) {
        if from >= self.settings.max_rate {
            // There is nothing above: this one must be sure.
            self.settle();
            return;
        }
        let next = from * self.settings.factor;
        // What falls short of the highest rate by rounding is that rate.
        self.trial = Some(Trial::new(
            if next >= self.settings.max_rate * (1.0 - 1e-8) {
                self.settings.max_rate
            } else {
                next
            },
        ));
    }

    /// Makes sure of the highest rate of the way up that passed, unless a
    /// higher one is the lower bound already.
    fn settle(&mut self) {
        if self.passing.is_some() {
            self.bisect();
            return;
        }
        match self.rungs.pop() {
            None => {}
            Some(rung) if rung.has_passed(self.settings.repeats) => {
                self.passing = Some(rung.rate);
                self.bisect();
            }
            Some(rung) => self.trial = Some(rung),
        }
    }

    /// Tries the middle of the interval, on a logarithmic scale, unless it is
    /// narrow enough or its upper end is the generator's.
    fn bisect(&mut self) {
        let (Some(low), Some((high, false))) = (self.passing, self.failing) else {
            return;
        };
        if high / low - 1.0 > self.settings.precision {
            self.trial = Some(Trial::new((low * high).sqrt()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(repeats: u32) -> Settings {
        Settings {
            start_rate: 100.0,
            factor: 2.0,
            max_rate: 10_000.0,
            precision: 0.05,
            repeats,
        }
    }

    /// Searches with a target, and gives the end and the rates that were tried.
    fn search(
        settings: Settings,
        mut target: impl FnMut(f64) -> Outcome,
    ) -> (Search, Next, Vec<f64>) {
        let mut search = Search::new(settings);
        let mut rates = Vec::new();
        loop {
            match search.next() {
                Next::Probe(rate) => {
                    rates.push(rate);
                    assert!(rates.len() < 200, "the search ends");
                    search.take(target(rate));
                }
                end => return (search, end, rates),
            }
        }
    }

    fn capacity(capacity: f64) -> impl FnMut(f64) -> Outcome {
        move |rate| match rate <= capacity {
            true => Outcome::Passed,
            false => Outcome::Failed,
        }
    }

    #[test]
    fn the_interval_holds_the_capacity_and_is_as_narrow_as_asked() {
        for repeats in [1, 3, 5] {
            for target in [100.0, 101.0, 150.0, 399.0, 400.0, 7777.0, 9999.0] {
                let (search, end, _) = search(settings(repeats), capacity(target));
                let (low, high) = (search.passing().unwrap(), search.failing().unwrap());
                assert_eq!(end, Next::Near);
                assert!(low <= target && target < high, "{low} {target} {high}");
                assert!(high / low <= 1.05, "{low} {high}");
            }
        }
    }

    #[test]
    fn a_search_takes_no_more_probes_than_its_settings_say() {
        let mut random = {
            let mut state = 88_172_645_463_325_252_u64;
            move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            }
        };
        for (start_rate, max_rate) in [
            (100.0, 1e6),
            (1e-9, 2e-9),
            (1e8, 1e9),
            (7.0, 7.0),
            (0.7, 0.7 * 1.01_f64.powi(500)),
            (0.1, 0.1 * 1.5_f64.powi(17)),
        ] {
            for factor in [1.01, 1.5, 2.0, 100.0] {
                for precision in [0.001, 0.05, 1.0] {
                    for repeats in [1, 3, 99] {
                        let settings = Settings {
                            start_rate,
                            factor,
                            max_rate,
                            precision,
                            repeats,
                        };
                        let halves = (factor.ln() / (1.0 + precision).ln()).log2().ceil();
                        let halves = halves.max(0.0) as u32;
                        assert!(halves <= 13);
                        let most = repeats * (settings.rungs() + halves);
                        // Always good, always bad, and by chance.
                        for share in [0, 1, 2, 8, 1 << 20] {
                            let mut probes = 0;
                            let mut search = Search::new(settings);
                            while let Next::Probe(rate) = search.next() {
                                assert!((start_rate..=max_rate).contains(&rate), "{rate}");
                                probes += 1;
                                assert!(probes <= most, "{settings:?}");
                                search.take(match share > 0 && random().is_multiple_of(share) {
                                    true => Outcome::Failed,
                                    false => Outcome::Passed,
                                });
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_rate_is_tried_as_often_as_it_takes() {
        let (_, _, rates) = search(
            Settings {
                precision: 0.5,
                ..settings(3)
            },
            capacity(250.0),
        );
        // Up once each, 400 fails twice, 200 is made sure of, then the middle.
        let middle = (200.0_f64 * 400.0).sqrt();
        assert_eq!(rates, [100.0, 200.0, 400.0, 400.0, 200.0, middle, middle]);
    }

    #[test]
    fn a_rate_that_passed_by_luck_gives_way() {
        let mut lucky = true;
        let target = |rate: f64| match rate {
            // 200 holds on the way up only.
            200.0 if std::mem::take(&mut lucky) => Outcome::Passed,
            rate if rate < 150.0 => Outcome::Passed,
            _ => Outcome::Failed,
        };
        let (search, _, _) = search(settings(3), target);
        assert!(search.passing().unwrap() < 150.0);
        assert!((150.0..=157.5).contains(&search.failing().unwrap()));
    }

    #[test]
    fn one_bad_probe_does_not_fail_a_rate() {
        let mut probes = 0;
        let target = |rate: f64| {
            probes += 1;
            match rate <= 3000.0 && probes % 3 != 0 {
                true => Outcome::Passed,
                false => Outcome::Failed,
            }
        };
        let (search, _, _) = search(settings(3), target);
        assert!(search.passing().unwrap() > 2000.0);
    }

    #[test]
    fn the_first_rate_may_fail_at_once_or_after_all() {
        let (search, end, rates) = search(settings(3), capacity(50.0));
        assert_eq!((end, rates), (Next::NothingPassed, vec![100.0, 100.0]));
        assert_eq!((search.passing(), search.failing()), (None, Some(100.0)));
        let mut probes = 0;
        let (_, end, rates) = self::search(settings(3), |_| {
            probes += 1;
            match probes {
                1 => Outcome::Passed,
                _ => Outcome::Failed,
            }
        });
        assert_eq!(end, Next::NothingPassed);
        assert_eq!(rates, [100.0, 200.0, 200.0, 100.0, 100.0]);
    }

    #[test]
    fn the_highest_rate_is_made_sure_of() {
        let (search, end, rates) = search(settings(3), capacity(1e9));
        assert_eq!(end, Next::MaxRate);
        assert_eq!((search.passing(), search.failing()), (Some(10_000.0), None));
        assert_eq!(rates[6..], [6400.0, 10_000.0, 10_000.0]);
        let mut at_most = 0;
        let (search, end, _) = self::search(settings(3), |rate| {
            at_most += u32::from(rate >= 10_000.0);
            match rate < 10_000.0 || at_most == 1 {
                true => Outcome::Passed,
                false => Outcome::Failed,
            }
        });
        assert_eq!((end, search.failing()), (Next::Near, Some(10_000.0)));
    }

    #[test]
    fn the_search_ends_at_the_generators_limit() {
        let target = |rate: f64| match rate {
            rate if rate < 500.0 => Outcome::Passed,
            _ => Outcome::Saturated,
        };
        let (search, end, rates) = search(settings(3), target);
        assert_eq!(end, Next::Generator);
        assert_eq!(
            (search.passing(), search.failing()),
            (Some(400.0), Some(800.0))
        );
        assert_eq!(rates, [100.0, 200.0, 400.0, 800.0, 800.0, 400.0]);
        // One saturated probe of three is not the generator's limit.
        let mut probes = 0;
        let (_, end, _) = self::search(settings(3), |rate| {
            probes += 1;
            match (rate < 500.0, probes % 3) {
                (true, _) => Outcome::Passed,
                (false, 0) => Outcome::Saturated,
                (false, _) => Outcome::Failed,
            }
        });
        assert_eq!(end, Next::Near);
    }
}
