//! Which part of an axis is drawn, and the round values that are marked on it (`ticksOf` in `html/axes.js` does the same).

use super::{Axis, Scale};

/// The part of an axis that is drawn.
pub(super) struct Range {
    pub low: f64,
    pub high: f64,
    scale: Scale,
    pub ticks: Vec<(f64, String)>,
}

impl Range {
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Range {
        let ticks = axis.ticks.iter().map(|(value, _)| *value);
        let (low, high) = values
            .chain(axis.include.iter().copied())
            .chain(ticks)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if axis.ticks.is_empty() {
            let step = step(high - low, low.abs().max(high.abs()));
            let step = if axis.scale == Scale::Whole { step.max(1.0) } else { step };
            let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
            let high = if high > low { high } else { low + step };
            let count = ((high - low) / step).round() as usize;
            let ticks = (0..=count).map(|nth| low + nth as f64 * step).map(|value| (value, tick(value, step)));
            return Range { low, high, scale: axis.scale, ticks: ticks.collect() };
        }
        // Marked values are single places (label budgets): they keep a distance from the edges.
        let (low, high) = match axis.scale {
            Scale::Linear | Scale::Whole => (low - 0.08 * (high - low).max(1.0), high + 0.08 * (high - low).max(1.0)),
            Scale::Log => {
                let pad = (high / low).powf(0.12).max(1.3);
                (low / pad, high * pad)
            }
        };
        Range { low, high, scale: axis.scale, ticks: axis.ticks.clone() }
    }

    /// Where a value lies between both ends, 0-1.
    pub fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear | Scale::Whole => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }
}

/// A distance of 1, 2 or 5 times a power of ten that divides `span` into four to ten parts.
fn step(span: f64, size: f64) -> f64 {
    let span = if span > 1e-9 * size.max(1e-9) { span } else { 0.1 * size.max(1e-9) };
    let power = 10f64.powf((span / 5.0).log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| span / (times * power) <= 7.0).unwrap_or(10.0);
    times * power
}

fn tick(value: f64, step: f64) -> String {
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    if !(1e-4..1e7).contains(&step) {
        return if value == 0.0 { "0".to_owned() } else { format!("{value:.0e}") };
    }
    let decimals = (-step.log10()).ceil().max(0.0) as usize;
    format!("{value:.decimals$}").replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_data() {
        for (low, high) in [(0.0, 1.0), (0.31, 0.62), (-0.07, 0.2), (3.0, 3.0), (0.0, 0.0), (1e-9, 2e-9), (0.0, 4e7)] {
            let range = Range::new(&Axis::linear(""), [low, high].into_iter());
            assert!(range.low <= low + 1e-12 && range.high >= high, "{low} {high}");
            assert!((2..=9).contains(&range.ticks.len()), "{low} {high}: {:?}", range.ticks);
        }
        let texts: Vec<String> =
            Range::new(&Axis::linear(""), [0.31, 0.62].into_iter()).ticks.into_iter().map(|(_, text)| text).collect();
        let whole = Range::new(&Axis::whole("epoch"), [1.0, 3.0].into_iter());
        assert_eq!(whole.ticks.iter().map(|(value, _)| *value).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert_eq!(texts, ["0.30", "0.35", "0.40", "0.45", "0.50", "0.55", "0.60", "0.65"]);
    }

    #[test]
    fn a_logarithmic_axis_is_logarithmic() {
        let axis = Axis {
            scale: Scale::Log,
            ticks: [1.0, 10.0, 100.0].map(|value| (value, String::new())).to_vec(),
            ..Axis::linear("")
        };
        let range = Range::new(&axis, [1.0, 100.0].into_iter());
        assert!((range.share(10.0) - 0.5).abs() < 1e-12);
        assert!(range.share(1.0) > 0.0 && range.share(100.0) < 1.0);
    }
}
