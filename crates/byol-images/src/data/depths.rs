//! How much of their range the images of a set use, so that none is emptied by decoding without a word: ten bits in a file of
//! sixteen leave four levels of 256.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Image;
use super::decode::deep::Stored;
use super::levels::{Levels, SampleKind};
use super::note::{DataNote, LevelsRemedy, Span};

/// Channels whose levels are nearer to each other than this, but for one in a thousand at either end, show nothing.
const ONE_LEVEL: f64 = 4.0;

/// Images of fewer pixels may well be of one colour.
const JUDGED_PIXELS: usize = 256;

/// What is less than this of the range from black to white is a small part of it: fourteen bits of sixteen, and what is below.
const SMALL_PART: f64 = 0.25;

/// Floating values beyond 0 to 1 by less than this are rounding, or highlights.
const BEYOND: f64 = 0.05;

/// Of the images of one set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Depths {
    images: usize,
    /// How many are of (nearly) one level.
    flat: usize,
    /// Images of more than eight bits, by what their samples are.
    #[serde(with = "as_list")]
    kinds: BTreeMap<SampleKind, Used>,
}

/// The values that images use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Used {
    images: usize,
    /// How many use a small part of what lies between black and white.
    narrow: usize,
    /// How many have values beyond black or white.
    beyond: usize,
    low: f64,
    high: f64,
}

/// Kinds of samples, which are no names, and so no keys of JSON, as a list.
mod as_list {
    use serde::{Deserializer, Serializer};

    use super::{BTreeMap, Deserialize, SampleKind, Serialize, Used};

    pub fn serialize<S: Serializer>(kinds: &BTreeMap<SampleKind, Used>, to: S) -> Result<S::Ok, S::Error> {
        kinds.iter().collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<SampleKind, Used>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}

impl Depths {
    /// Of one image as it was decoded.
    pub fn of(image: &Image, stored: Option<Stored>, levels: Levels) -> Self {
        Depths { flat: is_flat(image).into(), ..Self::of_stored(stored, levels) }
    }

    /// The same, without a look at the levels that came of it.
    pub fn of_stored(stored: Option<Stored>, levels: Levels) -> Self {
        let kinds = stored.map(|Stored { kind, low, high }| {
            let (black, white) = levels.range(kind);
            let slack = BEYOND * (white - black);
            let narrow = (high - low) < SMALL_PART * (white - black);
            let beyond = low < black - slack || high > white + slack;
            (kind, Used { images: 1, narrow: narrow.into(), beyond: beyond.into(), low, high })
        });
        Depths { images: 1, flat: 0, kinds: kinds.into_iter().collect() }
    }

    pub fn join(&mut self, other: Depths) {
        self.images += other.images;
        self.flat += other.flat;
        for (kind, used) in other.kinds {
            self.kinds.entry(kind).and_modify(|all| all.join(used)).or_insert(used);
        }
    }

    /// How many images the choice of levels concerns.
    pub fn deep(&self) -> usize {
        self.kinds.values().map(|used| used.images).sum()
    }

    /// What the images hold.
    pub fn notes(&self, levels: Levels) -> Vec<DataNote> {
        let note = |(&kind, used): (&SampleKind, &Used)| {
            let Used { images, narrow, .. } = *used;
            DataNote::Deep { images, of: self.images, span: used.span(kind, levels), narrow }
        };
        self.kinds.iter().map(note).collect()
    }

    /// What is wrong with the levels, with the remedy.
    pub fn warnings(&self, levels: Levels) -> Vec<DataNote> {
        let of_kind = |(&kind, used): (&SampleKind, &Used)| used.warning(kind, levels, used.remedy(kind, levels));
        let of_all = (self.flat > 0).then_some(DataNote::OneLevel { images: self.flat, of: self.images });
        self.kinds.iter().filter_map(of_kind).chain(of_all).collect()
    }

