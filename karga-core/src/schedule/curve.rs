use super::Stage;

/// The cumulative arrival curve: pieces on which the rate is linear.
///
/// Times are whole nanoseconds since the start, rates are per second.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// In order, without gaps, none of zero length; at least one.
    pieces: Box<[Piece]>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    start: u64,
    end: u64,
    area_start: f64,
    area_end: f64,
    rate_start: f64,
    rate_end: f64,
    /// Change of the rate, per second squared.
    slope: f64,
}

impl Curve {
    /// The curve of valid stages; `None` if they last no time at all or longer
    /// than `u64::MAX` nanoseconds.
    pub(super) fn new(start_rate: f64, stages: &[Stage]) -> Option<Self> {
        let mut pieces = Vec::with_capacity(stages.len());
        let (mut start, mut area_start, mut rate_start) = (0_u64, 0.0, start_rate);
        for stage in stages {
            let length = u64::try_from(stage.duration.as_nanos()).ok()?;
            let rate_end = stage.rate;
            if length > 0 {
                let end = start.checked_add(length)?;
                let area = (rate_start + rate_end) * length as f64 / 2e9;
                let area_end = snap(area_start + area);
                pieces.push(Piece {
                    start,
                    end,
                    area_start,
                    area_end,
                    rate_start,
                    rate_end,
                    slope: (rate_end - rate_start) / (length as f64 / 1e9),
                });
                (start, area_start) = (end, area_end);
            }
            rate_start = rate_end;
        }
        (!pieces.is_empty()).then(|| Self {
            pieces: pieces.into(),
        })
    }

    /// When the curve ends, in nanoseconds.
    pub(super) fn end(&self) -> u64 {
        self.last().end
    }

    /// The whole area.
    pub(super) fn area(&self) -> f64 {
        self.last().area_end
    }

    fn last(&self) -> &Piece {
        self.pieces
            .last()
            .expect("invariant: a curve has at least one piece")
    }

    /// The last nanosecond at which the area is `area`: after a pause, where
    /// the rate rises again. The end for everything beyond the whole area.
    #[inline]
    pub(super) fn time_at(&self, area: f64) -> u64 {
        let at = self.pieces.partition_point(|piece| piece.area_end <= area);
        match self.pieces.get(at) {
            Some(piece) => piece.time_at(area),
            None => self.end(),
        }
    }

    /// The area up to a time in nanoseconds.
    pub(super) fn area_at(&self, t: u64) -> f64 {
        match self.piece_at(t) {
            Some(piece) => piece.area_at(t),
            None => self.area(),
        }
    }

    /// The rate at a time in nanoseconds, per second; zero from the end on.
    pub(super) fn rate_at(&self, t: u64) -> f64 {
        self.piece_at(t).map_or(0.0, |piece| {
            let since = (t - piece.start) as f64 / (piece.end - piece.start) as f64;
            piece.rate_start + (piece.rate_end - piece.rate_start) * since
        })
    }

    fn piece_at(&self, t: u64) -> Option<&Piece> {
        self.pieces
            .get(self.pieces.partition_point(|piece| piece.end <= t))
    }
}

impl Piece {
    #[inline]
    fn time_at(&self, area: f64) -> u64 {
        // A falling ramp is solved from its end: the same formula, mirrored.
        // From its beginning, r0² + 2k(r1-r0)/d would cancel near the end.
        if self.slope < 0.0 {
            let left = seconds(self.area_end - area, self.rate_end, -self.slope);
            self.end - whole_nanos(left).min(self.end - self.start)
        } else {
            let passed = seconds(area - self.area_start, self.rate_start, self.slope);
            self.start + whole_nanos(passed).min(self.end - self.start)
        }
    }

    fn area_at(&self, t: u64) -> f64 {
        let area = if self.slope < 0.0 {
            let left = (self.end - t) as f64 / 1e9;
            self.area_end - left * (self.rate_end - self.slope * left / 2.0)
        } else {
            let passed = (t - self.start) as f64 / 1e9;
            self.area_start + passed * (self.rate_start + self.slope * passed / 2.0)
        };
        area.clamp(self.area_start, self.area_end)
    }
}

