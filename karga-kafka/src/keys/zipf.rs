//! Exact draws from a bounded Zipf distribution, in constant time and memory.

use std::num::NonZeroU64;

use crate::seeded::Stream;

/// Why a set of keys could not be made.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ZipfError {
    /// A set of no keys.
    #[error("a set of 0 keys has none to draw: give at least 1, or use Keys::none()")]
    NoKeys,
    /// A skew that is no exponent.
    #[error("the skew {skew} is not a finite number from 0 up: 0 is even, 1 is usual")]
    Skew {
        /// The value given.
        skew: f64,
    },
}

/// Numbers k in `0..n`, each in proportion to 1 / (k + 1)^skew.
///
/// Rejection-inversion (W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from
/// monotone discrete distributions", ACM TOMACS 6(3), 1996, pages 169-184). With h(x) = x^-skew and
/// H its integral, a uniform u is drawn between H(1.5) - h(1) and H(n + 0.5), inverted to x and
/// rounded to k; it is taken if it lies under the bar of k, which it does in well over nine of ten
/// cases. The result is exact: no table, no approximation of the harmonic number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zipf {
    n: NonZeroU64,
    skew: f64,
    /// H(1.5) - h(1).
    low: f64,
    /// H(n + 0.5).
    high: f64,
    /// Below this distance of k and x, x lies under the bar of k for every k.
    sure: f64,
}

impl Zipf {
    pub(super) fn new(n: u64, skew: f64) -> Result<Self, ZipfError> {
        let n = NonZeroU64::new(n).ok_or(ZipfError::NoKeys)?;
        if !skew.is_finite() || skew < 0.0 {
            return Err(ZipfError::Skew { skew });
        }
        Ok(Self {
            n,
            skew,
            low: integral(skew, 1.5) - 1.0,
            high: integral(skew, n.get() as f64 + 0.5),
            sure: 2.0 - inverse(skew, integral(skew, 2.5) - density(skew, 2.0)),
        })
    }

    pub(super) const fn n(&self) -> u64 {
        self.n.get()
    }

    pub(super) const fn skew(&self) -> f64 {
        self.skew
    }

    pub(super) fn draw(&self, stream: &mut Stream) -> u64 {
        let last = self.n.get() as f64;
        loop {
            let u = self.high + stream.unit() * (self.low - self.high);
            let x = inverse(self.skew, u);
            // Rounding may leave the range by a hair, and a steep skew may overflow to infinity.
            let k = x.round().clamp(1.0, last);
            if k - x <= self.sure || u >= integral(self.skew, k + 0.5) - density(self.skew, k) {
                return (k as u64).clamp(1, self.n.get()) - 1;
            }
        }
    }
}

/// h(x) = x^-skew.
fn density(skew: f64, x: f64) -> f64 {
    (-skew * x.ln()).exp()
}

/// H(x) = (x^(1 - skew) - 1) / (1 - skew), and ln x for a skew of 1, without a jump in between.
fn integral(skew: f64, x: f64) -> f64 {
    let log = x.ln();
    expm1_over((1.0 - skew) * log) * log
}

/// The inverse of [`integral`].
fn inverse(skew: f64, u: f64) -> f64 {
    // Rounding could bring the argument of the logarithm below zero.
    let t = (u * (1.0 - skew)).max(-1.0);
    (ln1p_over(t) * u).exp()
}

/// (e^t - 1) / t, continued through 0.
fn expm1_over(t: f64) -> f64 {
    if t.abs() > 1e-8 {
        t.exp_m1() / t
    } else {
        1.0 + t / 2.0
    }
}

/// ln(1 + t) / t, continued through 0.
fn ln1p_over(t: f64) -> f64 {
    if t.abs() > 1e-8 {
        t.ln_1p() / t
    } else {
        1.0 - t / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::Purpose;

    /// Pearson's chi-squared of `draws` draws against the analytic frequencies, and its degrees of
    /// freedom. Rare keys are counted together, so that each class expects at least ten.
    fn chi_squared(n: u64, skew: f64, draws: u32) -> (f64, usize) {
        let zipf = Zipf::new(n, skew).unwrap();
        let mut counts = vec![0_u32; usize::try_from(n).unwrap()];
        for index in 0..draws {
            let mut stream = Stream::new(11, Purpose::Key, u64::from(index), 0);
            counts[usize::try_from(zipf.draw(&mut stream)).unwrap()] += 1;
        }
        let weights: Vec<f64> = (1..=n).map(|k| (k as f64).powf(-skew)).collect();
        let total: f64 = weights.iter().sum();
        let (mut sum, mut classes, mut seen, mut expected) = (0.0, 0, 0.0, 0.0);
        for (count, weight) in counts.iter().zip(&weights) {
            seen += f64::from(*count);
            expected += weight / total * f64::from(draws);
            if expected >= 10.0 {
                sum += (seen - expected).powi(2) / expected;
                (seen, expected) = (0.0, 0.0);
                classes += 1;
            }
        }
        if expected > 1.0 {
            sum += (seen - expected).powi(2) / expected;
            classes += 1;
        }
        (sum, classes - 1)
    }

    #[test]
    fn frequencies_are_the_analytic_ones() {
        for n in [2, 3, 10, 1000, 50_000] {
            for skew in [0.0, 0.5, 0.99, 1.0, 1.01, 1.5, 3.0] {
                let (sum, freedom) = chi_squared(n, skew, 200_000);
                // Mean k and variance 2k; five standard deviations, the seed being fixed.
                let limit = freedom as f64 + 5.0 * (2.0 * freedom as f64).sqrt();
                assert!(sum <= limit, "n {n} skew {skew}: {sum} of {freedom}");
            }
        }
    }

    #[test]
    fn the_test_can_fail() {
        // The same statistic, against a neighbouring skew.
        let zipf = Zipf::new(10, 1.05).unwrap();
        let mut counts = [0_u32; 10];
        for index in 0..200_000 {
            let mut stream = Stream::new(11, Purpose::Key, index, 0);
            counts[usize::try_from(zipf.draw(&mut stream)).unwrap()] += 1;
        }
        let total: f64 = (1..=10).map(|k| 1.0 / f64::from(k)).sum();
        let sum: f64 = (1..=10)
            .zip(counts)
            .map(|(k, count)| {
                let expected = 200_000.0 / f64::from(k) / total;
                (f64::from(count) - expected).powi(2) / expected
            })
            .sum();
        assert!(sum > 9.0 + 5.0 * 18.0_f64.sqrt(), "{sum}");
    }

    #[test]
    fn extremes_stay_inside() {
        for (n, skew) in [
            (1, 0.0),
            (1, 2.0),
            (u64::MAX, 0.0),
            (u64::MAX, 1.0),
            (5, 1e308),
            (5, 700.0),
        ] {
            let zipf = Zipf::new(n, skew).unwrap();
            for index in 0..1000 {
                let drawn = zipf.draw(&mut Stream::new(1, Purpose::Key, index, 0));
                assert!(drawn < n, "n {n} skew {skew}: {drawn}");
            }
        }
    }

    #[test]
    fn bad_settings_are_named() {
        assert_eq!(Zipf::new(0, 1.0).unwrap_err(), ZipfError::NoKeys);
        for skew in [-0.1, f64::NAN, f64::INFINITY] {
            let error = Zipf::new(3, skew).unwrap_err().to_string();
            assert!(error.contains(&format!("skew {skew}")), "{error}");
        }
    }
}