    /// The same where a network that was trained with these levels reads files.
    pub fn warnings_of_answers(&self, levels: Levels) -> Vec<DataNote> {
        let of_kind =
            |(&kind, used): (&SampleKind, &Used)| used.warning(kind, levels, LevelsRemedy::TrainedWith { levels });
        self.kinds.iter().filter_map(of_kind).collect()
    }
}

impl Used {
    fn join(&mut self, other: Used) {
        self.images += other.images;
        self.narrow += other.narrow;
        self.beyond += other.beyond;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    fn warning(&self, kind: SampleKind, levels: Levels, remedy: LevelsRemedy) -> Option<DataNote> {
        let (black, white) = levels.range(kind);
        let span = self.span(kind, levels);
        let one = levels.scale(kind);
        let left = usize::from(one.level(self.high) - one.level(self.low)) + 1;
        if self.high - self.low < SMALL_PART * (white - black) {
            return Some(DataNote::FewLevels { images: self.images, span, left, remedy });
        }
        // Of types with an end, what lies beyond black or white was left out by choice.
        if self.beyond > 0 {
            return Some(DataNote::BeyondRange { images: self.beyond, of: self.images, span, remedy });
        }
        // Two sources, perhaps, that no choice for all of them fits.
        (2 * self.narrow >= self.images && self.images > 1).then_some(DataNote::UnlikeOthers {
            images: self.narrow,
            of: self.images,
            span,
        })
    }

    fn remedy(&self, kind: SampleKind, levels: Levels) -> LevelsRemedy {
        let used =
            Levels::Between { black: kind.rounded(self.low, f64::floor), white: kind.rounded(self.high, f64::ceil) };
        if self.high <= self.low {
            return LevelsRemedy::LookAtFiles;
        }
        // What a sensor of so many bits counts to; a range that begins far from 0 is none.
        let bits = [8, 10, 12, 14, 16].into_iter().find(|&bits| self.high <= Levels::Bits(bits).range(kind).1);
        let counted = kind != SampleKind::Floating && self.low >= 0.0 && self.low < self.high / 2.0;
        let first = bits
            .map(Levels::Bits)
            .filter(|found| counted && *found != levels && found.range(kind) != levels.range(kind));
        match first {
            Some(levels) => LevelsRemedy::Bits { levels, used },
            None => LevelsRemedy::Used { levels: used },
        }
    }

    fn span(&self, kind: SampleKind, levels: Levels) -> Span {
        let (black, white) = levels.range(kind);
        let rounded = |value| kind.rounded(value, f64::round);
        let (low, high, black, white) = (rounded(self.low), rounded(self.high), rounded(black), rounded(white));
        Span { kind, low, high, black, white }
    }
}

impl SampleKind {
    /// Three digits of a floating value are enough to choose by.
    fn rounded(self, value: f64, toward: fn(f64) -> f64) -> f64 {
        if self != SampleKind::Floating || value == 0.0 {
            return value;
        }
        let unit = 10f64.powf(value.abs().log10().floor() - 2.0);
        format!("{:.2e}", toward(value / unit) * unit).parse().unwrap_or(value)
    }
}

fn is_flat(image: &Image) -> bool {
    let area = image.width * image.height;
    area >= JUDGED_PIXELS
        && image.pixels.chunks_exact(area).all(|plane| {
            let stored = Stored::of(SampleKind::Unsigned(8), area, |place| plane[place].into());
            stored.is_some_and(|Stored { low, high, .. }| high - low < ONE_LEVEL)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIXTEEN: SampleKind = SampleKind::Unsigned(16);

    fn image(levels: impl Fn(usize) -> u8) -> Image {
        Image { width: 32, height: 32, pixels: (0..3 * 1024).map(levels).collect() }
    }

    fn of(kind: SampleKind, spans: &[(f64, f64)], levels: Levels) -> Depths {
        let mut all = Depths::default();
        for &(low, high) in spans {
            all.join(Depths::of(&image(|place| place as u8), Some(Stored { kind, low, high }), levels));
        }
        all
    }

    /// What is said of images of these spans: how many are meant, and the remedy.
    fn warned(kind: SampleKind, spans: &[(f64, f64)], levels: Levels) -> Vec<(usize, Option<LevelsRemedy>)> {
        let meant = |note: DataNote| match note {
            DataNote::FewLevels { images, remedy, .. } | DataNote::BeyondRange { images, remedy, .. } => {
                (images, Some(remedy))
            }
            DataNote::UnlikeOthers { images, .. } => (images, None),
            other => panic!("{other:?}"),
        };
        of(kind, spans, levels).warnings(levels).into_iter().map(meant).collect()
    }

    fn between(black: f64, white: f64) -> Levels {
        Levels::Between { black, white }
    }

    #[test]
    fn a_small_part_of_the_range_is_told_with_the_bits_that_fit() {
        let found = of(SIXTEEN, &[(0.0, 900.0), (3.0, 1023.0)], Levels::Full).warnings(Levels::Full);
        let span = Span { kind: SIXTEEN, low: 0.0, high: 1023.0, black: 0.0, white: 65_535.0 };
        let remedy = LevelsRemedy::Bits { levels: Levels::Bits(10), used: between(0.0, 1023.0) };
        assert_eq!(found, [DataNote::FewLevels { images: 2, span, left: 5, remedy }]);
        for (high, fits) in [(255.0, 8), (1200.0, 12), (4095.0, 12), (16_383.0, 14)] {
            let remedy = LevelsRemedy::Bits { levels: Levels::Bits(fits), used: between(100.0, high) };
            assert_eq!(warned(SIXTEEN, &[(100.0, high)], Levels::Full), [(1, Some(remedy))], "{high}");
        }
        let remedy = LevelsRemedy::Used { levels: between(30_000.0, 34_000.0) };
        assert_eq!(warned(SIXTEEN, &[(30_000.0, 34_000.0)], Levels::Full), [(1, Some(remedy))]);
        assert_eq!(warned(SIXTEEN, &[(0.0, 40_000.0)], Levels::Full), []);
        assert_eq!(warned(SIXTEEN, &[(7.0, 7.0)], Levels::Full), [(1, Some(LevelsRemedy::LookAtFiles))]);
    }

    #[test]
    fn levels_that_were_chosen_are_judged_as_well() {
        let twelve = Levels::Bits(12);
        assert_eq!(warned(SIXTEEN, &[(0.0, 3000.0)], twelve), []);
        let found = of(SIXTEEN, &[(0.0, 60_000.0)], twelve);
        let span = Span { kind: SIXTEEN, low: 0.0, high: 60_000.0, black: 0.0, white: 4095.0 };
        let remedy = LevelsRemedy::Bits { levels: Levels::Bits(16), used: between(0.0, 60_000.0) };
        assert_eq!(found.warnings(twelve), [DataNote::BeyondRange { images: 1, of: 1, span, remedy }]);
        let remedy = LevelsRemedy::TrainedWith { levels: twelve };
        assert_eq!(found.warnings_of_answers(twelve), [DataNote::BeyondRange { images: 1, of: 1, span, remedy }]);
    }

    #[test]
    fn floating_values_are_told_where_they_leave_0_to_1() {
        let kind = SampleKind::Floating;
        assert_eq!(warned(kind, &[(0.0, 1.0), (-0.01, 1.03)], Levels::Full), []);
        for (span, used) in [((0.0, 812.345), (0.0, 813.0)), ((0.000_123_4, 0.012_345), (0.000_123, 0.0124))] {
            let remedy = LevelsRemedy::Used { levels: between(used.0, used.1) };
            assert_eq!(warned(kind, &[span], Levels::Full), [(1, Some(remedy))]);
        }
    }

    #[test]
    fn one_level_is_told_whatever_it_is_stored_as() {
        let flat = |levels: &dyn Fn(usize) -> u8| Depths::of(&image(levels), None, Levels::Full).flat == 1;
        assert!(flat(&|place| (place % 4) as u8));
        assert!(!flat(&|place| (place % 5) as u8));
        // Colours may differ from each other; a stray pixel shows nothing.
        assert!(flat(&|place| (place / 1024) as u8 * 80));
        assert!(flat(&|place| if place % 1024 == 7 { 255 } else { 0 }));
        assert!(!flat(&|place| if place % 1024 < 20 { 255 } else { 0 }));
        let found = Depths::of(&image(|_| 9), None, Levels::Full).warnings(Levels::Full);
        assert_eq!(found, [DataNote::OneLevel { images: 1, of: 1 }]);
    }

    #[test]
    fn two_sources_are_told_apart() {
        let found = of(SIXTEEN, &[(0.0, 4000.0), (0.0, 60_000.0)], Levels::Full);
        let span = Span { kind: SIXTEEN, low: 0.0, high: 60_000.0, black: 0.0, white: 65_535.0 };
        assert_eq!(found.warnings(Levels::Full), [DataNote::UnlikeOthers { images: 1, of: 2, span }]);
        assert_eq!(found.notes(Levels::Full), [DataNote::Deep { images: 2, of: 2, span, narrow: 1 }]);
    }
}
