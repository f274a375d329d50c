//! A generator of random numbers whose results never change: not with a
//! dependency's version, and not with the platform's maths library. It uses
//! additions, multiplications, divisions and square roots only, which IEEE 754
//! fixes to the last bit.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

/// The golden ratio, as a fraction of 2^64.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The stream of `seed` that belongs to `key`; streams of different keys
    /// are independent.
    pub(crate) fn new(seed: u64, key: u64) -> Self {
        let mut root = Self { state: seed };
        let seed = root.bits();
        let mut keyed = Self {
            state: seed ^ key.wrapping_mul(0xD134_2543_DE82_EF95),
        };
        Self {
            state: keyed.bits(),
        }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to, but without, 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Exponential with mean 1.
    fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.uniform())
    }

    /// Normal with mean 0 and variance 1, by Marsaglia's polar method.
    fn normal(&mut self) -> f64 {
        loop {
            let u = 2.0 * self.uniform() - 1.0;
            let v = 2.0 * self.uniform() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * ln(s) / s).sqrt();
            }
        }
    }

    /// How many of `n` fair coins show heads.
    ///
    /// Exact up to 2^14 coins. Beyond, the rounded normal distribution: for a
    /// fair coin it has the right skewness, so the distributions differ by
    /// some 1/n, which no test can tell from a run.
    pub(super) fn heads(&mut self, n: u64) -> u64 {
        const EXACT: u64 = 1 << 14;
        if n > EXACT {
            let n_f = n as f64;
            let heads = (n_f / 2.0 + self.normal() * n_f.sqrt() / 2.0 + 0.5).floor();
            return (heads.max(0.0) as u64).min(n);
        }
        let mut heads = 0;
        for _ in 0..n / 64 {
            heads += u64::from(self.bits().count_ones());
        }
        let rest = n % 64;
        if rest > 0 {
            heads += u64::from((self.bits() >> (64 - rest)).count_ones());
        }
        heads
    }

    /// Poisson with this mean.
    ///
    /// Exact up to 2^14. Beyond, the rounded normal distribution with the
    /// skewness put right (the first Cornish-Fisher term).
    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        const EXACT: f64 = (1 << 14) as f64;
        if mean > EXACT {
            let z = self.normal();
            let count = mean + mean.sqrt() * z + (z * z - 1.0) / 6.0;
            return (count + 0.5).floor().max(0.0) as u64;
        }
        let mut count = 0;
        let mut passed = self.exponential();
        while passed < mean {
            count += 1;
            passed += self.exponential();
        }
        count
    }
}

/// The natural logarithm of a positive, normal number, to some 1e-16 relative
/// to the larger of itself and 1.
fn ln(x: f64) -> f64 {
    // x = m 2^e with m in [sqrt(1/2), sqrt(2)): ln m = 2 artanh((m-1)/(m+1)).
    let bits = x.to_bits();
    let mut e = ((bits >> 52) as i64 - 1023) as f64;
    let mut m = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        e += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    // |s| < 0.172, so the first term left out is below 1e-17.
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * square + 1.0 / odd;
    }
    e * std::f64::consts::LN_2 + 2.0 * s * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_that_of_the_maths_library() {
        let mut random = Random::new(1, 2);
        for _ in 0..10_000 {
            let x = random.uniform() * 4.0 + 1e-12;
            assert!(
                (ln(x) - x.ln()).abs() <= 1e-15 * x.ln().abs().max(1.0),
                "{x}"
            );
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn the_numbers_never_change() {
        // The reference values of SplitMix64 for the seed 1234567.
        let mut random = Random { state: 1_234_567 };
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
        let mut keyed = Random::new(7, 3);
        let drawn = [
            keyed.heads(1000),
            keyed.heads(1 << 20),
            keyed.poisson(50.0),
            keyed.poisson(1e6),
        ];
        assert_eq!(drawn, PINNED);
    }

    /// Drawn once; another value here means that every seed changed its
    /// schedule.
    const PINNED: [u64; 4] = [495, 523_932, 33, 1_000_048];

    fn mean_and_variance(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        const COUNT: u32 = 20_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..COUNT {
            let x = draw();
            sum += x;
            squares += x * x;
        }
        let mean = sum / f64::from(COUNT);
        (mean, squares / f64::from(COUNT) - mean * mean)
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        // Four standard errors of a mean are 4 sqrt(variance/20000), of a
        // variance some 4 sqrt(2/20000) of it: 4 %.
        let mut random = Random::new(11, 0);
        let close = |(mean, variance): (f64, f64), wanted: (f64, f64)| {
            let error = 4.0 * (wanted.1 / 20_000.0).sqrt();
            assert!(
                (mean - wanted.0).abs() < error,
                "mean {mean}, not {}",
                wanted.0
            );
            assert!(
                (variance / wanted.1 - 1.0).abs() < 0.045,
                "variance {variance}, not {}",
                wanted.1
            );
        };
        close(mean_and_variance(|| random.normal()), (0.0, 1.0));
        close(mean_and_variance(|| random.uniform()), (0.5, 1.0 / 12.0));
        for n in [1, 63, 64, 1000, 16_384, 16_385, 1_000_000] {
            let wanted = (n as f64 / 2.0, n as f64 / 4.0);
            close(mean_and_variance(|| random.heads(n) as f64), wanted);
        }
        for mean in [0.5, 20.0, 400.0, 20_000.0] {
            close(
                mean_and_variance(|| random.poisson(mean) as f64),
                (mean, mean),
            );
        }
    }
}