/// The time until `arrivals` have come, when the rate is `rate` at first and
/// grows by `slope` per second: the stable root of rate t + slope t²/2.
#[inline]
fn seconds(arrivals: f64, rate: f64, slope: f64) -> f64 {
    if arrivals <= 0.0 {
        0.0
    } else if slope == 0.0 {
        arrivals / rate
    } else {
        2.0 * arrivals / (rate + (rate * rate + 2.0 * arrivals * slope).sqrt())
    }
}

/// Rounded to the nearest; the cast saturates.
#[inline]
fn whole_nanos(seconds: f64) -> u64 {
    (seconds * 1e9 + 0.5) as u64
}

/// Takes out what f64 rounding did to an area that is a whole number: 0.1/s
/// for 30 s are three arrivals, although the product lies above 3.
fn snap(area: f64) -> f64 {
    let whole = area.round();
    if (area - whole).abs() <= 1e-9 + area * 1e-14 {
        whole
    } else {
        area
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn curve(start: f64, stages: &[(u64, f64)]) -> Curve {
        let stages: Vec<_> = stages
            .iter()
            .map(|(ms, rate)| Stage::new(Duration::from_millis(*ms), *rate))
            .collect();
        Curve::new(start, &stages).unwrap()
    }

    #[test]
    fn a_ramp_is_a_parabola() {
        // A(t) = 5 t² on the way up, mirrored on the way down.
        let up_down = curve(0.0, &[(10_000, 100.0), (10_000, 0.0)]);
        assert_eq!(up_down.area(), 1000.0);
        assert_eq!(up_down.time_at(0.0), 0);
        assert_eq!(up_down.time_at(5.0), SECOND);
        assert_eq!(up_down.time_at(125.0), 5 * SECOND);
        assert_eq!(up_down.time_at(500.0), 10 * SECOND);
        assert_eq!(up_down.time_at(875.0), 15 * SECOND);
        assert_eq!(up_down.time_at(995.0), 19 * SECOND);
        assert_eq!(up_down.area_at(15 * SECOND), 875.0);
    }

    #[test]
    fn a_pause_is_left_when_the_rate_rises_again() {
        let paused = curve(
            10.0,
            &[(1000, 10.0), (0, 0.0), (5000, 0.0), (0, 10.0), (1000, 10.0)],
        );
        assert_eq!(paused.time_at(9.0), 900_000_000);
        assert_eq!(paused.time_at(10.0), 6 * SECOND);
        assert_eq!(paused.area_at(3 * SECOND), 10.0);
        assert_eq!(paused.rate_at(3 * SECOND), 0.0);
    }

    #[test]
    fn a_jump_has_the_rate_after_it() {
        let jump = curve(0.0, &[(1000, 10.0), (0, 50.0), (1000, 50.0)]);
        assert_eq!(jump.rate_at(SECOND - 1).round(), 10.0);
        assert_eq!(jump.rate_at(SECOND), 50.0);
        assert_eq!(jump.rate_at(2 * SECOND), 0.0);
        assert_eq!(
            jump.time_at(5.0),
            SECOND,
            "the border belongs to what follows"
        );
    }

    #[test]
    fn whole_areas_are_whole() {
        assert_eq!(curve(0.1, &[(30_000, 0.1)]).area(), 3.0);
        assert_eq!(curve(1e6 / 3.0, &[(3_000, 1e6 / 3.0)]).area(), 1e6);
    }

    #[test]
    fn no_time_or_too_much_is_no_curve() {
        assert!(Curve::new(1.0, &[Stage::new(Duration::ZERO, 1.0)]).is_none());
        assert!(Curve::new(1.0, &[Stage::new(Duration::MAX, 1.0)]).is_none());
    }
}
